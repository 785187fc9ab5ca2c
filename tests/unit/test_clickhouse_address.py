"""Where ClickHouse is and as whom: CLICKHOUSE_URL taken apart, and what the embedded server is shown."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from glassbook.clickhouse import Access, Place, access
from glassbook.clickhouse_keys import SINK, make_keys
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import Settings


def place(url: str = "", data_dir: Path = Path("/nowhere")) -> Place:
    return cast(Place, SimpleNamespace(clickhouse_url=url, clickhouse_port=8124, data_dir=data_dir))


@pytest.mark.parametrize(
    ("url", "address", "options"),
    [
        ("http://ch", ("http", "ch", 8123, "glassbook"), {"username": "default", "password": ""}),
        ("https://ch", ("https", "ch", 8443, "glassbook"), {"username": "default", "password": ""}),
        ("https://u%40x:p%2Fw@ch:9440/prices", ("https", "ch", 9440, "prices"), {"username": "u@x", "password": "p/w"}),
        ("http://[::1]:1/x", ("http", "::1", 1, "x"), {"username": "default", "password": ""}),
        ("https://u@ch?ca_cert=certifi", ("https", "ch", 8443, "glassbook"), {"username": "u", "ca_cert": "certifi"}),
    ],
)
def test_a_url_is_taken_apart(url: str, address: tuple[Any, ...], options: dict[str, str]) -> None:
    found = access(place(url), SINK)
    assert (tuple(found.address), found.options) == (address, {"password": "", **options})
    assert not found.embedded and found.token is None


@pytest.mark.parametrize(
    "url",
    [
        "ch",
        "ftp://ch",
        "http://",
        "http://ch:x",
        "http://ch:99999999",
        "http://ch?x=1",
        "http://ch?client_cert=/nowhere.pem",
    ],
)
def test_a_wrong_url_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(GlassbookError) as raised:
        access(place(url.replace("http://", "http://user:secret@")))
    assert "CLICKHOUSE_URL" in str(raised.value) and "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_password_is_shown_nowhere() -> None:
    found = access(place("http://user:secret@ch"))
    assert "secret" not in repr(found) and str(found.address) == "http://ch:8123"
    settings = Settings.model_validate({"clickhouse_url": "http://user:secret@ch"})
    assert "secret" not in repr(settings)


def test_the_embedded_server_is_shown_a_token_by_programs_alone(tmp_path: Path) -> None:
    analyst = access(place())
    assert tuple(analyst.address) == ("http", "127.0.0.1", 8124, "glassbook")
    assert analyst.embedded and analyst.token is None
    with pytest.raises(GlassbookError, match="glassbook up"):
        access(place(data_dir=tmp_path), SINK)
    folder = DataFolder(tmp_path)
    folder.create_instance(1)
    make_keys(folder.clickhouse_keys)
    sink = access(place(data_dir=tmp_path), SINK)
    assert sink.token is not None and sink.token().count(".") == 2


def test_both_names_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_URL", "http://one")
    assert Settings().clickhouse_url == "http://one"
    monkeypatch.setenv("GLASSBOOK_CLICKHOUSE_URL", "http://two")
    assert Settings().clickhouse_url == "http://two"
    assert Settings().environment()["GLASSBOOK_CLICKHOUSE_URL"] == "http://two"


def test_plain_http_shows_who_asks() -> None:
    with access(place("http://user:secret@ch")).http() as http:
        assert http.headers["x-clickhouse-user"] == "user" and http.headers["x-clickhouse-key"] == "secret"
        assert http.headers["x-clickhouse-database"] == "glassbook"
    with Access(access(place()).address, embedded=True).http() as http:
        assert "x-clickhouse-user" not in http.headers and "authorization" not in http.headers

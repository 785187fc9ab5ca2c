"""What a browser gets from `/`: the built page under a strict policy, or words where there is none."""

import gzip
from pathlib import Path

import httpx
import pytest

from glassbook import page_build
from glassbook.page_build import CanNotBuild, digest_of
from producers.app import build_app
from producers.page import read_page
from tests.unit.gateway_world import GatewayWorld, run


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "index-4f2c.js").write_text("let page;" * 100)
    (folder / "assets" / "inter-77ab.woff2").write_bytes(b"font")
    (folder / "sources.sha256").write_text("stamp")
    return folder


def get(folder: Path | None, path: str, **headers: str) -> httpx.Response:
    app = build_app(GatewayWorld().gateway, page=folder)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.get(path, headers={"accept-encoding": "identity"} | headers)

    return run(ask())


def test_the_page_runs_its_own_files_alone(built):
    answer = get(built, "/")
    assert answer.text == "<!doctype html><title>page</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(maxsplit=1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert {policy.pop(name) for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert set(policy.values()) == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_assets_are_kept_for_ever_and_the_page_is_asked_for_anew(built):
    assert get(built, "/").headers["cache-control"] == "no-cache"
    script = get(built, "/assets/index-4f2c.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert get(built, "/assets/inter-77ab.woff2").headers["content-type"] == "font/woff2"


def test_text_is_packed_for_who_takes_it(built):
    packed = get(built, "/assets/index-4f2c.js", **{"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 100
    assert packed.text == "let page;" * 100
    assert "content-encoding" not in get(built, "/assets/inter-77ab.woff2", **{"accept-encoding": "gzip"}).headers
    assert gzip.decompress(read_page(built)["index.html"].packed or b"") == (built / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    ["/assets/other.js", "/sources.sha256", "/index.htm", "/assets/../index.html", "/assets/%2e%2e/sources.sha256"],
)
def test_nothing_else_is_served(built, path):
    answer = get(built, path)
    assert answer.status_code in (200, 404)
    assert answer.status_code == 404 or answer.text == (built / "index.html").read_text()


def test_without_a_build_the_exchange_says_so(tmp_path):
    for folder in (None, tmp_path / "dist"):
        answer = get(folder, "/")
        assert answer.status_code == 200
        assert "has not been built" in answer.text
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


# --- the build


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    for name in page_build.SOURCES[:-1]:
        (web / name).write_text(name)
    (web / "src" / "main.tsx").write_text("page")
    monkeypatch.setattr(page_build, "WEB", web)
    monkeypatch.setattr(page_build, "BUILT", web / "dist")
    monkeypatch.setattr(page_build, "STAMP", web / "dist" / "sources.sha256")
    monkeypatch.setattr(page_build, "PACKAGES_STAMP", web / "node_modules" / "lock.sha256")
    return web


def test_a_page_of_these_sources_is_not_built_again(sources, monkeypatch):
    (sources / "dist").mkdir()
    (sources / "dist" / "sources.sha256").write_text(digest_of(page_build.sources()))
    monkeypatch.setattr(page_build, "node_folder", lambda: sources / "nowhere")
    assert page_build.build() is False
    (sources / "src" / "main.tsx").write_text("another page")
    with pytest.raises(CanNotBuild):
        page_build.build()


def test_where_it_can_not_be_built_it_says_why_and_ends_well(sources, monkeypatch, capsys):
    monkeypatch.setattr(page_build, "node_folder", lambda: sources / "nowhere")
    assert page_build.main() == 0
    assert "the exchange runs without it" in capsys.readouterr().err


def test_a_build_that_fails_leaves_the_one_before(sources, monkeypatch):
    (sources / "dist").mkdir()
    (sources / "dist" / "index.html").write_text("before")
    monkeypatch.setattr(page_build, "node_folder", lambda: sources / "nowhere")
    with pytest.raises(CanNotBuild):
        page_build.build()
    assert (sources / "dist" / "index.html").read_text() == "before"

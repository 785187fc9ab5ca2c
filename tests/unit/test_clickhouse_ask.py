"""A request taken apart."""

import asyncio
import itertools
from base64 import b64encode

import pytest

from sinks.embedded.ask import Ask, Credentials, Session, ask, credentials
from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.multipart import parts
from sinks.embedded.named_sessions import MOST, NamedSessions
from sinks.embedded.slots import Slots

LIMIT = 1 << 20
FORM = (
    b"--xyz\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n"
    b"--xyz\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\nb\r\n"
    b"--xyz\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\nContent-Type: text/csv\r\n\r\n"
    b"1\r\n\r\n2\n\r\n"
    b"--xyz--\r\n"
)  # fmt: skip
MANY = b"--xyz\r\nContent-Disposition: x; name=\"a\"\r\n\r\n\r\n"  # fmt: skip


def taken(query_string: str = "", body: bytes = b"", method: str = "POST", **headers: str) -> Ask:
    return ask(method, {name.replace("_", "-"): value for name, value in headers.items()}, query_string, body, LIMIT)


def refusal(query_string: str = "", body: bytes = b"", **headers: str) -> int:
    with pytest.raises(ClickHouseError) as raised:
        taken(query_string, body, **headers)
    return raised.value.code


def test_the_statement() -> None:
    assert taken("query=SELECT+1").sql == b"SELECT 1"
    assert taken("", b"SELECT 1").sql == b"SELECT 1"
    assert taken("query=SELECT", b"1").sql == b"SELECT\n1"
    assert taken("query=SELECT+%27%ff%27").sql == b"SELECT '\xff'"
    assert not taken("", b"", "GET").sql


def test_settings_are_what_is_nothing_else() -> None:
    asked = taken(
        "query=x&database=d&max_threads=2&param_p=v&user=default&compress=1&&x=&session_id=s&role=r&log_comment=c"
    )
    assert asked.settings == {"max_threads": "2", "x": ""}
    assert asked.parameters == {"p": "v"} and asked.database == "d" and asked.roles == ("r",) and asked.blocks


def test_how_the_answer_is_to_come() -> None:
    assert taken().format == "TabSeparated"
    assert taken("default_format=CSV").format == "CSV"
    assert taken("default_format=CSV", x_clickhouse_format="JSON").format == "JSON"
    assert taken("wait_end_of_query=1&buffer_size=10").wait_end_of_query
    assert taken("buffer_size=10").buffer_bytes == 10 and taken("buffer_size=x").buffer_bytes is None
    assert taken("", accept_encoding="gzip").coding == "gzip"
    assert taken("enable_http_compression=0", accept_encoding="gzip").coding is None
    assert taken("", b"", "GET").reads_only and not taken().reads_only


def test_sessions_of_a_request() -> None:
    assert taken().session is None
    assert taken("session_id=s").session == Session("s", 60, False, False)
    assert taken("session_id=s&session_timeout=5&session_check=1&close_session=1").session == Session(
        "s", 5, True, True
    )
    for wrong in ("0", "-1", "3601", "x", "٣"):
        assert refusal(f"session_id=s&session_timeout={wrong}") == Code.INVALID_SESSION_TIMEOUT


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("headers", "url", "found"),
    [
        ({}, {}, Credentials()),
        ({"authorization": basic("u:p:q")}, {}, Credentials("u", "p:q")),
        ({"authorization": "bearer t"}, {}, Credentials(token="t")),
        ({"x-clickhouse-user": "u", "x-clickhouse-key": "p"}, {}, Credentials("u", "p")),
        ({}, {"user": "u", "password": "p"}, Credentials("u", "p")),
        ({"authorization": basic("u:p")}, {"user": "u"}, None),
        ({"authorization": basic("u:p"), "x-clickhouse-user": "u"}, {}, None),
        ({"authorization": "Basic !"}, {}, None),
        ({"authorization": "Digest x"}, {}, None),
    ],
)
def test_credentials(headers: dict[str, str], url: dict[str, str], found: Credentials | None) -> None:
    if found is not None:
        assert credentials(headers, url) == found
        return
    with pytest.raises(ClickHouseError) as raised:
        credentials(headers, url)
    assert raised.value.code == Code.AUTHENTICATION_FAILED


def test_a_form() -> None:
    asked = taken(
        "t_structure=a+UInt8&t_format=CSV&date_time_input_format=x",
        FORM,
        content_type="multipart/form-data; boundary=xyz",
    )
    assert asked.sql == b"SELECT {a:String}" and asked.parameters == {"a": "b"}
    (table,) = asked.external
    assert (table.name, table.structure, table.format, table.data) == ("t", "a UInt8", "CSV", b"1\r\n\r\n2\n")
    assert not asked.settings
    types = taken("t_types=UInt8,Tuple(a+Int8,+b+String)", FORM, content_type='multipart/form-data; boundary="xyz"')
    assert types.external[0].structure == "_1 UInt8, _2 Tuple(a Int8, b String)"
    assert refusal("", FORM, content_type="multipart/form-data; boundary=xyz") == Code.BAD_ARGUMENTS


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", FORM),
        ("multipart/form-data; boundary=other", FORM),
        ("multipart/form-data; boundary=xyz", FORM[:-6]),
        ("multipart/form-data; boundary=xyz", FORM.replace(b'name="query"', b"")),
        ("multipart/form-data; boundary=xyz", MANY * 101 + b"--xyz--"),
    ],
)  # fmt: skip
def test_a_broken_form(content_type: str, body: bytes) -> None:
    with pytest.raises(ClickHouseError) as raised:
        parts(content_type, body)
    assert raised.value.code == Code.BAD_ARGUMENTS


def test_named_sessions() -> None:
    now = [0.0]
    numbers = itertools.count()
    sessions = NamedSessions(lambda: str(next(numbers)), lambda: now[0])
    wanted = Session("s", 10, False, False)

    def refused(user: str, session: Session) -> int:
        with pytest.raises(ClickHouseError) as raised:
            sessions.take(user, session)
        return raised.value.code

    assert refused("a", wanted._replace(must_exist=True)) == Code.SESSION_NOT_FOUND
    first, _ = sessions.take("a", wanted)
    assert refused("a", wanted) == Code.SESSION_IS_LOCKED
    other, _ = sessions.take("b", wanted)
    assert other is not first, "a session is its user's own"
    sessions.give_back("a", wanted)
    now[0] = 9.0
    assert sessions.take("a", wanted)[0] is first
    now[0] = 1000.0
    assert sessions.expire() == [], "it is in use, however long"
    sessions.give_back("a", wanted)
    now[0] = 1011.0
    assert refused("a", wanted._replace(must_exist=True)) == Code.SESSION_NOT_FOUND
    sessions.take("a", wanted._replace(close=True))
    sessions.give_back("a", wanted._replace(close=True))
    assert refused("a", wanted._replace(must_exist=True)) == Code.SESSION_NOT_FOUND
    for number in range(MOST - 1):
        sessions.take("c", wanted._replace(id=str(number)))
    assert refused("c", wanted) == Code.TOO_MANY_SIMULTANEOUS_QUERIES
    sessions.give_back("c", wanted._replace(id="7"))
    sessions.take("c", wanted)  # in place of the one that is idle
    assert refused("c", wanted._replace(id="7", must_exist=True)) == Code.SESSION_NOT_FOUND


def test_slots() -> None:
    async def use() -> list[int]:
        slots = Slots(places=2, queue=1, patience_s=0.05)
        refused = list[int]()

        async def come(stay_s: float) -> None:
            try:
                await slots.take()
            except ClickHouseError as error:
                refused.append(error.code)
                return
            await asyncio.sleep(stay_s)
            slots.give_back()

        # Two have a place, one waits until its patience ends, and one is sent away at once.
        await asyncio.gather(*(come(0.2) for _ in range(4)))
        await come(0)
        return refused

    assert asyncio.run(use()) == [Code.TOO_MANY_SIMULTANEOUS_QUERIES] * 2

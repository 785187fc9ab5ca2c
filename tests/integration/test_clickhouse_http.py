"""ClickHouse's HTTP interface as its documentation describes it, by curl and by plain HTTP."""

import gzip
import json
import shutil
import subprocess
import time

import httpx
import pytest

from glassbook.data_folder import DataFolder
from sinks.embedded.codings import from_blocks, to_blocks
from tests.integration.embedded_clickhouse import EmbeddedClickHouse, code

MILLION = "SELECT number FROM numbers(1000000)"


def curl(*arguments: str, data: bytes = b"") -> bytes:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    command = ["curl", "-sS", "--noproxy", "*", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def test_health(embedded: EmbeddedClickHouse) -> None:
    for path in ("/", "/ping", "/replicas_status"):
        assert curl(f"{embedded.url}{path}") == b"Ok.\n"
    with embedded.http() as http:
        assert http.head("/ping").status_code == 200
        lost = http.get("/nowhere")
    assert lost.status_code == 404 and lost.text.startswith("There is no handle /nowhere")


def test_a_question_by_curl_each_way(embedded: EmbeddedClickHouse) -> None:
    url = embedded.url
    assert curl(f"{url}/?query=SELECT%201") == b"1\n"
    assert curl(url, "--data-binary", "@-", data=b"SELECT 1") == b"1\n"
    assert curl(url, "-d", "SELECT 1") == b"1\n"
    assert curl(f"{url}/?query=", "--data-binary", "@-", data=b"SELECT 1") == b"1\n"
    # What stands in the URL and what comes in the body are one statement, a line feed between them.
    assert curl(f"{url}/?query=SELECT", "--data-binary", "@-", data=b"1") == b"1\n"
    assert b"Syntax error" in curl(f"{url}/?query=SEL", "--data-binary", "@-", data=b"ECT 1")
    assert curl(f"{url}/?query=SELECT%201,2,3%20FORMAT%20JSONCompactEachRow") == b"[1, 2, 3]\n"
    assert curl(f"{url}/?default_format=CSV", "-d", "SELECT 1, 'x'") == b'1,"x"\n'
    assert curl(url, "-H", "X-ClickHouse-Format: CSV", "-d", "SELECT 1, 'x'") == b'1,"x"\n'
    assert curl(f"{url}/?database=system", "-d", "SELECT number FROM numbers LIMIT 2") == b"0\n1\n"
    assert curl(url, "-H", "X-ClickHouse-Database: system", "-d", "SELECT currentDatabase()") == b"system\n"


def test_parameters(embedded: EmbeddedClickHouse) -> None:
    sql = "SELECT {id:UInt8}, {phrase:String}, {list:Array(String)}, {nothing:Nullable(String)}"
    answer = embedded.ask(sql, param_id=2, param_phrase="a\\tb's", param_list="['x','y']", param_nothing="\\N")
    assert answer.text == "2\ta\\tb\\'s\t['x','y']\t\\N\n"
    assert code(embedded.ask("SELECT {missing:UInt8}")) == 456
    assert code(embedded.ask("SELECT {arg:String}", param_arg="abc\t123")) == 457
    assert (
        embedded.ask("SELECT dummy FROM {d:Identifier}.{t:Identifier}", param_d="system", param_t="one").text == "0\n"
    )


def test_the_headers_of_an_answer(embedded: EmbeddedClickHouse) -> None:
    answer = embedded.ask("SELECT number FROM numbers(10) FORMAT JSON", query_id="mine")
    headers = answer.headers
    assert headers["content-type"] == "application/json; charset=UTF-8"
    assert headers["x-clickhouse-format"] == "JSON"
    assert headers["x-clickhouse-query-id"] == "mine"
    assert headers["x-clickhouse-timezone"] == "UTC"
    assert headers["x-clickhouse-server-display-name"] == "glassbook"
    summary = json.loads(headers["x-clickhouse-summary"])
    assert summary["read_rows"] == "10" and summary["result_rows"] == "10"
    assert len(headers["x-clickhouse-exception-tag"]) == 16
    assert answer.json()["rows"] == 10
    kinds = {
        "TabSeparated": "text/tab-separated-values; charset=UTF-8",
        "CSV": "text/csv; charset=UTF-8; header=absent",
        "Native": "application/octet-stream",
    }
    for form, kind in kinds.items():
        assert embedded.ask("SELECT 1", default_format=form).headers["content-type"] == kind
    with embedded.http() as http:
        head = http.head("/", params={"query": "SELECT 1"})
    assert head.status_code == 200 and head.headers["x-clickhouse-format"] == "TabSeparated" and not head.content
    # A name that doesn't fit into a header is not taken over.
    assert embedded.ask("SELECT 1", query_id="a\r\nx-forged: 1").headers.get("x-forged") is None


@pytest.mark.parametrize(
    ("sql", "expected_code", "name", "status"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR", 400),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR", 400),
        ("SELECT nope", 47, "UNKNOWN_IDENTIFIER", 404),
        ("SELECT nope(1)", 46, "UNKNOWN_FUNCTION", 404),
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE", 404),
        ("SELECT * FROM nowhere.trades", 81, "UNKNOWN_DATABASE", 404),
        ("SELECT 1 FORMAT Nope", 73, "UNKNOWN_FORMAT", 404),
        ("SELECT toUInt8('x')", 6, "CANNOT_PARSE_TEXT", 400),
        ("SELECT throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 500),
        ("INSERT INTO t VALUES (1)", 164, "READONLY", 500),
        ("SELECT * FROM file('/etc/passwd')", 497, "ACCESS_DENIED", 403),
    ],
)
def test_errors(embedded: EmbeddedClickHouse, sql: str, expected_code: int, name: str, status: int) -> None:
    answer = embedded.ask(sql)
    assert (code(answer), answer.status_code) == (expected_code, status)
    assert answer.text.startswith(f"Code: {expected_code}. DB::Exception: ") and f"({name}) (version " in answer.text
    assert answer.text.count("Code: ") == 1 and answer.text.endswith("\n")


def test_errors_of_the_request(embedded: EmbeddedClickHouse) -> None:
    assert code(embedded.ask("SELECT 1", database="nowhere")) == 81
    assert code(embedded.ask("SELECT 1", no_such_setting=1)) == 115
    assert code(embedded.ask("SELECT 1", role="writer")) == 512
    assert code(embedded.ask("SELECT 1", session_id="x", session_timeout=999_999)) == 374
    assert code(embedded.ask("SELECT 1", session_id="never seen", session_check=1)) == 372
    with embedded.http() as http:
        assert code(http.post("/", content=b"SELECT 1", headers={"content-encoding": "nope"})) == 779
        assert code(http.post("/", content=b"SELECT 1", headers={"content-encoding": "gzip"})) == 271
        assert http.put("/", content=b"SELECT 1").status_code == 405


def test_who_asks(embedded: EmbeddedClickHouse) -> None:
    assert curl(f"{embedded.url}/?user=default&password=", "-d", "SELECT currentUser()") == b"default\n"
    assert curl("-u", "default:", embedded.url, "-d", "SELECT 1") == b"1\n"
    assert curl("-u", "default:any", embedded.url, "-d", "SELECT 1") == b"1\n"
    assert curl("-H", "X-ClickHouse-User: default", embedded.url, "-d", "SELECT 1") == b"1\n"
    wrong = [
        {"params": {"user": "writer"}},
        {"params": {"user": "writer", "password": "x"}},
        {"auth": ("sink", "")},
        {"headers": {"X-ClickHouse-User": "sink", "X-ClickHouse-Key": "x"}},
        {"headers": {"Authorization": "Bearer x.y.z"}},
        {"headers": {"Authorization": "Negotiate x"}},
        {"auth": ("default", ""), "params": {"user": "default"}},
    ]
    with embedded.http() as http:
        for arguments in wrong:
            answer = http.post("/", content="SELECT 1", **arguments)  # type: ignore[arg-type]
            assert (answer.status_code, code(answer)) == (403, 516), arguments


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "br"])
def test_compression_by_http(embedded: EmbeddedClickHouse, coding: str) -> None:
    with embedded.http() as http:
        for buffered in (0, 1):
            parameters = {"enable_http_compression": 1, "wait_end_of_query": buffered}
            answer = http.post("/", content=MILLION, params=parameters, headers={"accept-encoding": coding})
            assert answer.headers["content-encoding"] == coding
            if coding in ("gzip", "deflate"):  # which httpx unpacks by itself
                assert len(answer.text) == 6_888_890
        plain = http.post(
            "/", content="SELECT 1", headers={"accept-encoding": coding}, params={"enable_http_compression": 0}
        )
        assert "content-encoding" not in plain.headers and plain.text == "1\n"
        packed = http.post("/", content=gzip.compress(b"SELECT 1"), headers={"content-encoding": "gzip"})
        assert packed.text == "1\n"


def test_clickhouses_own_blocks(embedded: EmbeddedClickHouse) -> None:
    for buffered in (0, 1):
        answer = embedded.ask(MILLION, compress=1, wait_end_of_query=buffered)
        assert len(from_blocks(answer.content, 1 << 30)) == 6_888_890
    assert embedded.ask(to_blocks(b"SELECT 1"), decompress=1).text == "1\n"
    broken = bytearray(to_blocks(b"SELECT 1"))
    broken[-1] ^= 1
    assert code(embedded.ask(bytes(broken), decompress=1)) == 40
    assert code(embedded.ask(b"SELECT 1", decompress=1)) == 271


def test_blocks_are_those_that_the_engine_itself_writes(embedded: EmbeddedClickHouse) -> None:
    """Its own files are made of them, checksums and all."""
    embedded.write("CREATE OR REPLACE TABLE own_blocks (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    for rows in (1, 3, 50, 20_000):
        embedded.write(f"INSERT INTO own_blocks SELECT number, toString(cityHash64(number)) FROM numbers({rows})")
    files = list(DataFolder(embedded.settings.data_dir).clickhouse.rglob("all_*/*.bin"))
    assert len(files) > 3
    assert sum(len(from_blocks(file.read_bytes(), 1 << 30)) for file in files) > 20_000 * 8


def test_a_long_answer_streams(embedded: EmbeddedClickHouse) -> None:
    """The first rows come long before the last are made."""
    sql = (
        "SELECT repeat('x', 100000), sleepEachRow(0.02) FROM numbers(100) SETTINGS max_block_size = 1, max_threads = 1"
    )
    began, first, size = time.monotonic(), 0.0, 0
    with embedded.http() as http, http.stream("POST", "/", content=sql) as answer:
        for chunk in answer.iter_raw():
            first = first or time.monotonic() - began
            size += len(chunk)
    assert size == 100 * 100_003
    assert first < (time.monotonic() - began) / 2


def test_an_error_behind_rows(embedded: EmbeddedClickHouse) -> None:
    sql = "SELECT number, throwIf(number = 2000000) FROM numbers(3000000)"
    came = b""
    with embedded.http() as http, http.stream("POST", "/", content=sql) as answer:
        assert answer.status_code == 200
        # The connection is cut, so that nobody takes this for all.
        with pytest.raises(httpx.RemoteProtocolError):
            for chunk in answer.iter_raw():
                came = (came + chunk)[-4096:]
    tag = answer.headers["x-clickhouse-exception-tag"]
    frame = came.partition(b"\r\n__exception__\r\n")[2].decode()
    assert frame.startswith(f"{tag}\r\nCode: 395. DB::Exception: ")
    ending = frame.splitlines()[-2]
    assert ending.endswith(f" {tag}") and frame.endswith("\r\n__exception__\r\n")
    length = int(ending.split()[0])
    assert frame[len(tag) + 2 :][:length].endswith("))\n")
    # Waiting for the end of the query, one has the status instead.
    assert code(embedded.ask(sql, wait_end_of_query=1)) == 395


def test_get_never_writes(embedded: EmbeddedClickHouse) -> None:
    embedded.write("CREATE TABLE IF NOT EXISTS by_get (a UInt8) ENGINE = MergeTree ORDER BY a")
    with embedded.writer.http() as http:
        for sql in ("INSERT INTO by_get VALUES (1)", "DROP TABLE by_get", "INSERT INTO by_get SELECT 1"):
            assert code(http.get("/", params={"query": sql})) == 164
        assert http.get("/", params={"query": "SELECT count() FROM by_get"}).text == "0\n"


def test_inserts_by_curl_each_way(embedded: EmbeddedClickHouse) -> None:
    embedded.write("CREATE TABLE IF NOT EXISTS by_curl (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    token = embedded.writer.token
    assert token is not None
    bearer = ("-H", f"Authorization: Bearer {token()}")
    url = embedded.url

    def send(query: str, data: bytes) -> None:
        assert curl(*bearer, f"{url}/?query={query}", "--data-binary", "@-", data=data) == b""

    send("", b"INSERT INTO by_curl VALUES (1, 'a'), (2, 'b')")
    send("INSERT%20INTO%20by_curl%20VALUES", b"(3, 'c')")
    send("INSERT%20INTO%20by_curl%20FORMAT%20Values", b"(4, 'd')")
    send("INSERT%20INTO%20by_curl%20FORMAT%20TabSeparated", b"5\te\n6\tf\n")
    send("INSERT%20INTO%20by_curl%20(b,%20a)%20FORMAT%20JSONEachRow", b'{"a": 7, "b": "g"}')
    send("", b'INSERT INTO by_curl SETTINGS input_format_csv_trim_whitespaces = 1 FORMAT CSV\n8,h\n9,"two\n\nlines"\n')
    expected = "1a 2b 3c 4d 5e 6f 7g 8h 9two\n\nlines"
    sql = "SELECT arrayStringConcat(groupArray(concat(toString(a), b)), ' ') FROM (SELECT * FROM by_curl ORDER BY a)"
    assert embedded.ask(sql, default_format="TabSeparatedRaw").text == expected + "\n"


def test_any_bytes_can_be_inserted(embedded: EmbeddedClickHouse) -> None:
    """Blank lines, semicolons, quotes and zeros among the data are data."""
    embedded.write("CREATE TABLE IF NOT EXISTS any_bytes (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    values = [0x0A0A0A0A, 0x3B27220A, 0x00FF00FF00, 2**64 - 1]
    rows = b"".join(v.to_bytes(8, "little") + b"\x06\n\n;'\"\x00" for v in values)
    assert embedded.write(b"INSERT INTO any_bytes FORMAT RowBinary\n" + rows).is_success
    answer = embedded.ask("SELECT a, hex(b) FROM any_bytes ORDER BY a")
    assert answer.text == "".join(f"{v}\t0A0A3B272200\n" for v in sorted(values))


def test_an_insert_that_fails_says_so(embedded: EmbeddedClickHouse) -> None:
    """Also where it fails behind the reading of its data."""
    ways = [
        ("(a UInt8, CONSTRAINT small CHECK a < 5) ENGINE = MergeTree ORDER BY a", b"1\n7\n", 469),
        ("(a UInt8) ENGINE = MergeTree ORDER BY a PARTITION BY a", b"".join(b"%d\n" % n for n in range(200)), 252),
        ("(a UInt8) ENGINE = MergeTree ORDER BY a", b"1\nx\n", 117),
        ("(a UInt8) ENGINE = MergeTree ORDER BY a", b"1,2,3\n", 117),
    ]
    for number, (facts, rows, expected) in enumerate(ways):
        table = f"failing_{number}"
        assert embedded.write(f"CREATE OR REPLACE TABLE {table} {facts}").is_success
        assert code(embedded.write(f"INSERT INTO {table} FORMAT CSV\n".encode() + rows)) == expected
        assert embedded.ask(f"SELECT count() FROM {table}").text == "0\n"
    # Into a table and its view: the view's failure is the insert's.
    embedded.write("CREATE OR REPLACE TABLE watched (a UInt8) ENGINE = MergeTree ORDER BY a")
    embedded.write(
        "CREATE MATERIALIZED VIEW watching ENGINE = MergeTree ORDER BY a AS SELECT throwIf(a = 3) AS x, a FROM watched"
    )
    assert code(embedded.write("INSERT INTO watched FORMAT CSV\n1\n3\n")) == 395


def test_rows_through_input(embedded: EmbeddedClickHouse) -> None:
    embedded.write("CREATE TABLE IF NOT EXISTS through (a UInt64) ENGINE = MergeTree ORDER BY a")
    sql = (
        "INSERT INTO through SELECT a + {x:UInt8} FROM input('a UInt64, b String') WHERE b != 'no'"
        " AND throwIf((SELECT count() FROM through) > 1, 'full') = 0 FORMAT CSV\n"
    )
    assert embedded.write(sql + "1,yes\n2,no\n3,yes\n", param_x=10).is_success
    refused = embedded.write(sql + "1,yes\n", param_x=10)
    assert code(refused) == 395 and "full" in refused.text
    assert embedded.ask("SELECT groupArray(a) FROM through").text == "[11,13]\n"


def test_sessions(embedded: EmbeddedClickHouse) -> None:
    def ask(sql: str, **more: object) -> httpx.Response:
        return embedded.ask(sql, session_id="an analyst's", **more)

    assert ask("SET max_block_size = 17").is_success
    assert ask("USE system").is_success
    assert ask("SELECT getSetting('max_block_size'), currentDatabase()").text == "17\tsystem\n"
    assert ask("SELECT getSetting('max_block_size')", max_block_size=18).text == "18\n"
    assert ask("SELECT getSetting('max_block_size')").text == "17\n"
    assert code(ask("SET max_memory_usage = 0")) == 452
    assert embedded.ask("SELECT getSetting('max_block_size')").text != "17\n"
    assert ask("SELECT 1", close_session=1).is_success
    assert code(ask("SELECT 1", session_check=1)) == 372

    def write(sql: str, **more: object) -> httpx.Response:
        return embedded.write(sql, session_id="the sink's", **more)

    assert write("CREATE TEMPORARY TABLE mine (a UInt8)").is_success
    assert write("INSERT INTO mine VALUES (1), (2)", max_block_size=19).is_success
    assert write("SELECT sum(a), getSetting('max_block_size') = 19 FROM mine").text == "3\t0\n"
    assert code(embedded.write("SELECT * FROM mine")) == 60
    assert write("SELECT 1", close_session=1).is_success


def test_tables_that_come_with_a_question(embedded: EmbeddedClickHouse) -> None:
    def ask(structure: dict[str, str], data: bytes, sql: str = "SELECT * FROM more ORDER BY 1") -> httpx.Response:
        with embedded.http() as http:
            return http.post("/", params={"query": sql, **structure}, files={"more": ("more.csv", data)})

    named = {"more_structure": "id UInt32, name String", "more_format": "CSV"}
    assert ask(named, b'2,two\n1,"one\r\n"\n').text == "1\tone\\r\\n\n2\ttwo\n"
    assert ask({"more_types": "UInt32,Decimal(9, 2)"}, b"1\t1.5\n", "SELECT _1, _2 FROM more").text == "1\t1.5\n"
    assert code(ask({}, b"1\n")) == 36
    for form in ("CSV; DROP TABLE by_curl", "CSV\n SETTINGS x = 1", "Template", "../../x"):
        assert code(ask({"more_structure": "a UInt8", "more_format": form}, b"1\n")) == 36, form
    for structure in ("a String DEFAULT file('/etc/passwd')", "a UInt8) AS SELECT (1", "a UInt8) ENGINE = Null --"):
        assert code(ask({"more_structure": structure, "more_format": "CSV"}, b"1\n")) in (36, 62, 497), structure
    with embedded.http() as http:
        fields = {"query": (None, "SELECT {x:UInt8} + 1"), "param_x": (None, "41")}
        assert http.post("/", files=fields).text == "42\n"

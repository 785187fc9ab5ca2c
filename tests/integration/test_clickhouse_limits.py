"""What one statement may take, how many run at once, and that nobody waits for somebody else's."""

import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pyarrow
import pytest

from tests.integration.embedded_clickhouse import EmbeddedClickHouse, code

PLACES = 4
SLOW = "SELECT count() FROM numbers(1000000000000)"
DEADLINE_S = 30


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(embedded: EmbeddedClickHouse, fragment: str) -> int:
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{fragment}%' AND query NOT LIKE '%processes%'"
    return int(embedded.write(sql).text)


@pytest.mark.parametrize(
    ("sql", "settings", "expected", "status"),
    [
        (SLOW, {"max_execution_time": 1}, 159, 408),
        (
            "SELECT sleepEachRow(0.1) FROM numbers(1000) SETTINGS max_block_size = 1",
            {"max_execution_time": 1},
            159,
            408,
        ),
        ("SELECT groupArray(number) FROM numbers(1000000000)", {}, 241, 500),
        ("SELECT number FROM numbers(1000)", {"max_result_rows": 10}, 396, 500),
        ("SELECT repeat('x', 1000) FROM numbers(1000)", {"max_result_bytes": 1000}, 396, 500),
        ("SELECT count() FROM numbers(1000)", {"max_rows_to_read": 10}, 158, 500),
        ("SELECT " + "(" * 2000 + "1" + ")" * 2000, {}, 306, 500),
        ("SELECT " + "+".join(["1"] * 60_000), {}, 167, 400),
        ("SELECT " + ",".join(["a"] * 60_000), {}, 168, 400),
        ("SELECT " + "[" * 500 + "1" + "]" * 500, {}, 168, 400),
        ("SELECT '" + "x" * 300_000 + "'", {}, 62, 400),
    ],
)
def test_limits(embedded: EmbeddedClickHouse, sql: str, settings: dict[str, int], expected: int, status: int) -> None:
    answer = embedded.ask(sql, **settings)
    assert (code(answer), answer.status_code) == (expected, status), answer.text[:300]
    assert len(answer.text) < 2000
    assert embedded.ask("SELECT 1").text == "1\n"


def test_a_longer_statement_can_be_asked_for(embedded: EmbeddedClickHouse) -> None:
    sql = "SELECT length('" + "\\'" * 300_000 + "')"
    assert embedded.ask(sql, max_query_size=1_000_000).text == "300000\n"
    assert code(embedded.ask("SELECT '" + "x" * 2_000_000 + "'", max_query_size=9_000_000)) == 62


def test_a_request_has_a_largest_size(embedded: EmbeddedClickHouse) -> None:
    """As it comes, and as it is when unpacked; for the writer as well."""
    import gzip

    large = b"SELECT 1 -- " + b"x" * (17 << 20)
    assert code(embedded.ask(large)) == 307
    assert embedded.ask(large).status_code == 413
    with embedded.http() as http:
        packed = http.post("/", content=gzip.compress(large), headers={"content-encoding": "gzip"})
        assert code(packed) == 307
        in_pieces = http.post("/", content=iter([large[: 1 << 20]] * 17))
        assert code(in_pieces) == 307
    assert code(embedded.write(b"INSERT INTO t FORMAT CSV\n" + large)) == 307


def test_a_long_query_holds_up_neither_inserts_nor_other_reads(embedded: EmbeddedClickHouse) -> None:
    embedded.write("CREATE OR REPLACE TABLE busy (a UInt64) ENGINE = MergeTree ORDER BY a")
    block = pyarrow.table({"a": pyarrow.array(range(10_000), pyarrow.uint64())})
    with ThreadPoolExecutor(2) as pool, embedded.writer.client() as writer:
        slow = [pool.submit(embedded.ask, SLOW, max_execution_time=4) for _ in range(2)]
        until(lambda: running(embedded, "1000000000000") == 2)
        inserts, reads = list[float](), list[float]()
        for _ in range(10):
            began = time.monotonic()
            writer.insert_arrow("busy", block)
            inserted = time.monotonic()
            assert embedded.ask("SELECT count() FROM busy").is_success
            inserts.append(inserted - began)
            reads.append(time.monotonic() - inserted)
        assert not any(question.done() for question in slow), "they were to be slower than all this"
        assert {code(question.result()) for question in slow} == {159}
    assert statistics.median(inserts) < 0.3 and statistics.median(reads) < 0.3
    assert embedded.ask("SELECT count() FROM busy").text == "100000\n"


def test_too_many_are_sent_away_and_the_writer_is_not(embedded: EmbeddedClickHouse) -> None:
    """Four of the analysts' run, 64 wait, and the next is told to come again."""
    crowd = PLACES + 64 + 6
    sql = "SELECT count() FROM numbers(1000000000000) WHERE number != 7"
    limits = httpx.Limits(max_connections=200)
    with ThreadPoolExecutor(crowd) as pool, embedded.http(limits=limits) as http:
        asked = [
            pool.submit(http.post, "/", content=sql, params={"max_execution_time": 2 if n < PLACES else 0.2})
            for n in range(crowd)
        ]
        until(lambda: sum(question.done() for question in asked) >= 6)
        early = [question.result() for question in asked if question.done()]
        assert {(answer.status_code, code(answer)) for answer in early if code(answer) == 202} == {(503, 202)}
        assert running(embedded, "!= 7") <= PLACES
        embedded.write("CREATE OR REPLACE TABLE crowd (a UInt64) ENGINE = MergeTree ORDER BY a")
        began = time.monotonic()
        assert embedded.write("INSERT INTO crowd VALUES (1)").is_success
        assert time.monotonic() - began < 2
        codes = [code(question.result()) for question in asked]
    assert codes.count(202) >= 6 and set(codes) == {159, 202}


def test_a_client_that_goes_away_takes_its_query_with_it(embedded: EmbeddedClickHouse) -> None:
    with pytest.raises(httpx.ReadTimeout), embedded.http() as http:
        http.post("/", content=SLOW + " WHERE number != 11", timeout=0.5)
    until(lambda: running(embedded, "!= 11") == 0)
    # And one that has taken some rows and closes.
    with embedded.http() as http, http.stream("POST", "/", content="SELECT * FROM numbers(9999999)") as answer:
        next(answer.iter_raw())
    until(lambda: running(embedded, "9999999") == 0)


def test_a_reader_that_does_not_read_holds_no_memory(embedded: EmbeddedClickHouse) -> None:
    process = psutil.Process(embedded.pid)
    embedded.ask("SELECT number FROM numbers(9000000)")
    before = process.memory_info().rss
    with (
        embedded.http() as http,
        http.stream("POST", "/", content="SELECT repeat('x', 100) FROM numbers(5000000)") as answer,
    ):
        for number, _ in enumerate(answer.iter_raw()):
            if number == 50:
                break
        assert process.memory_info().rss - before < 100 << 20  # of 500 MB


def test_one_statement_at_a_time_in_a_session_and_under_an_id(embedded: EmbeddedClickHouse) -> None:
    started = threading.Event()

    def slow() -> httpx.Response:
        started.set()
        return embedded.ask(f"{SLOW} WHERE number != 13", session_id="one", query_id="mine", max_execution_time=3)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        until(lambda: running(embedded, "!= 13") == 1)
        assert code(embedded.ask("SELECT 1", session_id="one")) == 373
        assert code(embedded.ask("SELECT 1", query_id="mine")) == 216
        assert code(first.result()) == 159
    assert embedded.ask("SELECT 1", session_id="one", query_id="mine").text == "1\n"

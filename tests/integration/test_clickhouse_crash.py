"""SIGKILL and a full disk: what was acknowledged is there, each insert whole or not at all, and it goes on."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from clickhouse_connect.driver.exceptions import Error

from glassbook.clickhouse_keys import private_file
from glassbook.data_folder import DataFolder
from tests.integration.embedded_clickhouse import EmbeddedClickHouse, code

KILLS = 5
ROWS = 2_000  # of an insert
RESTART_S = 15  # 1.5 on a quiet machine
DISK_MB = 200
SLOW = "SELECT count() FROM numbers(1000000000000)"
TABLE = """CREATE TABLE {name} (batch UInt64, number UInt64, text String) ENGINE = ReplacingMergeTree
ORDER BY (batch, number) SETTINGS non_replicated_deduplication_window = 1000"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedClickHouse]:
    server = EmbeddedClickHouse(tmp_path / "a data folder, 100% 'odd' & <long>?x=1")
    server.start()
    yield server
    server.stop()


class Inserting:
    """Inserts numbered batches one after another, through whatever happens, and remembers what was acknowledged."""

    def __init__(self, server: EmbeddedClickHouse) -> None:
        self._server, self._stop = server, threading.Event()
        self.tried = 0
        self.acknowledged = set[int]()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.tried += 1
            batch = self.tried
            try:
                with self._server.writer.client() as client:
                    rows = [(batch, number, f"{batch} {number}") for number in range(ROWS)]
                    client.insert("kept", rows, ["batch", "number", "text"])
                self.acknowledged.add(batch)
            except (Error, OSError):
                time.sleep(0.01)

    def until(self, acknowledged: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < acknowledged:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def test_what_was_acknowledged_survives_sigkill(server: EmbeddedClickHouse) -> None:
    assert server.write(TABLE.format(name="kept")).is_success
    inserting = Inserting(server)
    restarts = list[float]()
    try:
        for kill in range(KILLS):
            inserting.until(len(inserting.acknowledged) + 5 + 7 * kill)
            server.write("OPTIMIZE TABLE kept", alter_sync=0)  # a merge under way as well
            server.kill()
            restarts.append(server.start())
        inserting.until(len(inserting.acknowledged) + 3)
    finally:
        inserting.stop()
    found = server.ask("SELECT batch, count(), uniqExact(number), sum(number) FROM kept FINAL GROUP BY batch").text
    counted = {int(line.split("\t")[0]): line.split("\t")[1:] for line in found.splitlines()}
    whole = [str(ROWS), str(ROWS), str(ROWS * (ROWS - 1) // 2)]
    assert inserting.acknowledged <= set(counted)
    assert all(counts == whole for counts in counted.values()), "an insert is there in part"
    assert max(restarts) < RESTART_S
    with server.writer.http() as http:  # the keys were not made anew
        assert http.post("/", content="SELECT 1").is_success


def test_only_one_process_may_have_the_folder(server: EmbeddedClickHouse) -> None:
    server.write(TABLE.format(name="mine"))
    second = EmbeddedClickHouse(server.settings.data_dir)
    with pytest.raises(AssertionError, match="ended by itself"):
        second.start()
    assert server.ask("SELECT count() FROM mine").text == "0\n"


def test_it_stops_in_good_order_with_queries_under_way(server: EmbeddedClickHouse) -> None:
    answers = list[httpx.Response | httpx.TransportError]()

    def ask() -> None:
        try:
            answers.append(server.ask(SLOW))
        except httpx.TransportError as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 20
    while server.write(f"SELECT count() FROM system.processes WHERE query LIKE '{SLOW}%'").text != "1\n":
        assert time.monotonic() < deadline
    server.stop()
    asking.join()
    assert len(answers) == 1
    assert server.start() < RESTART_S


def test_a_full_disk(small_disk: Path) -> None:
    """Inserts get their answer, reads go on, and so does writing as soon as there is room."""
    server = EmbeddedClickHouse(small_disk / "data")
    server.start()
    try:
        assert server.write(TABLE.format(name="full")).is_success
        # Nothing that compression could make small.
        rows = b"".join(b"1\t%d\t%s\n" % (number, os.urandom(1000).hex().encode()) for number in range(2000))
        assert server.write(b"INSERT INTO full FORMAT TSV\n" + rows).is_success
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"), filler.open("wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
                file.flush()
        refused = [server.write(b"INSERT INTO full FORMAT TSV\n" + rows.replace(b"1\t", b"2\t", 1)) for _ in range(3)]
        assert [(answer.status_code, code(answer)) for answer in refused] == [(507, 243)] * 3, refused[0].text
        assert server.ask("SELECT count() FROM full").text == "2000\n"
        filler.unlink()
        deadline = time.monotonic() + 20
        while not server.write(b"INSERT INTO full FORMAT TSV\n" + rows.replace(b"1\t", b"3\t", 1)).is_success:
            assert time.monotonic() < deadline
        server.kill()
        server.start()
        assert int(server.ask("SELECT count() FROM full FINAL").text) > 2000
    finally:
        server.stop()


def test_keys_are_nobody_elses(server: EmbeddedClickHouse) -> None:
    keys = DataFolder(server.settings.data_dir).clickhouse_keys
    for name in ("sink", "gateway"):
        assert private_file(keys, name).stat().st_mode & 0o077 == 0
    assert keys.stat().st_mode & 0o077 == 0
    # Taken away, a public key opens nothing any more, at once.
    (keys / "sink.writer.pub").rename(keys / "sink.reader.pub")
    assert code(server.write("CREATE TABLE x (a UInt8) ENGINE = MergeTree ORDER BY a")) == 164
    (keys / "sink.reader.pub").unlink()
    assert code(server.write("SELECT 1")) == 516

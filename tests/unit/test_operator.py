"""Genesis and listings over a log in memory: broken off after every single record, and done again."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from glassbook.client.keys import Key
from glassbook.errors import GlassbookError
from glassbook.listing import BadListing, parse_listing, read_listing
from glassbook.operator import OperatorFolder, apply_listing, initialise, read_listed, sign
from glassbook.operator_log import OperatorLog, Place, Record
from glassbook.settings import Settings
from schemas.codec import encode
from schemas.commands import Genesis, ListMarket, decode_command
from schemas.records import Submitted, Tick
from schemas.topics import ACCOUNTS, ORDERS
from tests.unit.test_listing import GOOD, TWO

ACCOUNT_PARTITIONS = 3


class Crash(Exception):
    pass


class LogInMemory(OperatorLog):
    """Reads as the real one does; a write can be broken off after some records."""

    def __init__(self, cluster_id: str = "one") -> None:
        self.records: dict[Place, list[bytes]] = {(ACCOUNTS, number): [] for number in range(ACCOUNT_PARTITIONS)}
        self.records[ORDERS, 0] = []
        self.order_of_writes: list[tuple[Place, bytes]] = []
        self.reads = 0
        self.left: int | None = None
        self._cluster_id = cluster_id

    def partitions(self, topic: str) -> int:
        return sum(name == topic for name, _ in self.records)

    def cluster_id(self) -> str:
        return self._cluster_id

    def add_order_partitions(self, wanted: int) -> None:
        for number in range(wanted):
            self.records.setdefault((ORDERS, number), [])

    def _ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return {place: len(self.records[place]) for place in places}

    def _read(self, start: dict[Place, int], take: Callable[[Place, Any], bool], prefetch_bytes: int = 0) -> None:
        for place, first in start.items():
            for offset in range(first, len(self.records[place])):
                self.reads += 1
                value = self.records[place][offset]
                if take(place, SimpleNamespace(offset=lambda at=offset: at, value=lambda found=value: found)):
                    break

    def write(self, records: Sequence[Record]) -> None:
        for topic, partition, _, signed in records:
            if self.left == 0:
                raise Crash
            if self.left is not None:
                self.left -= 1
            self.append((topic, partition), encode(Submitted(signed)))

    def append(self, place: Place, value: bytes) -> None:
        self.records[place].append(value)
        self.order_of_writes.append((place, value))

    def commands(self, place: Place) -> list[Any]:
        return [decode_command(bytes(msgspec.json.decode(value, type=Submitted).signed.command))
                for value in self.records[place] if b'"submitted"' in value]  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def listing_file(tmp_path):
    path = tmp_path / "listing.toml"
    path.write_text(TWO)
    return path


def check_whole(log: LogInMemory) -> None:
    """Every partition has one genesis first, and every market where it belongs, on `orders` before on `accounts`."""
    geneses = {values[0] for values in log.records.values()}
    assert len(geneses) == 1
    for place in log.records:
        assert [type(command) for command in log.commands(place)].count(Genesis) == 1
        assert isinstance(log.commands(place)[0], Genesis)
    for number in range(ACCOUNT_PARTITIONS):
        assert markets_on(log, (ACCOUNTS, number)) == {"A-USD": 0, "B-USD": 1}
    for number in range(2):
        assert markets_on(log, (ORDERS, number)) == {("A-USD", "B-USD")[number]: number}
    on_orders: set[bytes] = set()
    for (topic, _), value in log.order_of_writes:
        if topic == ORDERS:
            on_orders.add(value)
        else:
            assert b"list_market" not in value or value in on_orders


def markets_on(log: LogInMemory, place: Place) -> dict[str, int]:
    listed = [command.market for command in log.commands(place) if isinstance(command, ListMarket)]
    return {market.symbol: market.partition for market in listed}


def test_a_first_start(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    check_whole(log)
    genesis = log.commands((ORDERS, 1))[0]
    assert (genesis.exchange, genesis.account_partitions, genesis.max_open_orders) == ("here", ACCOUNT_PARTITIONS, 10)
    assert genesis.operator_key == OperatorFolder(settings.data_dir).key().public
    # Genesis and the halter on each of 5 partitions, each market once on orders and on all of accounts.
    assert len(log.order_of_writes) == 2 * 5 + 2 * (1 + ACCOUNT_PARTITIONS)


@pytest.mark.parametrize("records", range(18))
def test_broken_off_after_any_record_and_done_again(settings, listing_file, records):
    log = LogInMemory()
    log.left = records
    with pytest.raises(Crash):
        initialise(settings, listing_file, log)
    log.left = None
    initialise(settings, listing_file, log)
    check_whole(log)
    before = len(log.order_of_writes)
    initialise(settings, listing_file, log)
    assert len(log.order_of_writes) == before


def test_broken_off_the_same_bytes_are_written_even_if_the_file_changed(settings, listing_file):
    log = LogInMemory()
    log.left = 6  # the second of the listing records
    with pytest.raises(Crash):
        initialise(settings, listing_file, log)
    listing_file.write_text(TWO.replace('max_quantity = "100"', 'max_quantity = "999"'))
    log.left = None
    initialise(settings, listing_file, log)
    values = {value for place, value in log.order_of_writes if b"A-USD" in value}
    assert len(values) == 1


def test_a_start_reads_only_what_is_new(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    for _ in range(1000):
        log.append((ACCOUNTS, 0), encode(Tick()))
    initialise(settings, listing_file, log)
    log.reads = 0
    initialise(settings, listing_file, log)
    assert log.reads == len(log.records)


def test_another_log_is_read_from_its_beginning(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    fresh = LogInMemory("two")
    initialise(settings, listing_file, fresh)
    check_whole(fresh)
    assert fresh.records[ACCOUNTS, 0][0] == log.records[ACCOUNTS, 0][0]  # genesis as it was meant


def test_a_partition_that_was_ticked_on_before_its_genesis_gets_one(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    log.add_order_partitions(3)
    log.append((ORDERS, 2), encode(Tick()))
    initialise(settings, listing_file, log)
    initialise(settings, listing_file, log)
    assert [type(command) for command in log.commands((ORDERS, 2))] == [Genesis]


def test_a_record_that_the_operator_did_not_sign_counts_for_nothing(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    folder = OperatorFolder(settings.data_dir)
    genesis = log.commands((ACCOUNTS, 0))[0]
    market = log.commands((ACCOUNTS, 0))[1].market
    changed = msgspec.structs.replace(market, max_quantity="5")
    forged = sign(ListMarket(exchange="here", revision=9, market=changed, time_ms=0), Key.new())
    log.append((ACCOUNTS, 0), encode(Submitted(forged)))
    assert read_listed(folder, log, genesis)["A-USD"].revision == 1


def test_a_changed_listing(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    folder = OperatorFolder(settings.data_dir)
    listing_file.write_text(TWO.replace('state = "OPEN"', 'state = "HALTED"', 1))
    written = apply_listing(read_listing(listing_file), folder, log)
    assert [(change.revision, change.market.symbol) for change in written] == [(2, "A-USD")]
    assert apply_listing(read_listing(listing_file), folder, log) == []
    assert log.commands((ORDERS, 0))[-1].revision == 2
    assert all(log.commands((ACCOUNTS, number))[-1].revision == 2 for number in range(ACCOUNT_PARTITIONS))


def test_nothing_is_written_if_anything_is_wrong(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    before = len(log.order_of_writes)
    listing_file.write_text(
        TWO.replace('tick = "0.01"', 'tick = "0.05"').replace('price_low = "0.01"', 'price_low = "1"')
    )
    with pytest.raises(BadListing, match=r"tick is 0\.01 on the log and can't become 0\.05"):
        apply_listing(read_listing(listing_file), OperatorFolder(settings.data_dir), log)
    assert len(log.order_of_writes) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda log, folder: folder.key_file.unlink(), "this log's operator key is"),
        (lambda log, folder: log.records.update({(ACCOUNTS, 3): []}), "was started with 3, which can't change"),
    ],
)
def test_a_log_that_is_somebody_elses_or_changed(settings, listing_file, change, said):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    change(log, OperatorFolder(settings.data_dir))
    before = len(log.order_of_writes)
    with pytest.raises(GlassbookError, match=said):
        initialise(settings, listing_file, log)
    assert len(log.order_of_writes) == before


def test_a_listing_for_another_exchange(settings, listing_file):
    log = LogInMemory()
    initialise(settings, listing_file, log)
    other = parse_listing(GOOD.replace('"here"', '"there"'))
    with pytest.raises(GlassbookError, match="is for there, but this exchange is here"):
        apply_listing(other, OperatorFolder(settings.data_dir), log)


@pytest.mark.parametrize(("given", "opened"), [(None, True), (True, True), (False, False)])
def test_a_setting_that_is_given_says_whether_registration_is_open(tmp_path, listing_file, given, opened):
    changes = {} if given is None else {"open_registration": given}
    log = LogInMemory()
    initialise(Settings(data_dir=tmp_path / "data", **changes), listing_file, log)
    assert log.commands((ACCOUNTS, 0))[0].open_registration is opened


def test_the_operators_key_is_its_own_alone(settings, listing_file):
    initialise(settings, listing_file, LogInMemory())
    assert (Path(settings.data_dir) / "operator" / "key.json").stat().st_mode & 0o777 == 0o600

"""The operator's halts, resumptions and halters over a log in memory: what is written where, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from glassbook.canary_key import canary_key
from glassbook.client.keys import Key
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.listing import read_listing
from glassbook.market_control import MarketControl
from glassbook.operator import OperatorFolder, apply_listing, initialise, sign
from glassbook.settings import Settings
from schemas.alerts import Alert, Evidence, Severity
from schemas.codec import encode
from schemas.commands import AuthoriseHalter, Genesis, HaltMarket, RecordPlace, ResumeMarket
from schemas.halt_of_alert import halt_of_alert, halt_places
from schemas.records import Submitted
from schemas.topics import ACCOUNTS, ORDERS
from tests.unit.test_listing import TWO
from tests.unit.test_operator import ACCOUNT_PARTITIONS, Crash, LogInMemory

EVERYWHERE = [(ORDERS, 0), *((ACCOUNTS, number) for number in range(ACCOUNT_PARTITIONS))]


class Desk:
    """An exchange of two markets, A-USD on partition 0 and B-USD on partition 1."""

    def __init__(self, folder: Path, engine_version: int = 2) -> None:
        self.settings = Settings(data_dir=folder / "data", engine_version=engine_version)
        self.log = LogInMemory()
        self.listing_file = folder / "listing.toml"
        self.listing_file.write_text(TWO)
        self.start()

    def start(self) -> None:
        initialise(self.settings, self.listing_file, self.log)

    def control(self) -> MarketControl:
        return MarketControl(self.settings.data_dir, self.log)

    def places_of(self, kind: type) -> list[tuple[str, int]]:
        """Where commands of this kind lie; as often as they do."""
        return sorted(
            (place for place in self.log.records for command in self.log.commands(place) if isinstance(command, kind)),
            key=lambda place: (place[0] != ORDERS, place[1]),
        )

    def last(self, kind: type) -> Any:
        return [command for command in self.log.commands((ACCOUNTS, 0)) if isinstance(command, kind)][-1]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_new_exchange_lets_the_canary_halt_on_every_partition(desk):
    key = canary_key(DataFolder(desk.settings.data_dir).canary_key)
    assert desk.last(AuthoriseHalter).halter_key == key.public
    assert desk.places_of(AuthoriseHalter) == sorted(desk.log.records, key=lambda p: (p[0] != ORDERS, p[1]))
    assert DataFolder(desk.settings.data_dir).canary_key.stat().st_mode & 0o777 == 0o600


def test_the_next_start_changes_nothing_even_if_the_halter_was_withdrawn(desk):
    assert desk.control().authorise(None) == 2
    before = {place: list(values) for place, values in desk.log.records.items()}
    desk.start()
    assert desk.log.records == before


def test_the_first_engine_version_gets_no_halter_and_takes_no_halts(tmp_path):
    desk = Desk(tmp_path, engine_version=1)
    assert desk.places_of(AuthoriseHalter) == []
    assert isinstance(desk.log.commands((ORDERS, 0))[0], Genesis)
    with pytest.raises(GlassbookError, match="no halts and no busts"):
        desk.control()


def test_a_halt_and_its_end_go_to_the_matcher_and_to_every_ledger(desk):
    halt_id = desk.control().halt("A-USD", "by hand")
    assert desk.places_of(HaltMarket) == EVERYWHERE
    assert [halt.halt_id for halt in desk.control().listed.standing_halts("A-USD")] == [halt_id]
    assert [halt.reason for halt in desk.control().resume("A-USD", "looked into")] == ["by hand"]
    assert desk.places_of(ResumeMarket) == EVERYWHERE
    assert desk.control().listed.standing_halts("A-USD") == []


def test_more_halts_than_fit_one_record_are_all_resumed(desk):
    for number in range(40):
        desk.control().halt("B-USD", "why", f"alert-{number}")
    assert len(desk.control().resume("B-USD", "all of them")) == 40
    assert desk.control().listed.standing_halts("B-USD") == []


def test_what_the_stages_would_refuse_is_not_written(desk):
    desk.control().halt("A-USD", "why", "one")
    before = sum(map(len, desk.log.records.values()))
    for ask, why in (
        (lambda: desk.control().halt("A-USD", "why", "one"), "id halts once"),
        (lambda: desk.control().halt("C-USD", "why"), "no market C-USD"),
        (lambda: desk.control().resume("B-USD", "why"), "no halt"),
        (lambda: desk.control().resume("C-USD", "why"), "no market C-USD"),
        (lambda: desk.control().find_trade("1-2"), "is no trade id"),
        (lambda: desk.control().find_trade("9-2-0"), "there is no trade"),
    ):
        with pytest.raises(GlassbookError, match=why):
            ask()
    assert sum(map(len, desk.log.records.values())) == before


@pytest.mark.parametrize("left", range(4))
def test_a_halt_that_was_broken_off_is_finished_by_the_next_command(desk, left):
    desk.log.left = left
    with pytest.raises(Crash):
        desk.control().halt("A-USD", "why", "one")
    desk.log.left = None
    assert [halt.halt_id for halt in desk.control().listed.standing_halts("A-USD")] == ["one"]
    assert set(desk.places_of(HaltMarket)) == set(EVERYWHERE)


def test_a_new_partition_learns_who_may_halt(desk):
    desk.listing_file.write_text(
        TWO.replace('symbol = "B-USD"', 'symbol = "C-USD"').replace("partition = 1", "partition = 2")
    )
    desk.log.add_order_partitions(3)
    apply_listing(read_listing(desk.listing_file), OperatorFolder(desk.settings.data_dir), desk.log)
    assert isinstance(desk.log.commands((ORDERS, 2))[0], Genesis)
    assert isinstance(desk.log.commands((ORDERS, 2))[1], AuthoriseHalter)


def test_what_strangers_write_is_not_read_back(desk):
    forged = HaltMarket(
        exchange="here", symbol="A-USD", partition=0, halt_id="x", reason="why", evidence=[], time_ms=1
    )  # fmt: skip
    for place in EVERYWHERE:
        desk.log.append(place, encode(Submitted(sign(forged, Key.new()))))
    assert desk.control().listed.standing_halts("A-USD") == []


def test_the_halt_that_an_alert_asks_for():
    alert = Alert(
        alert_id="trades-0-7", kind="PRICE_ALTERED", severity=Severity.WRONG, symbol="A-USD", time_ms=5,
        expected="1\n" + "é" * 200, found="2", evidence=[Evidence("trades", 0, number) for number in range(20)],
    )  # fmt: skip
    command = halt_of_alert(alert, "here", 3)
    assert (command.halt_id, command.symbol, command.partition, command.time_ms) == ("trades-0-7", "A-USD", 3, 5)
    assert command.reason.startswith("PRICE_ALTERED: expected 1???") and len(command.reason) == 128
    assert command.evidence == [RecordPlace("trades", 0, number) for number in range(16)]
    assert halt_places(3, 2) == [(ORDERS, 3), (ACCOUNTS, 0), (ACCOUNTS, 1)]

"""A load's accounting on the log of a real exchange in memory: what was acknowledged is there, or it is missed."""

from collections.abc import Callable

import msgspec
import pytest

from schemas.codec import ledger_decoder
from schemas.commands import CancelOrder, Command, encode_command
from schemas.journal import LedgerEntry
from simulator.load.accounting import Accounting
from simulator.load.generator import digest_of
from simulator.load.plan import Acknowledged
from tests.exchange import Exchange, Signer


class Played:
    """An exchange on which something was done, and what its gateway would have answered."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        buyer, seller = self.exchange.open_account(USD="1000"), self.exchange.open_account(ABC="10")
        exchange = self.exchange
        bid = exchange.order(buyer, "BUY", "5", "10")
        self.said = {"bid": self._said(buyer, bid, "OPEN", "0")}
        self.said["taker"] = self._said(seller, exchange.order(seller, "SELL", "2", "10"), "FILLED", "2")
        ioc = exchange.order(seller, "SELL", "1", "11", time_in_force="IOC")
        self.said["ioc"] = self._said(seller, ioc, "EXPIRED", "0")
        poor = exchange.order(seller, "BUY", "5", "10")
        self.said["poor"] = self._said(seller, poor, refused="INSUFFICIENT_FUNDS")
        order_id = self.said["bid"].order_id
        cancel = CancelOrder(order_id=order_id, **exchange.window(buyer))
        self.said["cancel"] = self._said(buyer, cancel, "CANCELLED", "2", order_id)
        again = CancelOrder(order_id=order_id, **exchange.window(buyer))
        self.said["again"] = self._said(buyer, again, refused="ORDER_CLOSED", order_id=order_id)

    def _said(
        self,
        signer: Signer,
        command: Command,
        status: str = "",
        filled: str = "0",
        order_id: str = "",
        refused: str = "",
    ) -> Acknowledged:
        place = self.exchange.submit(signer.sign(command), signer.account)
        self.exchange.run()
        is_order = not isinstance(command, CancelOrder)
        digest = digest_of(encode_command(command))
        return Acknowledged(place, digest, is_order, refused, order_id or place, status, filled, signer.account)

    def missing(self, **changed: Acknowledged) -> list[str]:
        """What an accounting of what was said misses, with these said otherwise or besides."""
        accounting = Accounting((self.said | changed).values(), digest_of)
        cluster, partitions = self.exchange.cluster, range(self.exchange.account_partitions)
        for partition in partitions:
            for offset, value in enumerate(cluster.values("accounts", partition)):
                accounting.take_command(partition, offset, value)
        for _ in range(2):  # a copy of the journal changes nothing
            for partition in partitions:
                for value in cluster.values("ledger", partition):
                    entry = ledger_decoder().decode(value)
                    if isinstance(entry, LedgerEntry):
                        accounting.take_entry(entry)
        assert sum(accounting.trades_in_second.values()) == 1
        assert accounting.counted == len(self.said | changed)
        return accounting.missing()


@pytest.fixture(scope="module")
def played() -> Played:
    return Played()


def test_what_was_answered_truly_is_accounted_for(played: Played) -> None:
    assert played.missing() == []


def test_an_order_may_have_been_told_at_any_moment_of_its_life(played: Played) -> None:
    later = msgspec.structs.replace(played.said["bid"], filled="2")
    assert played.missing(bid=later) == []
    last = msgspec.structs.replace(played.said["bid"], status="CANCELLED", filled="2")
    assert played.missing(bid=last) == []


NOT_THERE, NOT_SAID = "accounts doesn't have it", "the journal doesn't say"
Change = Callable[[Acknowledged], Acknowledged]


def otherwise(**fields: object) -> Change:
    return lambda said: msgspec.structs.replace(said, **fields)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("bid", otherwise(command_id="0-999999"), NOT_THERE),
        ("bid", otherwise(digest=digest_of(b"other bytes")), NOT_THERE),
        ("bid", otherwise(status="FILLED"), NOT_SAID),
        ("bid", otherwise(filled="1"), NOT_SAID),
        ("taker", otherwise(status="OPEN"), NOT_SAID),
        ("taker", otherwise(refused="INSUFFICIENT_FUNDS", status=""), NOT_SAID),
        ("ioc", otherwise(status="CANCELLED"), NOT_SAID),
        ("poor", otherwise(refused="", status="OPEN"), NOT_SAID),
        ("poor", otherwise(refused="TOO_OLD"), NOT_SAID),
        ("cancel", otherwise(status="FILLED"), NOT_SAID),
        ("cancel", otherwise(order_id="0-1"), NOT_SAID),
        ("cancel", otherwise(refused="ORDER_CLOSED", status=""), NOT_SAID),
        ("again", otherwise(refused="", status="CANCELLED"), NOT_SAID),
    ],
)
def test_what_was_answered_otherwise_is_missed(played: Played, name: str, change: Change, why: str) -> None:
    (line,) = played.missing(**{name: change(played.said[name])})
    assert why in line


def test_a_lost_order_is_missed(played: Played) -> None:
    """Acknowledged at the end of the log, where nothing stands."""
    end = len(list(played.exchange.cluster.values("accounts", 0)))
    lost = Acknowledged(f"0-{end}", digest_of(b"{}"), True, "", f"0-{end}", "OPEN", "0", "")
    assert played.missing(lost=lost) == [f"0-{end}: accounts doesn't have it there, with its bytes"]


def test_two_commands_at_one_place_are_one_too_many(played: Played) -> None:
    accounting = Accounting([played.said["bid"], played.said["bid"]], digest_of)
    assert any("acknowledged for two commands" in line for line in accounting.missing())

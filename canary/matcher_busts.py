"""Whether a trade can be taken back, and what then is told. From docs/matching-rules.md, "Busts".

Like the matcher, this looks at what must hold of any trade of the market. Whether there was such a trade is held
against what was published, by tape.py.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from canary.market_terms import MOST_BUSTS, could_be
from canary.refusal import Refusal
from canary.steps import partition_of
from schemas.commands import BustTrade, PublishedTrade
from schemas.reasons import Reason
from schemas.records import BustReport, TradeBusted
from schemas.topics import ACCOUNTS, TRADES

if TYPE_CHECKING:
    from canary.matcher_decision import Decision


class Busted(Struct):
    """A market's trades that were taken back, by id and by sequence."""

    ids: dict[str, int] = {}
    sequences: set[int] = set()

    def add(self, trade: PublishedTrade) -> None:
        self.ids[trade.trade_id] = trade.sequence
        self.sequences.add(trade.sequence)

    @classmethod
    def restored(cls, ids: dict[str, int]) -> "Busted":
        return cls(ids, set(ids.values()))


NONE_BUSTED = Busted()


def bust_trade(decision: "Decision", command: BustTrade) -> None:
    """The command is the operator's, and about a market of this partition."""
    step, trade, opened = decision.step, command.trade, decision.moves.opened
    genesis = decision.known.genesis
    assert genesis is not None and opened is not None
    busted = decision.known.busted.get(trade.symbol, NONE_BUSTED)
    if trade.trade_id in busted.ids or trade.sequence in busted.sequences:
        raise Refusal(Reason.ALREADY_BUSTED)
    place = tuple(map(int, trade.trade_id.split("-")))
    lies_behind = place[0] == step.partition and place[1] < step.offset
    if not lies_behind or trade.sequence > step.last_number(TRADES, trade.symbol):
        raise Refusal(Reason.UNKNOWN_TRADE)
    if trade.trade_id != "-".join(map(str, place)):
        raise Refusal(Reason.UNKNOWN_TRADE)
    if not could_be(trade, decision.books[trade.symbol].terms):
        raise Refusal(Reason.TRADE_DIFFERS)
    if len(busted.ids) >= MOST_BUSTS:
        raise Refusal(Reason.TOO_MANY_BUSTS)
    decision.moves.busted = trade
    step.emit(
        TRADES, step.partition, TradeBusted,
        symbol=trade.symbol, time_ms=step.time_ms, reason=command.reason, trade=trade,
    )  # fmt: skip
    parties = (trade.taker_account, trade.maker_account)
    for partition in dict.fromkeys(partition_of(account, genesis.account_partitions) for account in parties):
        step.emit(
            ACCOUNTS, partition, BustReport, symbol=trade.symbol, time_ms=step.time_ms, signed=opened.signed
        )  # fmt: skip

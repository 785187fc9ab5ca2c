"""What is tried on the canary: each manipulation's number and name, how it is done, and what it may be called.

Most are tried in two ways: by an insider, who controls a stage and makes all that it writes agree; and by an edit of
the log afterwards.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import simulator.canary_edits as edits
import simulator.canary_insider_engines as engines
import simulator.canary_insider_fills as fills
import simulator.canary_insider_interventions as interventions
import simulator.canary_insider_ledgers as ledgers
import simulator.canary_insider_mandates as mandates
import simulator.canary_insider_outputs as outputs
import simulator.canary_trade_edits as trade_edits
from schemas.alerts import Kind
from schemas.topics import ACCOUNTS, DEPTH, LEDGER, ORDERS, TRADES
from simulator.canary_ways import (
    Inject,
    busted,
    by_a_stranger,
    by_edit,
    by_insider,
    forged_and_matched,
    let_through_altered,
    of_more,
    of_no_trade,
    passed_on_in_another_order,
    sign_another,
)


class Injection(NamedTuple):
    """A manipulation: its number, its name, how it is done, and what it may be called."""

    number: int
    name: str
    inject: Inject
    kinds: frozenset[Kind]


K = Kind
_CUT = {K.LOG_TRUNCATED, K.SEQUENCE_GAP, K.STAGE_LATE, K.LOG_REWRITTEN}


def _injection(number: int, name: str, inject: Inject, *kinds: Kind) -> Injection:
    return Injection(number, name, inject, frozenset(kinds))


def edited(topic: str, fits: Callable[[edits.Json], bool], change: Callable[[edits.Json, Random], None]) -> Inject:
    return by_edit(edits.changed(topic, fits, change))


INJECTIONS: list[Injection] = [
    _injection(1, "insider invents a fill", by_insider(fills.InventsFills), K.FILL_UNJUSTIFIED),
    _injection(1, "a fill written into trades", by_edit(trade_edits.invented_fill), K.FILL_UNJUSTIFIED),
    _injection(2, "insider leaves a fill out", by_insider(fills.LeavesFillsOut), K.FILL_MISSING),
    _injection(2, "a trade deleted", by_edit(edits.without(TRADES, edits.is_trade)), K.FILL_MISSING),
    _injection(3, "insider alters a price", by_insider(fills.AltersPrices), K.PRICE_ALTERED),
    _injection(3, "a trade's price edited", edited(TRADES, edits.is_trade, edits.alter("price", 1)), K.PRICE_ALTERED),
    _injection(4, "insider alters a quantity", by_insider(fills.AltersQuantities), K.QUANTITY_ALTERED),
    _injection(4, "a trade's quantity edited", edited(TRADES, edits.is_trade, edits.alter("quantity", 1)),
               K.QUANTITY_ALTERED),
    _injection(5, "insider lets the younger go first", by_insider(engines.JumpsQueues), K.QUEUE_JUMP),
    _injection(5, "a trade's maker edited to a younger", by_edit(trade_edits.swapped_maker(trade_edits.younger)),
               K.QUEUE_JUMP),
    _injection(6, "insider passes a better price over", by_insider(engines.TradesThrough), K.TRADE_THROUGH),
    _injection(6, "a trade's maker edited to a worse price", by_edit(trade_edits.swapped_maker(trade_edits.worse)),
               K.TRADE_THROUGH),
    _injection(7, "insider flips maker and taker", by_insider(fills.FlipsSides), K.SIDE_FLIPPED),
    _injection(7, "a trade's side edited", edited(TRADES, edits.is_trade, trade_edits.flip_side), K.SIDE_FLIPPED),
    _injection(8, "insider publishes fills in another order", by_insider(fills.Reorders), K.FILLS_REORDERED),
    _injection(8, "two trades swapped", by_edit(trade_edits.swapped_fills), K.FILLS_REORDERED),
    _injection(9, "insider publishes a fill twice", by_insider(fills.Doubles), K.FILL_DUPLICATED),
    _injection(9, "a trade again under another number", by_edit(trade_edits.second_fill), K.FILL_DUPLICATED),
    _injection(9, "a copy of a trade that differs", by_edit(edits.other_copy(TRADES, "price")), K.COPIES_DIFFER),
    _injection(9, "a copy of an entry that differs", by_edit(edits.other_copy(LEDGER, "sequence")), K.COPIES_DIFFER),
    _injection(9, "a copy of a report that differs", by_edit(edits.other_copy(ACCOUNTS, "time_ms")), K.COPIES_DIFFER),
    _injection(9, "a copy of an order that differs", by_edit(edits.other_copy(ORDERS, "command_id")), K.COPIES_DIFFER),
    _injection(10, "insider lets an order through without funds", by_insider(ledgers.LetsThroughUnfunded),
               K.ORDER_UNFUNDED),
    _injection(10, "insider drops an order", by_insider(ledgers.DropsOrders), K.ORDER_DROPPED),
    _injection(10, "insider passes orders on in another order", passed_on_in_another_order, K.ORDERS_REORDERED,
               K.ORDER_DROPPED),
    _injection(10, "an order that was never on accounts", by_edit(edits.unknown_order(sign_another)),
               K.ORDER_UNKNOWN),
    _injection(10, "an order deleted from orders", by_edit(edits.without(ORDERS, edits.is_order)), K.ORDER_DROPPED,
               K.LOG_REWRITTEN),
    _injection(10, "two orders swapped", by_edit(edits.swapped_orders), K.ORDERS_REORDERED, K.ORDER_DROPPED,
               K.LOG_REWRITTEN, K.ORDER_FORGED, K.SEQUENCE_GAP),
    _injection(10, "insider lets a mandate go", by_insider(mandates.NeverFires), K.ORDER_DROPPED,
               K.STAGE_LATE),
    _injection(10, "insider fires a mandate late", by_insider(mandates.FiresLate), K.ORDER_DROPPED),
    _injection(10, "insider fires a mandate early", by_insider(mandates.FiresEarly), K.OUTCOME_WRONG),
    _injection(10, "insider spares an order of a mandate", by_insider(mandates.SparesOrders), K.ORDER_DROPPED),
    _injection(10, "insider passes a mandate on without its orders", by_insider(mandates.NamesOtherOrders),
               K.ORDER_FORGED),
    _injection(10, "a mandate's time edited", edited(LEDGER, edits.has_mandate, edits.later_mandate), K.OUTCOME_WRONG),
    _injection(11, "insider matches a forged order", forged_and_matched, K.ORDER_FORGED),
    _injection(11, "insiders pass on and match an altered order", let_through_altered, K.ORDER_FORGED),
    _injection(11, "an order edited", edited(ORDERS, edits.is_order, edits.alter_order), K.ORDER_FORGED,
               K.LOG_REWRITTEN),
    _injection(12, "insider takes a replay", by_insider(ledgers.TakesReplays), K.ORDER_REPLAYED),
    _injection(12, "an order again on orders", by_edit(edits.replayed_order), K.ORDER_REPLAYED),
    _injection(13, "insider fills a dead order", by_insider(fills.WakesTheDead), K.DEAD_ORDER_FILLED),
    _injection(13, "a trade's maker edited to a dead order", by_edit(trade_edits.dead_maker), K.DEAD_ORDER_FILLED),
    _injection(14, "insider takes another fee", by_insider(fills.AltersFees), K.FEE_WRONG),
    _injection(14, "insider books a fee elsewhere", by_insider(ledgers.MovesFees), K.FEE_WRONG, K.BUST_WRONG),
    _injection(14, "a trade's fee edited", edited(TRADES, edits.is_trade, edits.alter("taker_fee", 1)), K.FEE_WRONG),
    _injection(14, "a fee edited to another book", edited(LEDGER, edits.has_fill, edits.move_fee), K.FEE_WRONG),
    _injection(15, "insider posts what doesn't sum up", by_insider(ledgers.UnbalancesPostings), K.POSTINGS_UNBALANCED),
    _injection(15, "insider makes money", by_insider(ledgers.MakesMoney), K.BALANCE_WITHOUT_CAUSE),
    _injection(15, "a posting edited", edited(LEDGER, edits.has_postings, edits.unbalance), K.POSTINGS_UNBALANCED),
    _injection(15, "a balance edited", edited(LEDGER, edits.has_postings, edits.more_balance), K.BALANCE_WITHOUT_CAUSE),
    _injection(16, "insider lets an account trade with itself", by_insider(engines.TradesWithSelf), K.SELF_TRADE),
    _injection(16, "a trade's maker edited to the taker's own", by_edit(trade_edits.swapped_maker(trade_edits.own)),
               K.SELF_TRADE),
    _injection(17, "insider shows other depth", by_insider(outputs.AltersDepth), K.DEPTH_WRONG),
    _injection(17, "depth edited", edited(DEPTH, edits.is_depth, edits.deeper), K.DEPTH_WRONG),
    _injection(18, "insider leaves a number out", by_insider(outputs.Skips), K.SEQUENCE_GAP),
    _injection(18, "insider read another log", by_insider(outputs.ReadsAnotherLog), K.LOG_REWRITTEN),
    _injection(18, "an edge sequence edited", edited(LEDGER, edits.has_postings, edits.later_sequence), K.SEQUENCE_GAP),
    _injection(18, "depth deleted", by_edit(edits.without(DEPTH, edits.is_depth)), K.SEQUENCE_GAP, K.LOG_REWRITTEN),
    _injection(18, "a source edited", edited(TRADES, edits.is_trade, edits.other_source), K.EDGE_FORGED),
    _injection(18, "a digest edited", edited(TRADES, edits.is_trade, edits.other_digest), K.LOG_REWRITTEN),
    _injection(18, "accounts rewritten", by_edit(edits.rewritten_input(ACCOUNTS)), K.LOG_REWRITTEN, K.OUTCOME_WRONG),
    _injection(18, "orders rewritten", by_edit(edits.rewritten_input(ORDERS)), K.LOG_REWRITTEN, K.OUTCOME_WRONG),
    _injection(18, "accounts cut", by_edit(edits.cut(ACCOUNTS)), *_CUT),
    _injection(18, "orders cut", by_edit(edits.cut(ORDERS)), *_CUT),
    _injection(19, "insider falls silent", by_insider(outputs.FallsSilent), K.STAGE_LATE),
    _injection(19, "trades cut", by_edit(edits.cut(TRADES)), K.STAGE_LATE),
    _injection(20, "insider stamps another time", by_insider(outputs.StampsOtherTimes), K.TIME_ALTERED),
    _injection(20, "a trade's time edited", edited(TRADES, edits.is_trade, trade_edits.other_time), K.TIME_ALTERED),
    _injection(21, "insider matches in a halted market", by_insider(interventions.MatchesWhileHalted), K.HALT_WRONG),
    _injection(21, "insider lets an order through to a halted market", by_insider(interventions.LetsThroughHalted),
               K.HALT_WRONG),
    _injection(21, "insider passes a halt over", by_insider(interventions.DropsHalts), K.HALT_WRONG),
    _injection(21, "insider halts for anybody", by_insider(interventions.HaltsForAnybody), K.HALT_WRONG),
    _injection(21, "a halt edited", edited(LEDGER, edits.is_a("market_halted"), edits.other_halt), K.HALT_WRONG),
    _injection(21, "a halt deleted", by_edit(edits.without(LEDGER, edits.is_a("market_halted"))), K.HALT_WRONG),
    _injection(21, "a resumption deleted", by_edit(edits.without(LEDGER, edits.is_a("market_resumed"))),
               K.HALT_WRONG),
    _injection(22, "insider takes a trade back that nobody may", busted(by_a_stranger, interventions.BustsForAnybody),
               K.BUST_WRONG),
    _injection(22, "insider passes a bust over", by_insider(interventions.DropsBusts), K.BUST_WRONG),
    _injection(22, "insider takes twice as much back", by_insider(interventions.ReversesTwiceAsMuch), K.BUST_WRONG),
    _injection(22, "insider takes nothing back", by_insider(interventions.ReversesNothing), K.BUST_WRONG),
    _injection(22, "a bust edited", edited(TRADES, edits.is_a("trade_busted"), edits.other_reason), K.BUST_WRONG),
    _injection(22, "a bust deleted", by_edit(edits.without(TRADES, edits.is_a("trade_busted"))), K.BUST_WRONG),
    _injection(22, "a bust's report edited", edited(ACCOUNTS, edits.is_a("bust_report"), edits.other_bust),
               K.BUST_WRONG, K.LOG_REWRITTEN),
    _injection(22, "a reversal edited", edited(LEDGER, edits.is_reversal, edits.more_loss), K.BUST_WRONG),
    _injection(22, "the operator takes back more than was traded", busted(of_more), K.BUST_UNFOUNDED),
    _injection(22, "the operator takes back what was not traded", busted(of_no_trade), K.BUST_UNFOUNDED),
]  # fmt: skip

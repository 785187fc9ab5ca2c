"""A trade taken back on the accounts of one partition. From docs/matching-rules.md, "Busts"."""

from typing import TYPE_CHECKING

from canary.account_book import Draft
from canary.frames import BustFrame
from canary.market_terms import MOST_BUSTS, MarketTerms, could_be
from canary.numbers import signed_units_of, units_of
from canary.steps import partition_of
from schemas.commands import BustTrade, PublishedTrade, Side
from schemas.journal import TradeReversed
from schemas.reasons import Reason
from schemas.records import Role

if TYPE_CHECKING:
    from canary.ledger_decision import Decision


def take_back(decision: "Decision", report: BustFrame) -> None:
    """Reverses the legs that this partition's accounts have in the trade; nothing, if it isn't the operator who says
    so, or it was done before, or there can't have been such a trade."""
    known, opened = decision.known, decision.effects.opened
    assert known.genesis is not None and opened is not None
    command = opened.command
    if not isinstance(command, BustTrade) or opened.key != known.genesis.operator_key:
        return
    trade = command.trade
    terms = known.markets.get(trade.symbol)
    if command.exchange != known.genesis.exchange or terms is None or not could_be(trade, terms):
        return
    busted: set[str] = known.busted.get(trade.symbol, set())
    if trade.trade_id in busted or len(busted) >= MOST_BUSTS:
        return
    if not decision.step.takes(report.source.partition, report.edge_sequence):
        return
    command_id = f"orders-{report.source.partition}-{report.source.offset}"
    decision.effects.busted = trade
    for role in (Role.TAKER, Role.MAKER):
        _take_back_from(decision, role, terms, trade, command_id)


def _take_back_from(
    decision: "Decision", role: Role, terms: MarketTerms, trade: PublishedTrade, command_id: str
) -> None:
    genesis = decision.known.genesis
    assert genesis is not None
    account = trade.taker_account if role is Role.TAKER else trade.maker_account
    if partition_of(account, genesis.account_partitions) != decision.step.partition:
        return
    book = decision.find_account(account)
    if book is None:
        decision.refuse(account, Reason.UNKNOWN_ACCOUNT, command_id)
    else:
        _reverse(decision.draft_of(book), role, terms, trade, command_id)


def _reverse(draft: Draft, role: Role, terms: MarketTerms, trade: PublishedTrade, command_id: str) -> None:
    """What the account got goes back, as far as it is free; what it gave it gets."""
    is_taker = role is Role.TAKER
    bought = (trade.aggressor_side is Side.BUY) is is_taker
    order_id, fee_text = (
        (trade.taker_order_id, trade.taker_fee) if is_taker else (trade.maker_order_id, trade.maker_fee)
    )
    base, notional = units_of(trade.quantity, terms.base_decimals), units_of(trade.quote_quantity, terms.quote_decimals)
    fee = signed_units_of(fee_text, terms.quote_decimals)
    quote_back = notional + fee if bought else notional - fee
    got = (terms.base, base) if bought else (terms.quote, quote_back)
    given = (terms.quote, quote_back) if bought else (terms.base, base)
    through_clearing = {terms.base: base, terms.quote: notional}

    clearing = f"clearing:{terms.symbol}"
    loss = max(0, got[1] - draft.balance(got[0])[0])
    draft.free(got[0], loss - got[1])
    draft.other("losses", got[0], -loss)
    draft.other(clearing, got[0], through_clearing[got[0]])
    draft.free(*given)
    draft.other(clearing, given[0], -through_clearing[given[0]])
    draft.other("fees", terms.quote, -fee)
    draft.events.append(
        TradeReversed(
            command_id, order_id, terms.symbol, Side.BUY if bought else Side.SELL, role, trade.price, trade.quantity,
            trade.quote_quantity, fee_text, trade.fee_asset, trade.trade_id, trade.sequence,
            terms.base_text(loss) if bought else terms.quote_text(loss), got[0],
        )
    )  # fmt: skip

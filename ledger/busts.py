"""A busted trade taken back on the accounts that it was settled on: each leg in its account's partition.

What the account received and still has free goes back; what it has withdrawn, spent or reserved since can't, and the
exchange bears it on the book `losses`. What it gave it gets back whole, its fee too. Postings sum to zero, no balance
goes below zero, and the clearing books net to zero over both legs as they did over the trade's.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.journal import FEES, LOSSES, Entry
from schemas.authority import open_signed
from schemas.bust_rules import MAX_BUSTS, check_numbers
from schemas.commands import BustTrade, PublishedTrade, Side
from schemas.decimals import format_decimal, parse_decimal
from schemas.journal import TradeReversed
from schemas.market import Terms
from schemas.reasons import Reason
from schemas.records import BustReport, Role
from schemas.refusal import Refused
from schemas.signing import account_partition
from stage.partition import Step

if TYPE_CHECKING:
    from ledger.core import LedgerCore


def open_bust(ledger: "LedgerCore", report: BustReport) -> BustTrade:
    """The operator's order that a report carries; `Refused` where it isn't the operator's, where there can't have been
    such a trade, or where it was taken back before.

    The report's word alone moves no money, and a signed order moves it once, however often somebody reports it.
    """
    genesis = ledger.genesis
    assert genesis is not None
    opened = open_signed(report.signed, engine_version=genesis.engine_version)
    command = opened.command
    if not isinstance(command, BustTrade):
        raise Refused(Reason.UNKNOWN_RECORD, "a bust report carries a bust_trade")
    if opened.key != genesis.operator_key:
        raise Refused(Reason.NOT_OPERATOR)
    if command.exchange != genesis.exchange:
        raise Refused(Reason.WRONG_EXCHANGE, f"signed for {command.exchange}")
    trade = command.trade
    if trade.symbol not in ledger.markets:
        raise Refused(Reason.UNKNOWN_SYMBOL, trade.symbol)
    check_numbers(trade, ledger.markets[trade.symbol])
    busted = ledger.busted[trade.symbol]
    if trade.trade_id in busted:
        raise Refused(Reason.ALREADY_BUSTED, trade.trade_id)
    if len(busted) >= MAX_BUSTS:
        raise Refused(Reason.TOO_MANY_BUSTS, f"the limit is {MAX_BUSTS}")
    return command


def reverse_trade(ledger: "LedgerCore", step: Step, report: BustReport, command: BustTrade) -> None:
    """Reverses the legs of this partition's accounts."""
    genesis = ledger.genesis
    assert genesis is not None
    terms = ledger.markets[command.trade.symbol]
    ledger.busted[terms.symbol][command.trade.trade_id] = None
    command_id = f"orders-{report.source.partition}-{report.source.offset}"
    for account_id, role in _parties(command.trade):
        if account_partition(account_id, genesis.account_partitions) != ledger.partition:
            continue
        account = ledger.accounts.get(account_id)
        if account is None:
            ledger.refuse(step, account_id, command_id, Refused(Reason.UNKNOWN_ACCOUNT), None)
        else:
            _reverse_leg(ledger.journal.entry(account), terms, command.trade, role, command_id)


def _parties(trade: PublishedTrade) -> Iterator[tuple[str, Role]]:
    yield trade.taker_account, Role.TAKER
    yield trade.maker_account, Role.MAKER


def _reverse_leg(entry: Entry, terms: Terms, trade: PublishedTrade, role: Role, command_id: str) -> None:
    market, clearing = terms.market, f"clearing:{terms.symbol}"
    taker = role is Role.TAKER
    side = trade.aggressor_side if taker else trade.aggressor_side.opposite
    base = parse_decimal(trade.quantity, market.base_decimals)
    notional = parse_decimal(trade.quote_quantity, market.quote_decimals)
    fee_text = trade.taker_fee if taker else trade.maker_fee
    fee = _signed(fee_text, market.quote_decimals)
    if side is Side.BUY:
        loss_asset, loss_decimals = terms.base, market.base_decimals
        loss = _take_back(entry, terms.base, base)
        entry.book(clearing, terms.base, base)
        entry.free(terms.quote, notional + fee)
        entry.book(clearing, terms.quote, -notional)
    else:
        loss_asset, loss_decimals = terms.quote, market.quote_decimals
        loss = _take_back(entry, terms.quote, notional - fee)
        entry.book(clearing, terms.quote, notional)
        entry.free(terms.base, base)
        entry.book(clearing, terms.base, -base)
    entry.book(FEES, terms.quote, -fee)
    entry.events.append(
        TradeReversed(
            command_id, trade.taker_order_id if taker else trade.maker_order_id, terms.symbol, side, role, trade.price,
            trade.quantity, trade.quote_quantity, fee_text, trade.fee_asset, trade.trade_id, trade.sequence,
            format_decimal(loss, loss_decimals), loss_asset,
        )
    )  # fmt: skip


def _take_back(entry: Entry, asset: str, amount: int) -> int:
    """Takes what is free, and the rest from the exchange; returns that rest."""
    taken = min(entry.account.balance(asset).free, amount)
    entry.free(asset, -taken)
    entry.book(LOSSES, asset, taken - amount)
    return amount - taken


def _signed(text: str, decimals: int) -> int:
    return -parse_decimal(text[1:], decimals) if text.startswith("-") else parse_decimal(text, decimals)

"""An account's own trades and its statement, out of its journal. See `journal_pages.py` for where they come from."""

from collections.abc import Iterator

from msgspec import structs

from producers.gateway import Gateway
from producers.history_answers import AccountTrade, AccountTradesAnswer, StatementAnswer, StatementLine
from producers.history_store import Cursor, JournalAsk, StoredLine, StoreUnavailable, Table
from producers.journal_pages import DECIMALS, JournalReading, Kind, parse_amount
from schemas.decimals import format_decimal
from schemas.entry_summary import cause_of, reference_of
from schemas.journal import LedgerEntry, OrderFilled
from schemas.reasons import Reason
from schemas.refusal import Refused

OWN_BOOKS = ("free", "reserved")


# --- trades


async def account_trades(gateway: Gateway, ask: JournalAsk) -> AccountTradesAnswer:
    reading = JournalReading(gateway, ask.account)
    kind = Kind(Table.ORDER_EVENTS, b'"order_filled"', trades_of, gateway.store.account_trades)
    page = await reading.page(ask, kind)
    return AccountTradesAnswer(ask.account, page.stored + page.at_hand, page.more, reading.through)


def trades_of(entry: LedgerEntry, symbol: str | None = None) -> Iterator[tuple[Cursor, AccountTrade]]:
    for index, event in enumerate(entry.events):
        if isinstance(event, OrderFilled) and symbol in (None, event.symbol):
            cursor = Cursor(entry.sequence, index)
            yield cursor, AccountTrade(cursor=cursor.text, time_ms=entry.time_ms, **structs.asdict(event))


# --- statement


async def statement(gateway: Gateway, ask: JournalAsk) -> StatementAnswer:
    """Balances are worked out from those of today backwards, so that they hold wherever the page lies."""
    reading = JournalReading(gateway, ask.account)
    page = await reading.page(ask, Kind(Table.POSTINGS, b'"amount":', lines_of, gateway.store.lines))
    stored = await _with_balances(gateway, reading, page.stored) if page.stored else []
    return StatementAnswer(ask.account, stored + page.at_hand, page.more, reading.through)


def lines_of(entry: LedgerEntry, asset: str | None = None) -> Iterator[tuple[Cursor, StatementLine]]:
    """The entry's postings onto the account's own books, each with the balance behind it."""
    balances = {
        (f"{book}:{entry.account}", after.asset): parse_amount(getattr(after, book))
        for after in entry.balances
        for book in OWN_BOOKS
    }
    cause, reference = cause_of(entry.events), reference_of(entry.events)
    lines: list[tuple[Cursor, StatementLine]] = []
    for index in reversed(range(len(entry.postings))):
        posting = entry.postings[index]
        balance = balances.get((posting.book, posting.asset))
        if balance is None:
            continue  # another's book: clearing, fees, the world
        balances[posting.book, posting.asset] = balance - parse_amount(posting.amount)
        if asset in (None, posting.asset):
            cursor = Cursor(entry.sequence, index)
            line = StatementLine(
                cursor=cursor.text, entry_sequence=entry.sequence, time_ms=entry.time_ms,
                book=posting.book.partition(":")[0], asset=posting.asset, amount=posting.amount,
                balance=format_decimal(balance, DECIMALS), cause=cause, reference=reference,
            )  # fmt: skip
            lines.append((cursor, line))
    return reversed(lines)


async def _with_balances(gateway: Gateway, reading: JournalReading, lines: list[StoredLine]) -> list[StatementLine]:
    try:
        sums = await gateway.store.sums(reading.account, lines[-1].cursor, reading.first)
    except StoreUnavailable as error:
        raise Refused(Reason.HISTORY_UNAVAILABLE, str(error)) from None
    behind = {(one.book, one.asset): parse_amount(one.amount) for one in sums}
    balances = {
        key: reading.balance_before(*key) - behind.get(key, 0) for key in {(line.book, line.asset) for line in lines}
    }
    found = []
    for line in reversed(lines):
        key = (line.book, line.asset)
        found.append(
            StatementLine(
                cursor=line.cursor.text, entry_sequence=line.entry_sequence, time_ms=line.time_ms, book=line.book,
                asset=line.asset, amount=line.amount, balance=format_decimal(balances[key], DECIMALS), cause=line.cause,
                reference=line.reference,
            )
        )  # fmt: skip
        balances[key] -= parse_amount(line.amount)
    return found[::-1]

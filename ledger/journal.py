"""One input's entries: events, postings and balances, gathered per account and written as `LedgerEntry` records.

The only place where a balance changes. Every entry's postings sum to zero per asset, and a balance below zero ends the
process: both are asserted where the entry is written.
"""

from ledger.account import Account, LedgerBroken
from schemas.decimals import format_decimal
from schemas.journal import AccountEvent, BalanceAfter, LedgerEntry, Posting
from schemas.ledger_state import Balance
from schemas.topics import LEDGER
from stage.partition import Step

WORLD = "world"
FEES = "fees"
LOSSES = "losses"  # what busts could not take back


class Books:
    """The partition's books that belong to no account: clearing, fees, world and losses. Book → asset → minor units."""

    def __init__(self) -> None:
        self.amounts: dict[str, dict[str, int]] = {}

    def add(self, book: str, asset: str, amount: int) -> None:
        assets = self.amounts.setdefault(book, {})
        assets[asset] = assets.get(asset, 0) + amount


class Entry:
    """What one input does to one account."""

    def __init__(self, account: Account, books: Books) -> None:
        self.account = account
        self.events: list[AccountEvent] = []
        self._books = books
        self._postings: list[tuple[str, str, int]] = []
        self._touched: dict[str, None] = {}

    def free(self, asset: str, amount: int) -> None:
        """Adds to the free balance; subtracts with a negative amount."""
        if amount:
            self._balance(asset).free += amount
            self._postings.append((f"free:{self.account.account}", asset, amount))

    def reserved(self, asset: str, amount: int) -> None:
        if amount:
            self._balance(asset).reserved += amount
            self._postings.append((f"reserved:{self.account.account}", asset, amount))

    def book(self, book: str, asset: str, amount: int) -> None:
        if amount:
            self._books.add(book, asset, amount)
            self._postings.append((book, asset, amount))

    def reserve(self, asset: str, amount: int) -> None:
        """Moves from free to reserved; back with a negative amount."""
        self.free(asset, -amount)
        self.reserved(asset, amount)

    def write(self, step: Step, decimals: dict[str, int]) -> None:
        """Emits the entry. `decimals` gives each asset's."""
        self._check()
        account = self.account
        account.sequence += 1
        step.emit(
            LEDGER, step.partition, account.account.encode(), LedgerEntry,
            account=account.account, sequence=account.sequence, time_ms=step.time_ms, events=self.events,
            postings=[Posting(b, asset, format_decimal(n, decimals[asset])) for b, asset, n in self._postings],
            balances=[self._after(asset, decimals[asset]) for asset in self._touched],
        )  # fmt: skip

    def _balance(self, asset: str) -> Balance:
        self._touched[asset] = None
        return self.account.balance(asset)

    def _after(self, asset: str, decimals: int) -> BalanceAfter:
        balance = self.account.balances[asset]
        return BalanceAfter(asset, format_decimal(balance.free, decimals), format_decimal(balance.reserved, decimals))

    def _check(self) -> None:
        sums: dict[str, int] = {}
        for _, asset, amount in self._postings:
            sums[asset] = sums.get(asset, 0) + amount
        if any(sums.values()):
            raise LedgerBroken(f"postings of {self.account.account} don't sum to zero: {self._postings}")
        for asset in self._touched:
            balance = self.account.balances[asset]
            if balance.free < 0 or balance.reserved < 0:
                raise LedgerBroken(f"{asset} of {self.account.account} would be {balance.free}, {balance.reserved}")


class Journal:
    """All entries of one input, in the order in which their accounts were first touched."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._entries: dict[str, Entry] = {}

    def entry(self, account: Account) -> Entry:
        entry = self._entries.get(account.account)
        if entry is None:
            entry = self._entries[account.account] = Entry(account, self._books)
        return entry

    def write(self, step: Step, decimals: dict[str, int]) -> None:
        """Emits the entries; what follows is the next input's."""
        for entry in self._entries.values():
            entry.write(step, decimals)
        self._entries.clear()

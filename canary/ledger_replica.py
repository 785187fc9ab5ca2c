"""The ledger of one `accounts` partition, derived: its accounts, and how they follow what was decided.

Beside its own books it may hold accounts as the exchange states them, where the two came to differ; judge.py says when.
"""

from typing import Any

from msgspec import Struct

from canary.account_book import AccountBook, AccountState, Mandate
from canary.authority import Opened
from canary.engines import check_engine
from canary.halts import Halter, Halts, HaltsState, dump_halts, restored_halts
from canary.ledger_decision import Decision, Effects
from canary.ledger_mandates import Alarms
from canary.market_terms import MarketTerms
from canary.published import Published
from canary.restatement import Restatement
from canary.steps import Step
from schemas.commands import Genesis, ListMarket
from schemas.journal import LedgerEntry
from schemas.market import Market
from schemas.topics import LEDGER

NO_HALTS = Halts()
SPARE_ALARMS = 1_000


class Listed(Struct):
    revision: int
    market: Market


class LedgerState(Struct):
    genesis: Genesis | None
    markets: list[Listed]
    accounts: list[AccountState]
    stated: list[AccountState]
    halter: Halter
    halts: list[HaltsState]
    busted: dict[str, list[str]]


class LedgerReplica:
    stage = "ledger"

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.genesis: Genesis | None = None
        self.markets: dict[str, MarketTerms] = {}
        self.revisions: dict[str, int] = {}
        self.decimals: dict[str, int] = {}
        self.accounts: dict[str, AccountBook] = {}
        self.stated: dict[str, AccountBook] = {}
        self.halter = Halter()
        self.busted: dict[str, set[str]] = {}  # of each market, the ids of the trades taken back
        self.alarms = Alarms()
        self._halts: dict[str, Halts] = {}

    def decide(self, step: Step, record: Any, opened: Opened | None, stated: bool, heeds_halts: bool = True) -> Effects:
        account = self._account_stated if stated else self.accounts.get
        return Decision(self, account, step, heeds_halts).of(record, opened)

    def halts_of(self, symbol: str) -> Halts:
        return self._halts.get(symbol, NO_HALTS)

    def _account_stated(self, account: str) -> AccountBook | None:
        return self.stated.get(account) or self.accounts.get(account)

    # --- what was decided, done

    def apply(self, effects: Effects, offset: int) -> None:
        if effects.genesis is not None:
            self.genesis = effects.genesis
        if effects.listing is not None:
            self._list(effects.listing)
        if effects.halter is not None:
            self.halter = effects.halter
        if effects.halts:
            self._halts |= effects.halts
        if effects.busted is not None:
            self.busted.setdefault(effects.busted.symbol, set()).add(effects.busted.trade_id)
        if effects.registered is not None:
            self.accounts[effects.registered.account] = effects.registered
        if effects.fired_until_ms:
            self.alarms.drop_until(effects.fired_until_ms)
        for account, draft in effects.drafts.items():
            draft.install(self.accounts[account])
            if draft.sets_mandate:
                self._set_alarm(account, draft.mandate)

    def apply_stated(self, effects: Effects, offset: int) -> None:
        for account, draft in effects.drafts.items():
            if account in self.stated:
                draft.install(self.stated[account])
                if draft.sets_mandate:
                    self._set_alarm(account, draft.mandate)

    def _set_alarm(self, account: str, mandate: Mandate | None) -> None:
        self.alarms.set(account, mandate)
        # Who renews a mandate for a day every moment leaves an alarm each time: what was replaced is put away in time.
        if len(self.alarms) > 2 * (len(self.accounts) + len(self.stated)) + SPARE_ALARMS:
            self._set_alarms()

    def _set_alarms(self) -> None:
        """Of the mandates that stand."""
        books = (*self.accounts.values(), *self.stated.values())
        self.alarms = Alarms((book.account, book.mandate) for book in books)

    def _list(self, listing: ListMarket) -> None:
        market = listing.market
        self.markets[market.symbol] = MarketTerms(market)
        self.revisions[market.symbol] = listing.revision
        self.decimals[market.base], self.decimals[market.quote] = market.base_decimals, market.quote_decimals

    # --- the exchange's word

    @property
    def own(self) -> dict[str, AccountBook]:
        """Our own of what `stated` has."""
        return self.accounts

    def units(self, effects: Effects) -> set[str]:
        return set(effects.drafts)

    def state(self, effects: Effects | None, published: Published, offset: int) -> None:
        """Keeps, beside our accounts, those that the entries found of this input lead to. Called before `apply`.

        `effects` is what we decided, None for a record too many.
        """
        drafts = effects.drafts if effects is not None else {}
        entries = {entry.account: entry for entry in published.of(LEDGER) if isinstance(entry, LedgerEntry)}
        for account in dict.fromkeys([*drafts, *entries]):
            book = self._account_stated(account)
            if book is None:
                continue
            stated, draft = book.copied(), drafts.get(account)
            if draft is not None:
                draft.install(stated)
            if published.watches(LEDGER):
                entry = entries.get(account)
                if entry is None:
                    stated.sequence, stated.mandate = book.sequence, book.mandate
                else:
                    stated.sequence = entry.sequence
                    Restatement(self.markets, self.decimals, stated, draft).follow(entry, effects, offset)
            self.stated[account] = stated
            self._set_alarm(account, stated.mandate)

    # --- snapshots

    def dump(self) -> LedgerState:
        """Shares what it holds: to be encoded at once."""
        markets = [Listed(self.revisions[symbol], terms.market) for symbol, terms in self.markets.items()]
        accounts, stated = ([book.dump() for book in each.values()] for each in (self.accounts, self.stated))
        busted = {symbol: sorted(trades) for symbol, trades in self.busted.items()}
        return LedgerState(self.genesis, markets, accounts, stated, self.halter, dump_halts(self._halts), busted)

    def restore(self, state: LedgerState) -> None:
        self.genesis, self.halter, self._halts = state.genesis, state.halter, restored_halts(state.halts)
        self.busted = {symbol: set(trades) for symbol, trades in state.busted.items()}
        if state.genesis is not None:
            check_engine(state.genesis.engine_version)
        for listed in state.markets:
            market = listed.market
            self.markets[market.symbol] = MarketTerms(market)
            self.revisions[market.symbol] = listed.revision
            self.decimals[market.base] = market.base_decimals
            self.decimals[market.quote] = market.quote_decimals
        self.accounts = {account.account: AccountBook.restored(account) for account in state.accounts}
        self.stated = {account.account: AccountBook.restored(account) for account in state.stated}
        self._set_alarms()

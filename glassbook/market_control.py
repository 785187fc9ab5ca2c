"""What the operator does with a market that trades: halts it, lets it go on, takes a trade back.

Like listings, what is about to be written lies signed in the data folder first, so that a command that was broken off
is finished by the next one. What the stages would refuse for certain is refused here, before anything is written.
"""

import time
from pathlib import Path

import msgspec

from glassbook.client.keys import Key
from glassbook.errors import GlassbookError
from glassbook.operator import (
    FIRST_WITH_HALTS,
    OperatorFolder,
    existing_genesis,
    finish_pending,
    genesis_of,
    read_log_of_markets,
    write_everywhere,
)
from glassbook.operator_log import Listed, OperatorLog
from schemas.codec import ledger_decoder, trades_decoder
from schemas.commands import (
    MAX_RESUMED_AT_ONCE,
    AuthoriseHalter,
    BustTrade,
    Command,
    HaltMarket,
    ResumeMarket,
)
from schemas.halts import Halt
from schemas.journal import LedgerEntry, OrderFilled
from schemas.market import Market
from schemas.records import Trade, TradeBusted
from schemas.signing import account_partition
from schemas.topics import LEDGER, TRADES


class MarketControl:
    """One run's view of the exchange's markets. Raises GlassbookError where the exchange has no halts or busts."""

    def __init__(self, data_dir: Path, log: OperatorLog) -> None:
        self.log = log
        self._folder = OperatorFolder(data_dir)
        self._key: Key = self._folder.key()
        self.genesis = genesis_of(existing_genesis(log, self._key))
        version = self.genesis.engine_version
        if version < FIRST_WITH_HALTS:
            raise GlassbookError(
                f"this exchange was started with engine version {version}, which has no halts and no busts: set a"
                " market's state in its listing instead"
            )
        finish_pending(self._folder, log, self.genesis)
        self.listed: Listed = read_log_of_markets(self._folder, log, self.genesis)

    def halt(self, symbol: str, reason: str, halt_id: str | None = None) -> str:
        """Halts the market; returns the halt's id."""
        market, now_ms = self._market(symbol), _now_ms()
        halt_id = halt_id or f"operator-{now_ms}"
        known = self.listed.halts.get(symbol)
        if known is not None and halt_id in (*known.resumed, *(halt.halt_id for halt in known.standing)):
            raise GlassbookError(f"{symbol} had the halt {halt_id} already: an id halts once")
        command = HaltMarket(
            exchange=self.genesis.exchange, symbol=symbol, partition=market.partition, halt_id=halt_id, reason=reason,
            evidence=[], time_ms=now_ms,
        )  # fmt: skip
        self._write([command])
        return halt_id

    def resume(self, symbol: str, reason: str) -> list[Halt]:
        """Ends all halts that stand; returns them."""
        market, standing = self._market(symbol), self.listed.standing_halts(symbol)
        if not standing:
            raise GlassbookError(f"{symbol} has no halt that could be resumed: see `glassbook listing show {symbol}`")
        parts = [standing[at : at + MAX_RESUMED_AT_ONCE] for at in range(0, len(standing), MAX_RESUMED_AT_ONCE)]
        self._write(
            [
                ResumeMarket(
                    exchange=self.genesis.exchange, symbol=symbol, partition=market.partition,
                    halt_ids=[halt.halt_id for halt in part], reason=reason, time_ms=_now_ms(),
                )
                for part in parts
            ]
        )  # fmt: skip
        return standing

    def authorise(self, halter_key: str | None) -> int:
        """Names the key that may halt besides the operator's, or takes the right away; returns the revision."""
        known = self.listed.authorised()
        revision = 1 if known is None else known.revision + 1
        command = AuthoriseHalter(
            exchange=self.genesis.exchange, revision=revision, halter_key=halter_key, time_ms=_now_ms()
        )
        self._write([command])
        return revision

    # --- busts

    def find_trade(self, trade_id: str) -> Trade:
        """The trade as it was published and settled; refused if it wasn't, or was taken back already."""
        partition = _partition_of(trade_id)
        if partition >= self.log.partitions(TRADES):
            raise GlassbookError(f"there is no trade {trade_id}: trades has {self.log.partitions(TRADES)} partitions")
        text = f'"trade_id":{msgspec.json.encode(trade_id).decode()}'.encode()
        values = self.log.matching([(TRADES, partition)], text)[TRADES, partition]
        records = [trades_decoder().decode(value) for value in values]
        if any(isinstance(record, TradeBusted) for record in records):
            raise GlassbookError(f"trade {trade_id} was busted already")
        trades = [record for record in records if isinstance(record, Trade)]
        if not trades:
            raise GlassbookError(f"there is no trade {trade_id}: see `glassbook trades SYMBOL`")
        if len({msgspec.json.encode(trade) for trade in trades}) > 1:
            raise GlassbookError(f"trade {trade_id} was published in two ways: only what was settled can be taken back")
        self._check_settled(trades[0], text)
        return trades[0]

    def bust(self, trade: Trade, reason: str) -> None:
        command = BustTrade(
            exchange=self.genesis.exchange, partition=_partition_of(trade.trade_id), trade=trade.published(),
            reason=reason, time_ms=_now_ms(),
        )  # fmt: skip
        self._write([command])

    def _check_settled(self, trade: Trade, text: bytes) -> None:
        """Both legs stand in the journal as published: a fill that was only made up is not to be reversed."""
        accounts = (trade.taker_account, trade.maker_account)
        places = {(LEDGER, account_partition(account, self.genesis.account_partitions)) for account in accounts}
        found = self.log.matching(places, text)
        entries = [ledger_decoder().decode(value) for values in found.values() for value in values]
        settled = {
            (entry.account, event.order_id, event.price, event.quantity)
            for entry in entries
            if isinstance(entry, LedgerEntry)
            for event in entry.events
            if isinstance(event, OrderFilled) and event.trade_id == trade.trade_id
        }
        orders = zip(accounts, (trade.taker_order_id, trade.maker_order_id), strict=True)
        wanted = {(account, order_id, trade.price, trade.quantity) for account, order_id in orders}
        if not wanted <= settled:
            raise GlassbookError(f"trade {trade.trade_id} was published, but the ledger did not settle it as it says")

    # --- both

    def _market(self, symbol: str) -> Market:
        listed = self.listed.markets.get(symbol)
        if listed is None:
            raise GlassbookError(f"no market {symbol} is listed: see `glassbook listing show`")
        return listed.market

    def _write(self, commands: list[Command]) -> None:
        write_everywhere(commands, self._folder, self.log, self._key, self.genesis)


def _partition_of(trade_id: str) -> int:
    parts = trade_id.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in parts):
        raise GlassbookError(f"{trade_id!r} is no trade id: it is PARTITION-OFFSET-INDEX, such as 1-501-0")
    return int(parts[0])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""The baseline's storage: a thread that writes what has changed to SQLite, a transaction a flush, in WAL mode.

What a flush holds is taken at one moment, so that what is found after a crash is the exchange as it was then; what came
later is gone, though it was answered.
"""

import sqlite3
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, cast

import msgspec

from benchmarks.baselines.book import Order
from benchmarks.baselines.exchange import FEES, Exchange
from benchmarks.baselines.state import TRADES_KEPT, Changes
from glassbook.client.history import Trade

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (account TEXT, transfer TEXT, PRIMARY KEY (account, transfer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balances (account TEXT, asset TEXT, free TEXT, reserved TEXT,
                                     PRIMARY KEY (account, asset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, account TEXT, status TEXT, document BLOB);
CREATE TABLE IF NOT EXISTS trades (symbol TEXT, sequence INTEGER, document BLOB,
                                   PRIMARY KEY (symbol, sequence)) WITHOUT ROWID;
"""
_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order)
_trade = msgspec.json.Decoder(Trade)


class Rows(NamedTuple):
    accounts: list[tuple[str]]
    transfers: list[tuple[str, str]]
    balances: list[tuple[str, str, str, str]]  # amounts as text: they may pass 2^63
    orders: list[tuple[int, str, str, bytes]]
    trades: list[tuple[str, int, bytes]]


_STATEMENTS = (
    "INSERT INTO accounts VALUES (?)",
    "INSERT INTO transfers VALUES (?, ?)",
    "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)",
    "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)",
    "INSERT INTO trades VALUES (?, ?, ?)",
)


def rows_of(changes: Changes) -> Rows:
    return Rows(
        [(account,) for account in changes.accounts],
        changes.transfers,
        [(account, asset, str(found.free), str(found.reserved))
         for (account, asset), found in changes.balances.items()],
        [(order.number, order.account, order.status, _encode(order)) for order in changes.orders.values()],
        [(symbol, trade.sequence, _encode(trade)) for symbol, trade in changes.trades],
    )  # fmt: skip


class Store:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._waiting: SimpleQueue[Rows | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="flush")

    def start(self) -> None:
        self._thread.start()

    def put(self, rows: Rows) -> None:
        """To be written soon. Doesn't wait."""
        if any(rows):
            self._waiting.put(rows)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()

    def _write_all(self) -> None:
        while (rows := self._waiting.get()) is not None:
            self._connection.execute("BEGIN")
            for statement, values in zip(_STATEMENTS, rows, strict=True):
                self._connection.executemany(statement, cast("list[tuple[Any, ...]]", values))
            self._connection.execute("COMMIT")

    # --- the next start

    def load(self, exchange: Exchange) -> None:
        """Before `start`."""
        ask = self._connection.execute
        for (account,) in ask("SELECT account FROM accounts").fetchall():
            self._load_account(exchange, account)
        self._load_account(exchange, FEES)
        for (document,) in ask("SELECT document FROM orders ORDER BY number"):
            exchange.restore_order(_order.decode(document))
        for symbol in exchange.markets:
            last = "SELECT document FROM trades WHERE symbol = ? ORDER BY sequence DESC LIMIT ?"
            for (document,) in reversed(ask(last, (symbol, TRADES_KEPT)).fetchall()):
                exchange.restore_trade(symbol, _trade.decode(document))
        exchange.take_changes()

    def _load_account(self, exchange: Exchange, account: str) -> None:
        ask = self._connection.execute
        balances = ask("SELECT asset, free, reserved FROM balances WHERE account = ?", (account,))
        transfers = ask("SELECT transfer FROM transfers WHERE account = ?", (account,))
        exchange.restore_account(
            account,
            ((asset, int(free), int(reserved)) for asset, free, reserved in balances),
            (transfer for (transfer,) in transfers),
        )

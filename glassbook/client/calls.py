"""Every request that the gateway takes, as a value: what to send and what the answer is. Sends nothing itself.

`rest.Client` and `rest.AsyncClient` send these, so that each endpoint is written once for both. The functions are
anybody's calls; an `Account` makes those of its owner, an `Operator` those of the exchange's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec

from glassbook.client import answers, history
from glassbook.client.keys import Key
from glassbook.client.signer import Amount, SignedBatch, Signer, fresh_id, now_ms, sign_command
from schemas.commands import (
    AmendOrder,
    CancelOrder,
    Command,
    Deposit,
    NewOrder,
    RegisterAccount,
    SettleWithdrawal,
    Side,
)
from schemas.records import Delegation, SignedCommand
from schemas.signing import account_of

AnswerT = TypeVar("AnswerT", covariant=True)
API = "/api/v1"

Moment = int | datetime
"""A time: milliseconds since 1970, or a datetime with its zone."""


@dataclass(frozen=True)
class Call(Generic[AnswerT]):
    """A request. `target` is path and query as sent; a `reader` signs it at the moment of sending."""

    method: str
    target: str
    answer: Any  # the type of the document that comes with 200
    body: bytes | None = None
    reader: Signer | None = None
    account: str | None = None  # whose journal the answer speaks of

    def all_headers(self) -> dict[str, str]:
        signed = self.reader.read_headers(self.target) if self.reader else {}
        return signed | ({"Content-Type": "application/json"} if self.body is not None else {})

    def read(self, status: int, body: bytes) -> AnswerT:
        """The document of an answer that is no refusal."""
        kind: Any = answers.Receipt if status == 202 else self.answer
        return cast(AnswerT, msgspec.json.decode(body, type=kind))


def target(path: str, **query: Any) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{API}{path}?{urlencode(given)}" if given else API + path


def get(path: str, answer: type[AnswerT], reader: Signer | None = None, **query: Any) -> Call[AnswerT]:
    return Call("GET", target(path, **query), answer, reader=reader, account=reader.account if reader else None)


# --- anybody's


def server_time() -> Call[answers.ServerTime]:
    return get("/time", answers.ServerTime)


def markets() -> Call[answers.Markets]:
    return get("/markets", answers.Markets)


def book(symbol: str, levels: int | None = None) -> Call[answers.Book]:
    return get(f"/markets/{quote(symbol, safe='')}/book", answers.Book, levels=levels)


def depth(symbol: str, limit: int | None = None) -> Call[answers.Depth]:
    """The book from the state of the streams; `book` is from the gateway's."""
    return get(f"/markets/{quote(symbol, safe='')}/depth", answers.Depth, limit=limit)


def ticker(symbol: str) -> Call[answers.Ticker]:
    return get(f"/markets/{quote(symbol, safe='')}/ticker", answers.Ticker)


def tickers() -> Call[answers.Tickers]:
    return get("/tickers", answers.Tickers)


def price(symbol: str) -> Call[answers.Price]:
    return get(f"/markets/{quote(symbol, safe='')}/price", answers.Price)


def candles(
    symbol: str,
    interval: str,
    start: Moment | None = None,
    end: Moment | None = None,
    limit: int | None = None,
    fill: bool = False,
) -> Call[history.Candles]:
    """Candles that open from `start` on and before `end`; the newest without `start`. `pages.candles` goes on."""
    query = _range(start, end) | {"limit": limit, "fill": "true" if fill else None}
    return get(f"/markets/{quote(symbol, safe='')}/candles", history.Candles, interval=interval, **query)


def trades(
    symbol: str,
    after: int | None = None,
    before: int | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    limit: int | None = None,
) -> Call[history.Trades]:
    """A market's trades behind a sequence, before one, or within times; the newest without any of it."""
    query = _range(start, end) | {"after": after, "before": before, "limit": limit}
    return get(f"/markets/{quote(symbol, safe='')}/trades", history.Trades, **query)


def alerts(
    after: str | None = None,
    before: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    symbol: str | None = None,
    severity: str | None = None,
    limit: int | None = None,
) -> Call[history.Alerts]:
    """What the canary found wrong, behind a cursor, before one, or within times; the newest without any of it."""
    query = _range(start, end) | {"after": after, "before": before, "limit": limit}
    return get("/alerts", history.Alerts, symbol=symbol, severity=severity, **query)


def proof(symbol: str, sequence: int) -> Call[history.Proof]:
    """The signed commands that a trade was made of."""
    return get(f"/markets/{quote(symbol, safe='')}/trades/{sequence}/proof", history.Proof)


def demonstration() -> Call[answers.DemonstrationOffer]:
    """Whether there is play money here: on a local system there is."""
    return get("/demonstration", answers.DemonstrationOffer)


def _range(start: Moment | None, end: Moment | None) -> dict[str, Any]:
    return {"from": _moment(start), "to": _moment(end)}


def _moment(moment: Moment | None) -> int | None:
    """Milliseconds since 1970."""
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return round(moment.timestamp() * 1000)


def quote_order(
    symbol: str, side: Side | str, quantity: Amount | None = None, max_quote: Amount | None = None
) -> Call[answers.Quote]:
    """What a market order of this size would pay or get now."""
    size = {"quantity": quantity, "max_quote": max_quote}
    given = {name: str(amount) for name, amount in size.items() if amount is not None}
    body = msgspec.json.encode({"symbol": symbol, "side": Side(side)} | given)
    return Call("POST", target("/orders/quote"), answers.Quote, body)


# --- an owner's

Placed = answers.Order | answers.Receipt
Did = answers.Done | answers.Receipt


class Account:
    """What the owner of an account can ask for. `wait="log"` answers with a receipt as soon as the log has it."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    @property
    def id(self) -> str:
        return self.signer.account

    def register(self) -> Call[Did]:
        """By the root key itself, where the exchange lets everybody in."""
        return register(self.signer.key.public, self.signer.exchange, self.signer.key)

    # orders

    def play_money(self, symbol: str) -> Call[answers.DemonstrationFunds]:
        """On a local system: opens the account if it isn't there, and gives it play money of the market's assets."""
        body = msgspec.json.encode({"root_key": self.signer.key.public, "symbol": symbol})
        return Call("POST", target("/demonstration"), answers.DemonstrationFunds, body)

    def place(self, order: NewOrder, wait: str | None = None, timeout_ms: int | None = None) -> Call[Placed]:
        return self._send("POST", "/orders", self.signer.sign(order), answers.Order, wait, timeout_ms)

    def test(self, order: NewOrder) -> Call[answers.Tested]:
        """All checks, no order."""
        return self._send("POST", "/orders/test", self.signer.sign(order), answers.Tested)

    def batch(self, commands: Sequence[Command], wait: str | None = None) -> Call[answers.Batch]:
        """Orders, cancels and amends under one signature."""
        return self._send("POST", "/orders/batch", self.signer.sign_batch(commands), answers.Batch, wait)

    def cancel(self, command: CancelOrder, wait: str | None = None, timeout_ms: int | None = None) -> Call[Placed]:
        path = f"/orders/{quote(_order_of(command), safe='')}/cancel"
        return self._send("POST", path, self.signer.sign(command), answers.Order, wait, timeout_ms)

    def amend(self, command: AmendOrder, wait: str | None = None) -> Call[Placed]:
        path = f"/orders/{quote(_order_of(command), safe='')}"
        return self._send("PUT", path, self.signer.sign(command), answers.Order, wait)

    def cancel_all(self, symbol: str | None = None, wait: str | None = None) -> Call[answers.CancelledAll]:
        signed = self.signer.sign(self.signer.cancel_all(symbol))
        return self._send("DELETE", "/orders", signed, answers.CancelledAll, wait)

    def cancel_all_after(self, timeout_ms: int, wait: str | None = None) -> Call[Did]:
        """Cancels all open orders once so much log time has gone by, unless asked again before; 0 ends it."""
        signed = self.signer.sign(self.signer.cancel_all_after(timeout_ms))
        return self._send("POST", "/orders/cancel-all-after", signed, answers.Done, wait)

    # keys and money

    def register_key(self, delegation: Delegation) -> Call[Did]:
        signed = SignedCommand(delegation.command, delegation.key, delegation.signature)
        return self._send("POST", "/keys", signed, answers.Done)

    def revoke_key(self, trade_key: str) -> Call[Did]:
        return self._send("DELETE", "/keys", self.signer.sign(self.signer.revoke_key(trade_key)), answers.Done)

    def withdraw(self, asset: str, amount: Amount, destination: str) -> Call[Did]:
        signed = self.signer.sign(self.signer.withdraw(asset, amount, destination))
        return self._send("POST", "/withdrawals", signed, answers.Done)

    # private reads

    def order(self, order_id: str) -> Call[answers.Order]:
        return get(f"/orders/{quote(order_id, safe='')}", answers.Order, self.signer)

    def order_by_client_id(self, client_order_id: str) -> Call[answers.Order]:
        return get(f"/orders/by-client-id/{quote(client_order_id, safe='')}", answers.Order, self.signer)

    def open_orders(
        self, symbol: str | None = None, after: str | None = None, limit: int | None = None
    ) -> Call[answers.OpenOrders]:
        return get("/orders", answers.OpenOrders, self.signer, status="open", symbol=symbol, after=after, limit=limit)

    def executions(self, after: int | None = None, limit: int | None = None) -> Call[answers.Executions]:
        return get("/executions", answers.Executions, self.signer, after=after, limit=limit)

    def balances(self) -> Call[answers.Balances]:
        return get("/balances", answers.Balances, self.signer)

    def trades(
        self,
        symbol: str | None = None,
        after: str | None = None,
        before: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        limit: int | None = None,
    ) -> Call[history.AccountTrades]:
        """The account's own trades behind a cursor, before one, or within times; the newest without any of it."""
        query = _range(start, end) | {"symbol": symbol, "after": after, "before": before, "limit": limit}
        return get("/account/trades", history.AccountTrades, self.signer, **query)

    def statement(
        self,
        asset: str | None = None,
        after: str | None = None,
        before: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        limit: int | None = None,
    ) -> Call[history.Statement]:
        """Every posting onto the account's books; as with its trades."""
        query = _range(start, end) | {"asset": asset, "after": after, "before": before, "limit": limit}
        return get("/account/statement", history.Statement, self.signer, **query)

    def _send(
        self,
        method: str,
        path: str,
        signed: SignedCommand | SignedBatch,
        answer: Any,
        wait: str | None = None,
        timeout_ms: int | None = None,
    ) -> Call[Any]:
        return _send(self.id, method, path, signed, answer, wait, timeout_ms)


# --- the operator's


class Operator:
    """What only the operator's key may sign."""

    def __init__(self, key: Key, exchange: str) -> None:
        self.key, self.exchange = key, exchange

    def register(self, root_key: str) -> Call[Did]:
        return register(root_key, self.exchange, self.key)

    def deposit(self, account: str, asset: str, amount: Amount, transfer_id: str | None = None) -> Call[Did]:
        """`transfer_id` says which transfer this is: the same one is booked once."""
        command = Deposit(
            exchange=self.exchange,
            account=account,
            asset=asset,
            amount=str(amount),
            transfer_id=transfer_id or fresh_id(),
            time_ms=now_ms(),
        )
        return _send(account, "POST", "/deposits", sign_command(command, self.key), answers.Done)

    def settle_withdrawal(self, account: str, withdrawal_id: str, paid: bool) -> Call[Did]:
        command = SettleWithdrawal(
            exchange=self.exchange, account=account, withdrawal_id=withdrawal_id, paid=paid, time_ms=now_ms()
        )
        path = f"/withdrawals/{quote(withdrawal_id, safe='')}/settlement"
        return _send(account, "POST", path, sign_command(command, self.key), answers.Done)


def register(root_key: str, exchange: str, key: Key) -> Call[Did]:
    command = RegisterAccount(exchange=exchange, root_key=root_key, time_ms=now_ms())
    return _send(account_of(root_key), "POST", "/accounts", sign_command(command, key), answers.Done)


def _send(
    account: str,
    method: str,
    path: str,
    signed: SignedCommand | SignedBatch,
    answer: Any,
    wait: str | None = None,
    timeout_ms: int | None = None,
) -> Call[Any]:
    return Call(
        method, target(path, wait=wait, timeout_ms=timeout_ms), answer, msgspec.json.encode(signed), account=account
    )


def _order_of(command: CancelOrder | AmendOrder) -> str:
    return command.order_id or command.client_order_id or ""

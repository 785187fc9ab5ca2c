"""Sends a recorded flow through the gateway as signed orders, one after another, and tells what came of it.

The file is one sequence, and its accounts lie on different partitions of the log: only waiting for each answer keeps
the order. Buyers and sellers are different accounts, so that nobody ever meets an order of their own.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from glassbook.client import answers
from glassbook.client.calls import Account, Call, Operator, Placed
from glassbook.client.keys import Key
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import Signer
from glassbook.errors import GlassbookError
from glassbook.order_file import Cancel, Fill, Input, New
from schemas.commands import MAX_WINDOW_MS, Side, TimeInForce
from schemas.decimals import MAX_INTEGER, format_decimal, parse_decimal
from schemas.market import MAX_FEE_PPM, PPM, Market

PRICE_DECIMALS = 4
RESTING_PER_ACCOUNT = 500  # below the limit of any exchange worth the name
LEAST_ACCOUNTS = 4  # a side
PATIENCE_S = 60
AnswerT = TypeVar("AnswerT")
GONE = frozenset({"ORDER_CLOSED", "UNKNOWN_ORDER"})


# --- who places what, and with how much money


@dataclass
class Trader:
    """One account of the replay: what it must be able to pay."""

    side: Side
    price_times_quantity_e4: int = 0
    quantity: int = 0

    def deposit(self, market: Market) -> tuple[str, str]:
        """(asset, amount) that covers all its orders with the highest fee that a market may have."""
        if self.side is Side.SELL:
            return market.base, self._bounded(self.quantity, market.base_decimals)
        e4 = self.price_times_quantity_e4
        whole = -(-(e4 + e4 * MAX_FEE_PPM // PPM) // 10**PRICE_DECIMALS) + 1
        return market.quote, self._bounded(whole, market.quote_decimals)

    def _bounded(self, amount: int, decimals: int) -> str:
        if amount * 10**decimals > MAX_INTEGER:
            raise GlassbookError("the orders are worth more than an account can hold: give more --accounts")
        return str(amount)


def assign(inputs: Sequence[Input], accounts: int | None = None) -> tuple[list[Trader], list[int]]:
    """The traders, and for each input which of them sends it. `accounts` is how many, buyers and sellers together."""
    per_side = (
        max(1, accounts // 2) if accounts else max(LEAST_ACCOUNTS, -(-_most_resting(inputs) // RESTING_PER_ACCOUNT))
    )
    traders = [Trader(side) for side in (Side.BUY, Side.SELL) for _ in range(per_side)]
    senders: list[int] = []
    owner: dict[str, int] = {}
    count: Counter[Side] = Counter()
    for row in inputs:
        if isinstance(row, New):
            index = count[row.side] % per_side + (0 if row.side is Side.BUY else per_side)
            count[row.side] += 1
            owner[row.order_id] = index
            traders[index].price_times_quantity_e4 += row.price_e4 * row.quantity
            traders[index].quantity += row.quantity
        senders.append(owner[row.order_id])
    return traders, senders


def _most_resting(inputs: Sequence[Input]) -> int:
    """How many orders of one side rest at once at most, if nothing were filled."""
    sides: dict[str, Side] = {}
    resting: Counter[Side] = Counter()
    most = 0
    for row in inputs:
        if isinstance(row, Cancel):
            if (side := sides.pop(row.order_id, None)) is not None:
                resting[side] -= 1
        elif row.time_in_force is not TimeInForce.IOC:
            sides[row.order_id] = row.side
            resting[row.side] += 1
            most = max(most, resting[row.side])
    return most


# --- the run


@dataclass
class Report:
    """What came of it. Latencies in seconds, of every answer in order."""

    orders: int = 0
    cancels: int = 0
    cancels_too_late: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class Replay:
    """One run of a file over accounts of its own."""

    def __init__(
        self,
        client: Client,
        exchange: str,
        market: Market,
        inputs: Sequence[Input],
        keys: Sequence[Key],
        senders: Sequence[int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.report = Report()
        self._client, self._symbol = client, market.symbol
        self._rows = list(zip(inputs, senders, strict=True))
        self._accounts = [Account(Signer(key, exchange, window_ms=MAX_WINDOW_MS)) for key in keys]
        self._ids: dict[str, str] = {}  # the file's id -> the exchange's, of the order that has it now
        self._file_ids: dict[str, str] = {}  # and back
        self._sleep = sleep

    def fund(self, operator: Operator, traders: Sequence[Trader], market: Market) -> None:
        for account, trader in zip(self._accounts, traders, strict=True):
            self._send(operator.register(account.signer.key.public))
            if trader.quantity:
                asset, amount = trader.deposit(market)
                self._send(operator.deposit(account.id, asset, amount))

    def run(self) -> Iterator[None]:
        """Sends row by row, and yields after each."""
        for row, sender in self._rows:
            account = self._accounts[sender]
            if isinstance(row, New):
                self._place(row, account)
            else:
                self._cancel(row, account)
            yield

    def _place(self, row: New, account: Account) -> None:
        price = format_decimal(row.price_e4, PRICE_DECIMALS)
        order = account.signer.limit_order(self._symbol, row.side, row.quantity, price, time_in_force=row.time_in_force)
        self.report.orders += 1
        self._ids.pop(row.order_id, None)
        try:
            placed = self._answered(account.place(order))
        except Refusal as refusal:
            self.report.refusals[refusal.code] += 1
            return
        self._ids[row.order_id] = placed.order_id
        self._file_ids[placed.order_id] = row.order_id

    def _cancel(self, row: Cancel, account: Account) -> None:
        self.report.cancels += 1
        order_id = self._ids.get(row.order_id)
        if order_id is None:  # it was refused
            self.report.cancels_too_late += 1
            return
        try:
            self._answered(account.cancel(account.signer.cancel_order(order_id=order_id)))
        except Refusal as refusal:
            if refusal.code in GONE:
                self.report.cancels_too_late += 1
            else:
                self.report.refusals[refusal.code] += 1

    def _answered(self, call: Call[Placed]) -> answers.Order:
        """The order as the matcher left it: the next row may be sent."""
        began = time.perf_counter()
        answer = self._send(call)
        if isinstance(answer, answers.Receipt):
            answer = self._outcome(call, answer)
        self.report.latencies_s.append(time.perf_counter() - began)
        return answer

    def _outcome(self, call: Call[Placed], receipt: answers.Receipt) -> answers.Order:
        """What a receipt promised: the same bytes, sent again, give the first one's result."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = self._send(call)
            if isinstance(answer, answers.Order):
                return answer
        raise GlassbookError(f"no outcome of {receipt.order_id or receipt.command_id} within {PATIENCE_S} s")

    def _send(self, call: Call[AnswerT]) -> AnswerT:
        """Sends, and again where the gateway asks for patience: the bytes are the same, so nothing is done twice."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._client.send(call)
            except Refusal as refusal:
                if refusal.retry_after_s is None or time.monotonic() > deadline:
                    raise
                self._sleep(refusal.retry_after_s)

    # --- what came of it

    def collect_fills(self) -> list[Fill]:
        """All fills in the order of the trades, from both sides' own reports."""
        taken: dict[int, tuple[str, int, int]] = {}
        made: dict[int, str] = {}
        for account in self._accounts:
            for event in self._filled(account):
                file_id = self._file_ids.get(event["order_id"], event["order_id"])
                if event["role"] == "MAKER":
                    made[event["trade_sequence"]] = file_id
                else:
                    price = parse_decimal(event["price"], PRICE_DECIMALS)
                    taken[event["trade_sequence"]] = (file_id, price, int(event["quantity"]))
        # A taker or maker of the market outside of this replay is no account of ours.
        self.report.fills = [
            Fill(taker, made.get(sequence, "?"), price, quantity)
            for sequence, (taker, price, quantity) in sorted(taken.items())
        ]
        return self.report.fills

    def _filled(self, account: Account) -> Iterator[dict[str, Any]]:
        after: int | None = None
        while True:
            page = self._send(account.executions(after))
            for execution in page.executions:
                yield from (event for event in execution.events if event["event"] == "order_filled")
            after = page.next_after
            if not page.more:
                return

"""Candles counted anew from the records of `trades`, and compared with what lies on `candles`.

Shares nothing with `candle_agg` but the topics: plain JSON, `decimal`, and a sum for each interval of its own.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal
from typing import Any

from msgspec import Struct

LENGTHS_MS = {
    "1s": 1_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000,
}  # fmt: skip
EXACT = Context(prec=200)
PLAIN = re.compile(r"[0-9]+(\.[0-9]*[1-9])?")
NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")

Key = tuple[str, str, int]
"""Symbol, interval, start of the bucket."""


class Verdict(Struct):
    """What was found on `candles`. Without `differences` it is exact."""

    trades: int = 0
    closed: int = 0
    forming: int = 0
    repeats: int = 0  # identical copies of closed candles
    differences: list[str] = []

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            self.trades + other.trades, self.closed + other.closed, self.forming + other.forming,
            self.repeats + other.repeats, self.differences + other.differences,
        )  # fmt: skip


def compare(trades: Iterable[bytes], candles: Sequence[bytes]) -> Verdict:
    """One partition's records of both topics, from the first on."""
    verdict = Verdict()
    closed, forming = _read_candles(candles, verdict)
    counted: dict[Key, dict[str, Any]] = {}
    time_ms = 0
    for trade in _first_copies(trades):
        time_ms = max(time_ms, trade["time_ms"])
        if trade["record"] != "trade":
            continue
        verdict.trades += 1
        for interval, length_ms in LENGTHS_MS.items():
            key = (trade["symbol"], interval, trade["time_ms"] // length_ms * length_ms)
            counted[key] = _with_trade(counted.get(key), trade)
            for candle in forming.pop((key, trade["sequence"]), ()):
                _check(verdict, f"forming {key} at {trade['sequence']}", candle, counted[key])
    ended = {key: each for key, each in counted.items() if key[2] + LENGTHS_MS[key[1]] <= time_ms}
    for key in ended.keys() | closed.keys():
        _check(verdict, f"closed {key}", closed.get(key), ended.get(key))
    verdict.differences += [f"forming {key} at {sequence} belongs to no trade" for key, sequence in forming]
    return verdict


def _first_copies(values: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    last = 0
    for value in values:
        record = json.loads(value)
        if record["edge_sequence"] == last + 1:
            last += 1
            yield record


def _with_trade(so_far: dict[str, Any] | None, trade: dict[str, Any]) -> dict[str, Any]:
    price, quantity, quote = (Decimal(trade[field]) for field in ("price", "quantity", "quote_quantity"))
    taker_buys = trade["aggressor_side"] == "BUY"
    new = {
        "open": price, "high": price, "low": price, "close": price, "volume": quantity, "quote_volume": quote,
        "trades": 1, "first_sequence": trade["sequence"], "last_sequence": trade["sequence"],
        "taker_buy_volume": quantity if taker_buys else Decimal(0),
        "taker_buy_quote_volume": quote if taker_buys else Decimal(0),
    }  # fmt: skip
    if so_far is None:
        return new
    for field in ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"):
        new[field] = EXACT.add(so_far[field], new[field])
    return new | {
        "open": so_far["open"], "high": max(so_far["high"], price), "low": min(so_far["low"], price),
        "trades": so_far["trades"] + 1, "first_sequence": so_far["first_sequence"],
    }  # fmt: skip


def _read_candles(
    values: Sequence[bytes], verdict: Verdict
) -> tuple[dict[Key, dict[str, Any]], dict[tuple[Key, int], list[dict[str, Any]]]]:
    """Closed candles by their key, and forming ones by key and last trade. Checks the edge on the way."""
    closed: dict[Key, dict[str, Any]] = {}
    forming: dict[tuple[Key, int], list[dict[str, Any]]] = defaultdict(list)
    copies: dict[int, bytes] = {}
    for place, value in enumerate(values):
        candle = json.loads(value)
        key = (candle["symbol"], candle["interval"], candle["open_time_ms"])
        sequence = candle["edge_sequence"]
        if candle["record"] == "forming_candle":
            verdict.forming += 1
            forming[key, candle["last_sequence"]].append(candle)
            if candle["closed"] or sequence > len(copies):
                verdict.differences.append(f"forming {key} says that {sequence} of {len(copies)} were closed")
        elif sequence == len(copies) + 1:
            verdict.closed += 1
            copies[sequence] = value
            if key in closed or not candle["closed"]:
                verdict.differences.append(f"at {place}: a second closed candle {key}, or one that isn't")
            closed[key] = candle
        elif copies.get(sequence) == value:
            verdict.repeats += 1
        else:
            verdict.differences.append(f"at {place}: edge sequence {sequence} behind {len(copies)}, or other bytes")
    return closed, forming


def _check(verdict: Verdict, what: str, found: dict[str, Any] | None, expected: dict[str, Any] | None) -> None:
    if found is None or expected is None:
        verdict.differences.append(f"{what}: {'missing' if found is None else 'of no ended bucket with trades'}")
        return
    for field, value in expected.items():
        given = found[field]
        if field in NUMBERS:
            if not PLAIN.fullmatch(given):
                verdict.differences.append(f"{what}: {field} is {given!r}, no plain decimal")
                continue
            given = Decimal(given)
        if given != value:
            verdict.differences.append(f"{what}: {field} is {given}, not {value}")

"""A recorded flow of orders as a CSV file, and the fills that must come of it. Pure, but for reading the files.

Columns: time, action (NEW, CANCEL), order_id, side (BUY, SELL), type (LIMIT rests, IOC never does), price_e4 (price
times 10,000) and qty. An id may be used again once it was cancelled. Fills: taker_id, maker_id, price_e4, qty.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

from glassbook.errors import GlassbookError
from schemas.commands import Side, TimeInForce
from schemas.decimals import MAX_INTEGER

ORDER_COLUMNS = ("time", "action", "order_id", "side", "type", "price_e4", "qty")
FILL_COLUMNS = ("taker_id", "maker_id", "price_e4", "qty")
TIMES_IN_FORCE = {"LIMIT": TimeInForce.GTC, "IOC": TimeInForce.IOC}
PROBLEMS_SHOWN = 20
RowT = TypeVar("RowT")


class New(NamedTuple):
    """An order. Price in 1/10,000 of the quote asset, quantity in whole units of the base asset."""

    line: int
    order_id: str
    side: Side
    time_in_force: TimeInForce
    price_e4: int
    quantity: int


class Cancel(NamedTuple):
    line: int
    order_id: str


Input = New | Cancel


class Fill(NamedTuple):
    """One match, under the file's own ids."""

    taker_id: str
    maker_id: str
    price_e4: int
    qty: int


class BadRow(ValueError):
    """What is wrong with a row."""


def read_orders(path: Path) -> list[Input]:
    """The whole file, or an error with everything that is wrong with it."""
    placed: set[str] = set()

    def read(line: int, row: dict[str, str]) -> Input:
        order_id = row["order_id"]
        if not order_id:
            raise BadRow("order_id is empty")
        if row["action"] == "CANCEL":
            if order_id not in placed:
                raise BadRow(f"cancels {order_id}, which no row above has placed, or one has cancelled")
            placed.remove(order_id)
            return Cancel(line, order_id)
        if row["action"] != "NEW":
            raise BadRow(f"action is {row['action']!r}, not NEW or CANCEL")
        if order_id in placed:
            raise BadRow(f"order {order_id} was placed before and not cancelled")
        placed.add(order_id)
        return New(line, order_id, _side(row), _time_in_force(row), _positive(row, "price_e4"), _positive(row, "qty"))

    return _read(path, ORDER_COLUMNS, read)


def read_fills(path: Path) -> list[Fill]:
    def read(line: int, row: dict[str, str]) -> Fill:
        return Fill(row["taker_id"], row["maker_id"], _positive(row, "price_e4"), _positive(row, "qty"))

    return _read(path, FILL_COLUMNS, read, may_be_empty=True)


def write_fills(path: Path, fills: Iterable[Fill]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FILL_COLUMNS)
        writer.writerows(fills)


def first_difference(expected: list[Fill], found: list[Fill]) -> str:
    """What differs first, in words; empty if nothing does."""
    for number, (wanted, got) in enumerate(zip(expected, found, strict=False), 1):
        if wanted != got:
            return f"fill {number} should be {_in_words(wanted)}, but is {_in_words(got)}"
    if len(expected) > len(found):
        return f"fill {len(found) + 1} is missing: {_in_words(expected[len(found)])}"
    if len(expected) < len(found):
        return f"fill {len(expected) + 1} is one too many: {_in_words(found[len(expected)])}"
    return ""


def _in_words(fill: Fill) -> str:
    return f"{fill.taker_id} takes {fill.qty} from {fill.maker_id} at {fill.price_e4}"


# --- rows


def _read(
    path: Path, columns: tuple[str, ...], read: Callable[[int, dict[str, str]], RowT], may_be_empty: bool = False
) -> list[RowT]:
    rows: list[RowT] = []
    problems: list[str] = []
    for line, row in _lines(path, columns):
        try:
            rows.append(read(line, row) if row else _ragged(columns))
        except BadRow as problem:
            problems.append(f"{path}:{line}: {problem}")
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        raise GlassbookError("\n".join(problems[:PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])))
    if not rows and not may_be_empty:
        raise GlassbookError(f"{path} holds no rows")
    return rows


def _ragged(columns: tuple[str, ...]) -> NoReturn:
    raise BadRow(f"a row has {len(columns)} columns: {', '.join(columns)}")


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its line; an empty one stands for a row with too few or too many columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if missing := [column for column in columns if column not in header]:
                raise GlassbookError(f"{path}:1: the columns {', '.join(missing)} are missing")
            for row in reader:
                if row:
                    whole = len(row) == len(header)
                    yield reader.line_num, dict(zip(header, row, strict=True)) if whole else {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GlassbookError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def _side(row: dict[str, str]) -> Side:
    try:
        return Side(row["side"])
    except ValueError:
        raise BadRow(f"side is {row['side']!r}, not BUY or SELL") from None


def _time_in_force(row: dict[str, str]) -> TimeInForce:
    try:
        return TIMES_IN_FORCE[row["type"]]
    except KeyError:
        raise BadRow(f"type is {row['type']!r}, not LIMIT or IOC") from None


def _positive(row: dict[str, str], column: str) -> int:
    text = row[column]
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_INTEGER):
        raise BadRow(f"{column} is {text!r}, not a whole number above 0")
    return int(text)

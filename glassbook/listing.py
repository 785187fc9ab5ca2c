"""The listing file: markets and assets as an operator writes them, read whole and compared with what is on the log.

A TOML file with `[exchange]` (read once, for genesis), `[assets]` (each asset's decimals) and `markets`, either as
`[[markets]]` tables or as one inline table a line. Pure: gives problems, or the markets that must be written; all
problems at once, each with its line. Never reads the log, signs nothing.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import Struct

from glassbook.errors import GlassbookError
from glassbook.listing_lines import Lines
from schemas.commands import Genesis
from schemas.ledger_state import ListedMarket
from schemas.market import FIXED_FIELDS, Market, terms_problems

# In the file an asset's decimals stand once, under [assets].
FROM_ASSETS = {"base_decimals": "base", "quote_decimals": "quote"}
_TYPES = get_type_hints(Market, include_extras=True)
_MARKET_TYPES = {name: hint for name, hint in _TYPES.items() if name not in FROM_ASSETS}


class Problem(NamedTuple):
    line: int
    reason: str


class BadListing(GlassbookError):
    """Everything that is wrong with a listing file, a line each."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(f"{path}:{line}: {reason}" for line, reason in self.problems))


class ExchangeTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """What genesis fixes for the life of an exchange."""

    domain: str
    open_registration: bool
    max_open_orders: int


class Listing(NamedTuple):
    """A file without contradictions in itself. `lines` says where each thing stands."""

    path: Path
    exchange: ExchangeTerms
    markets: list[Market]
    lines: Lines


class Change(NamedTuple):
    """A market that must be written, with its next revision."""

    revision: int
    market: Market


# --- reading


def read_listing(path: Path) -> Listing:
    """The listing in this file; `BadListing` with every problem in it, `GlassbookError` where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GlassbookError(f"the listing {path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_listing(text, path)


def parse_listing(text: str, path: Path = Path("listing.toml")) -> Listing:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.splitlines()
        line = _toml_line(str(error), len(lines))
        raise BadListing(path, [Problem(line, f"not TOML: {error}")]) from None
    reader = _Reader(content, Lines(text))
    exchange, markets = reader.exchange(), reader.markets(reader.assets())
    if reader.problems or exchange is None:
        raise BadListing(path, reader.problems)
    return Listing(path, exchange, markets, reader.lines)


def _toml_line(message: str, last_line: int) -> int:
    found = message.rpartition("(at line ")[2].partition(",")[0]
    return int(found) if found.isdigit() else last_line


class _Reader:
    """Turns parsed TOML into structs field by field, and collects what is wrong."""

    def __init__(self, content: dict[str, Any], lines: Lines) -> None:
        self.content, self.lines = content, lines
        self.problems = [
            Problem(lines.table(name), f"unknown table {name!r}: a listing has exchange, assets and markets")
            for name in content.keys() - {"exchange", "assets", "markets"}
        ]

    def _table(self, name: str, kind: type) -> Any:
        found = self.content.get(name)
        if isinstance(found, kind) and found:
            return found
        self.problems.append(Problem(self.lines.table(name), f"{name!r} is missing or empty"))
        return kind()

    def _value(self, value: Any, wanted: Any, line: int, name: str) -> Any:
        """`value` if it is of this type, else None and a problem."""
        try:
            return msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            cure = f'; write numbers with decimals as strings: {name} = "{value}"' if isinstance(value, float) else ""
            self.problems.append(Problem(line, f"{name}: {error}{cure}"))
            return None

    def _fields(self, found: Mapping[str, Any], wanted: Mapping[str, Any], table: str, index: int) -> dict[str, Any]:
        """All fields that are there and of the right type."""
        for name in found.keys() - wanted.keys():
            hint = ": decimals stand once, under [assets]" if name in FROM_ASSETS else ""
            self.problems.append(Problem(self.lines.key(table, name, index), f"unknown field {name!r}{hint}"))
        for name in [name for name in wanted if name not in found]:
            self.problems.append(Problem(self.lines.table(table, index), f"{name!r} is missing"))
        values = {
            name: self._value(found[name], hint, self.lines.key(table, name, index), name)
            for name, hint in wanted.items()
            if name in found
        }
        return {name: value for name, value in values.items() if value is not None}

    def exchange(self) -> ExchangeTerms | None:
        genesis = get_type_hints(Genesis, include_extras=True)
        wanted = {
            "domain": genesis["exchange"],
            "open_registration": genesis["open_registration"],
            "max_open_orders": genesis["max_open_orders"],
        }
        values = self._fields(self._table("exchange", dict), wanted, "exchange", 0)
        return ExchangeTerms(**values) if len(values) == len(wanted) else None

    def assets(self) -> dict[str, int]:
        assets = {}
        for name, decimals in self._table("assets", dict).items():
            line = self.lines.key("assets", name)
            if self._value(name, _TYPES["base"], line, f"asset {name!r}") is not None:
                assets[name] = self._value(decimals, _TYPES["base_decimals"], line, name)
        return assets

    def markets(self, assets: dict[str, int]) -> list[Market]:
        """Every market that can be made. A market with a problem is left out, so what follows from it isn't told."""
        markets, first_lines = [], dict[str, int]()
        for index, found in enumerate(self._table("markets", list)):
            line = self.lines.table("markets", index)
            if not isinstance(found, dict):
                self.problems.append(Problem(line, "a market is a table"))
                continue
            values = self._fields(found, _MARKET_TYPES, "markets", index)
            symbol = values.get("symbol")
            if symbol in first_lines:
                where = self.lines.key("markets", "symbol", index)
                self.problems.append(Problem(where, f"{symbol} stands twice, first on line {first_lines[symbol]}"))
            elif symbol is not None:
                first_lines[symbol] = self.lines.key("markets", "symbol", index)
            if market := self._market(values, assets, index):
                markets.append(market)
        return markets

    def _market(self, values: dict[str, Any], assets: dict[str, int], index: int) -> Market | None:
        decimals = {}
        for field, name in FROM_ASSETS.items():
            asset = values.get(name)
            if asset is not None and asset not in assets:
                line = self.lines.key("markets", name, index)
                self.problems.append(Problem(line, f"{name}: asset {asset} has no decimals under [assets]"))
            decimals[field] = assets.get(asset) if asset is not None else None
        if len(values) < len(_MARKET_TYPES) or None in decimals.values():
            return None
        market = msgspec.convert(values | decimals, Market)
        self.problems += [
            Problem(self.lines.key("markets", FROM_ASSETS.get(field, field), index), f"{market.symbol}: {field}: {why}")
            for field, why in terms_problems(market)
        ]
        return market


# --- comparing with the log


def changes(listing: Listing, listed: Mapping[str, ListedMarket], partitions: int) -> list[Change]:
    """The markets that differ from the log, each with its next revision; `BadListing` where one must not change so.

    `partitions` is how many `orders` has now. A listing may add some, but none that no market would use.
    """
    problems: list[Problem] = []
    decimals = _decimals_on_log(listed)
    symbols = listed.keys() | {market.symbol for market in listing.markets}
    room = max(partitions, len(symbols))
    result = []
    for index, market in enumerate(listing.markets):
        before = listed.get(market.symbol)
        problems += _market_problems(market, before, decimals, room, listing.lines, index)
        if before is None or before.market != market:
            result.append(Change(before.revision + 1 if before else 1, market))
    if problems:
        raise BadListing(listing.path, problems)
    return result


def _decimals_on_log(listed: Mapping[str, ListedMarket]) -> dict[str, int]:
    decimals = {}
    for known in listed.values():
        decimals[known.market.base] = known.market.base_decimals
        decimals[known.market.quote] = known.market.quote_decimals
    return decimals


def _market_problems(
    market: Market, before: ListedMarket | None, decimals: dict[str, int], room: int, lines: Lines, index: int
) -> list[Problem]:
    problems = []
    if before is not None:
        for field in FIXED_FIELDS:
            was, now = getattr(before.market, field), getattr(market, field)
            if was != now:
                line = lines.key("markets", FROM_ASSETS.get(field, field), index)
                problems.append(Problem(line, f"{market.symbol}: {field} is {was} on the log and can't become {now}"))
        return problems
    for field, name in FROM_ASSETS.items():
        asset, now = getattr(market, name), getattr(market, field)
        if decimals.get(asset, now) != now:
            line = lines.key("assets", asset)
            problems.append(Problem(line, f"{asset} has {decimals[asset]} decimals on the log and can't get {now}"))
    if market.partition >= room:
        line = lines.key("markets", "partition", index)
        why = f"partition {market.partition} would leave others unused: the highest that makes sense is {room - 1}"
        problems.append(Problem(line, f"{market.symbol}: {why}"))
    return problems


def order_partitions(listing: Listing) -> int:
    """How many partitions `orders`, `trades` and `depth` need at least for this listing."""
    return max(market.partition for market in listing.markets) + 1

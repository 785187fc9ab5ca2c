"""A listing of many made-up markets, for load: `deploy/listing-450.toml` is what this writes."""

from glassbook.errors import GlassbookError

SYMBOLS = 450
# Measured against a partition each (benchmarks/RESULTS.md): starts sooner, costs less, is back sooner after a kill.
PARTITIONS = 32

_HEAD = """\
# Written by `glassbook listing generate{options}`: {count} made-up markets, {layout}.
markets = [
"""
_TAIL = """\
]

[exchange]
domain = "glassbook-local"
open_registration = true
max_open_orders = 1000

[assets]
BRL = 2
"""


def generate(count: int = SYMBOLS, partitions: int | None = None) -> str:
    """The TOML text. The markets are dealt out over the partitions in turn; as many as markets give each its own."""
    partitions = min(PARTITIONS, count) if partitions is None else partitions
    if not 1 <= partitions <= count <= 9999:
        raise GlassbookError("a generated listing has 1 to 9999 markets, on at most as many partitions")
    options = (f" --markets {count}" if count != SYMBOLS else "") + (
        f" --partitions {partitions}" if partitions != min(PARTITIONS, count) else ""
    )
    layout = "a partition each" if partitions == count else f"on {partitions} shared partitions"
    lines = [_line(f"S{number:03}", (number - 1) % partitions) for number in range(1, count + 1)]
    assets = "".join(f"S{number:03} = 0\n" for number in range(1, count + 1))
    return _HEAD.format(options=options, count=count, layout=layout) + "".join(lines) + _TAIL + assets


def _line(base: str, partition: int) -> str:
    fields = {
        "symbol": f"{base}-BRL",
        "base": base,
        "quote": "BRL",
        "tick": "0.01",
        "lot": "1",
        "min_quantity": "1",
        "max_quantity": "1000000",
        "min_notional": "1",
        "price_low": "0.01",
        "price_high": "10000",
        "maker_fee": "0.0001",
        "taker_fee": "0.0003",
        "partition": partition,
        "state": "OPEN",
    }
    inner = ", ".join(
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in fields.items()
    )
    return f"  {{ {inner} }},\n"

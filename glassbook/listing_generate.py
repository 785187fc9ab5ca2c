"""A listing of many made-up markets, for load: `deploy/listing-450.toml` is what this writes."""

from glassbook.errors import GlassbookError

SYMBOLS = 450

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


def generate(count: int = SYMBOLS, shared: int | None = None) -> str:
    """The TOML text. With `shared`, that many partitions are dealt out in turn; else each market has its own."""
    if not 1 <= count <= 9999 or not 1 <= (shared or 1) <= count:
        raise GlassbookError("a generated listing has 1 to 9999 markets, on at most as many partitions")
    options = (f" --markets {count}" if count != SYMBOLS else "") + (f" --shared {shared}" if shared else "")
    layout = f"on {shared} shared partitions" if shared else "a partition each"
    lines = [_line(f"S{number:03}", (number - 1) % (shared or count)) for number in range(1, count + 1)]
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

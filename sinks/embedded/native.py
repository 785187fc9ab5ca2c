"""FORMAT Native as newer clients want it: each block with its info, each column with a flag. Pure.

chDB writes Native as into a file: blocks of columns, one behind the other. A client that says a protocol version from
54454 on (clickhouse-go does) expects eight bytes more before each block, and one more behind each column's type. To put
them there, one has to know where a column ends, and so every type's layout.
"""

import re
from collections.abc import Callable
from struct import unpack_from

from sinks.embedded.errors import ClickHouseError, Code

FIRST_VERSION = 54454
# No overflow rows (field 1), no bucket (field 2), end.
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
NOT_CUSTOM = b"\x00"
_SIZES = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1, "Int16": 2, "UInt16": 2, "Enum16": 2, "BFloat16": 2,
    "Date": 2, "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "Time": 4, "IPv4": 4, "Decimal32": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8, "Int128": 16, "UInt128": 16,
    "UUID": 16, "IPv6": 16, "Decimal128": 16, "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "MultiLineString": "Array(LineString)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
}
_NAMED = re.compile(r"(?:`(?:[^`\\]|\\.)*`|\w+)\s+(.+)", re.DOTALL)
_MORE_KEYS, _INDEX_SIZE = 1 << 9, 0xFF

Skip = Callable[[bytearray, int, int], int]
"""(buffer, where a column's data begin, rows) → where they end. Raises _More when they go on beyond the buffer."""


class _More(Exception):
    """The block goes on in what hasn't come yet."""


class NativeBlocks:
    """Takes the stream in pieces and gives it back with what is missing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 0  # don't look again before there is so much: looking starts at the block's beginning

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        out = bytearray()
        while self._buffer and len(self._buffer) >= self._wanted:
            try:
                block, size = _block(self._buffer)
            except _More:
                self._wanted = 2 * len(self._buffer)
                break
            out += block
            del self._buffer[:size]
            self._wanted = 0
        return bytes(out)

    def finish(self) -> bytes:
        self._wanted = 0
        out = self.feed(b"")
        return out + bytes(self._buffer)  # the rest of a block that was broken off


def _block(buffer: bytearray) -> tuple[bytes, int]:
    columns, at = _number(buffer, 0)
    rows, at = _number(buffer, at)
    out = bytearray(BLOCK_INFO) + buffer[:at]
    for _ in range(columns):
        begin = at
        _, at = _text(buffer, at)
        kind, at = _text(buffer, at)
        out += buffer[begin:at] + NOT_CUSTOM
        if rows:
            begin = at
            prefix, skip = _layout(kind.decode())
            at = skip(buffer, _within(buffer, at + prefix), rows)
            out += buffer[begin:at]
    return bytes(out), at


def _within(buffer: bytearray, at: int) -> int:
    if at > len(buffer):
        raise _More
    return at


def _number(buffer: bytearray, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(buffer):
            raise _More
        byte = buffer[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _text(buffer: bytearray, at: int) -> tuple[bytearray, int]:
    size, at = _number(buffer, at)
    end = _within(buffer, at + size)
    return buffer[at:end], end


def _long(buffer: bytearray, at: int) -> int:
    _within(buffer, at + 8)
    number: int = unpack_from("<Q", buffer, at)[0]
    return number


def _layout(kind: str) -> tuple[int, Skip]:
    """How many bytes come before all of a column's data, and how to get over those."""
    name, _, inside = kind.partition("(")
    arguments = _arguments(inside.removesuffix(")"))
    if name in _ALIASES:
        return _layout(_ALIASES[name])
    if name == "String":
        return 0, _skip_strings
    if name == "Nullable":
        prefix, skip = _layout(arguments[0])
        return prefix, lambda buffer, at, rows: skip(buffer, _within(buffer, at + rows), rows)
    if name == "SimpleAggregateFunction":
        return _layout(arguments[-1])
    if name == "LowCardinality":
        return 8, _low_cardinality(arguments[0])
    if name == "Array":
        return _array(_layout(arguments[0]))
    if name == "Tuple":
        return _together(arguments)
    if name in ("Map", "Nested"):
        return _array(_together(arguments))
    size = _size(name, arguments)
    return 0, lambda buffer, at, rows: _within(buffer, at + rows * size)


def _size(name: str, arguments: list[str]) -> int:
    if name == "FixedString":
        return int(arguments[0])
    if name == "Decimal":
        return next(size for most, size in ((9, 4), (18, 8), (38, 16), (76, 32)) if int(arguments[0]) <= most)
    if name.startswith("Interval"):
        return 8
    if name not in _SIZES:
        raise ClickHouseError(
            Code.NOT_IMPLEMENTED, f"client_protocol_version with a column of type {name[:60]}: use another format"
        )
    return _SIZES[name]


def _arguments(inside: str) -> list[str]:
    """At the commas outside brackets and quotes; names of elements left away."""
    found, depth, quote = [""], 0, ""
    for letter in inside:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'`":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        if letter == "," and depth == 0 and not quote:
            found.append("")
        else:
            found[-1] += letter
    texts = [text.strip() for text in found]
    return [named[1] if (named := _NAMED.fullmatch(text)) else text for text in texts]


def _skip_strings(buffer: bytearray, at: int, rows: int) -> int:
    end = len(buffer)
    for _ in range(rows):
        if at >= end:
            raise _More
        size = buffer[at]
        at += 1
        if size >= 0x80:
            size, at = _number(buffer, at - 1)
        at += size
    return _within(buffer, at)


def _array(of: tuple[int, Skip]) -> tuple[int, Skip]:
    prefix, skip = of

    def skip_array(buffer: bytearray, at: int, rows: int) -> int:
        if rows == 0:
            return at
        last = _long(buffer, at + 8 * (rows - 1))
        return skip(buffer, at + 8 * rows, last)

    return prefix, skip_array


def _together(kinds: list[str]) -> tuple[int, Skip]:
    layouts = [_layout(kind) for kind in kinds if kind]

    def skip_all(buffer: bytearray, at: int, rows: int) -> int:
        for _, skip in layouts:
            at = skip(buffer, at, rows)
        # An empty tuple has a byte for each row.
        return at if layouts else _within(buffer, at + rows)

    return sum(prefix for prefix, _ in layouts), skip_all


def _low_cardinality(kind: str) -> Skip:
    name, _, inside = kind.partition("(")
    _, skip_keys = _layout(inside.removesuffix(")") if name == "Nullable" else kind)

    def skip_low_cardinality(buffer: bytearray, at: int, rows: int) -> int:
        if rows == 0:
            return at
        flags = _long(buffer, at)
        at += 8
        if flags & _MORE_KEYS:
            keys = _long(buffer, at)
            at = skip_keys(buffer, at + 8, keys)
        count = _long(buffer, at)
        return _within(buffer, at + 8 + (count << (flags & _INDEX_SIZE)))

    return skip_low_cardinality

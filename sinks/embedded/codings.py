"""Compression as HTTP names it, and ClickHouse's own compressed blocks; never beyond a limit.

Data that come are unpacked into room of a limited size, so that a few bytes can't grow into all memory.
"""

from struct import pack, unpack_from
from types import ModuleType

import cramjam

from sinks.embedded.cityhash import cityhash128
from sinks.embedded.errors import ClickHouseError, Code

# In the order in which a server prefers them.
_CODINGS: dict[str, ModuleType] = {
    "zstd": cramjam.zstd,
    "br": cramjam.brotli,
    "lz4": cramjam.lz4,
    "gzip": cramjam.gzip,
    "deflate": cramjam.zlib,
    "xz": cramjam.xz,
    "bz2": cramjam.bzip2,
}
_LEVELS = {"zstd": 1, "br": 3, "lz4": 1, "gzip": 3, "deflate": 3, "xz": 1, "bz2": 1}
_FULL = "failed to write whole buffer"
_FIRST_GUESS = 4  # times as large as it came


class Packer:
    """Packs an answer piece by piece."""

    def __init__(self, coding: str) -> None:
        level = _LEVELS.get(coding)
        self._of = _CODINGS[coding].Compressor(*(() if level is None else (level,)))

    def compress(self, data: bytes) -> bytes:
        self._of.compress(data)
        return bytes(self._of.flush())

    def finish(self) -> bytes:
        return bytes(self._of.finish())


def choose(accepted: str) -> str | None:
    """The coding for an answer, out of an Accept-Encoding header."""
    offers = [item.replace(" ", "").lower().split(";") for item in accepted.split(",")]
    wanted = {offer[0] for offer in offers if "q=0" not in offer[1:]}
    return next((name for name in _CODINGS if name in wanted), None)


def unpack(coding: str, data: bytes, limit: int) -> bytes:
    """A whole body; several frames in a row are one. Raises ClickHouseError."""
    module = _CODINGS.get(coding)
    if module is None:
        raise ClickHouseError(Code.UNSUPPORTED_MEDIA_TYPE, f"Unknown content encoding {coding[:20]!r}")
    room = min(limit, len(data) * _FIRST_GUESS + 1024)
    while data:
        out = bytearray(room)
        try:
            size = module.decompress_into(data, out)
        except cramjam.DecompressionError as error:
            # Out of room, or broken: with all the room that there may be, it is clear which.
            if room >= limit and _FULL in str(error):
                raise too_large(limit) from error
            if room >= limit or _FULL not in str(error):
                raise ClickHouseError(Code.CANNOT_DECOMPRESS, f"Cannot unpack the {coding} body: {error}") from error
            room = min(limit, room * _FIRST_GUESS)
            continue
        return bytes(memoryview(out)[:size])
    return b""


def too_large(limit: int) -> ClickHouseError:
    return ClickHouseError(Code.TOO_MANY_BYTES, f"The request is larger than {limit >> 20} MiB: send it in parts")


# --- ClickHouse's blocks: checksum (16), method (1), compressed size with this header of 9 (4), size (4), data

_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90
_HEADER = 9
BLOCK_BYTES = 1 << 20


def to_blocks(data: bytes) -> bytes:
    out = bytearray()
    for start in range(0, len(data), BLOCK_BYTES):
        plain = data[start : start + BLOCK_BYTES]
        packed = bytes(cramjam.lz4.compress_block(plain, store_size=False))
        block = pack("<BII", _LZ4, len(packed) + _HEADER, len(plain)) + packed
        out += cityhash128(block) + block
    return bytes(out)


def from_blocks(data: bytes, limit: int) -> bytes:
    out, at = bytearray(), 0
    while at < len(data):
        if len(data) - at < 16 + _HEADER:
            raise ClickHouseError(Code.CANNOT_DECOMPRESS, "A compressed block ends too early")
        method, packed_size, size = unpack_from("<BII", data, at + 16)
        block = data[at + 16 : at + 16 + packed_size]
        if packed_size < _HEADER or len(block) < packed_size:
            raise ClickHouseError(Code.CANNOT_DECOMPRESS, "A compressed block ends too early")
        if len(out) + size > limit:
            raise too_large(limit)
        if cityhash128(block) != data[at : at + 16]:
            raise ClickHouseError(Code.CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data")
        out += _plain(method, block[_HEADER:], size)
        at += 16 + packed_size
    return bytes(out)


def _plain(method: int, packed: bytes, size: int) -> bytes:
    try:
        if method == _LZ4:
            plain = bytes(cramjam.lz4.decompress_block(packed, output_len=size))
        elif method == _ZSTD:
            out = bytearray(size)
            plain = bytes(memoryview(out)[: cramjam.zstd.decompress_into(packed, out)])
        elif method == _NONE:
            plain = packed
        else:
            raise ClickHouseError(Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method {method:#x}")
    except cramjam.DecompressionError as error:
        raise ClickHouseError(Code.CANNOT_DECOMPRESS, f"Cannot unpack a compressed block: {error}") from error
    if len(plain) != size:
        raise ClickHouseError(Code.CANNOT_DECOMPRESS, "A compressed block has another size than it says")
    return plain

"""Compression both ways, its limits, and ClickHouse's own blocks."""

import bz2
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Callable

import pytest

from sinks.embedded.cityhash import cityhash128
from sinks.embedded.codings import Packer, choose, from_blocks, to_blocks, unpack
from sinks.embedded.errors import ClickHouseError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"a fact among facts\n" * 50_000 + os.urandom(10_000)
LIMIT = 1 << 24
OTHERS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "zstd": (zstd.compress, zstd.decompress),
}


def code(unpacking: Callable[[], object]) -> int:
    with pytest.raises(ClickHouseError) as raised:
        unpacking()
    return raised.value.code


@pytest.mark.parametrize("coding", ["zstd", "br", "lz4", "gzip", "deflate", "xz", "bz2"])
def test_both_ways(coding: str) -> None:
    packer = Packer(coding)
    packed = packer.compress(TEXT[:1000]) + packer.compress(TEXT[1000:]) + packer.finish()
    assert len(packed) < len(TEXT) / 5
    assert unpack(coding, packed, LIMIT) == TEXT
    assert unpack(coding, b"", LIMIT) == b""
    assert code(lambda: unpack(coding, packed, 100_000)) == 307
    assert code(lambda: unpack(coding, packed[:-20], LIMIT)) == 271
    assert code(lambda: unpack(coding, b"no such thing" * 10, LIMIT)) == 271


@pytest.mark.parametrize("coding", OTHERS)
def test_as_others_do_it(coding: str) -> None:
    pack, others_unpack = OTHERS[coding]
    packer = Packer(coding)
    assert others_unpack(packer.compress(TEXT) + packer.finish()) == TEXT
    assert unpack(coding, pack(TEXT), LIMIT) == TEXT
    if coding != "deflate":  # several in a row, as clients send what they compress block by block
        assert unpack(coding, pack(TEXT) + pack(TEXT), LIMIT) == TEXT + TEXT


def test_a_bomb_stays_small() -> None:
    assert code(lambda: unpack("zstd", zstd.compress(bytes(1 << 28)), 1 << 20)) == 307
    assert code(lambda: unpack("nope", b"x", LIMIT)) == 779


def test_blocks() -> None:
    packed = to_blocks(TEXT)
    assert from_blocks(packed, LIMIT) == TEXT
    assert to_blocks(b"") == b"" == from_blocks(b"", LIMIT)
    assert code(lambda: from_blocks(packed, 1000)) == 307
    assert code(lambda: from_blocks(packed[:-1], LIMIT)) == 271
    assert code(lambda: from_blocks(packed[:10], LIMIT)) == 271
    assert code(lambda: from_blocks(bytes([packed[0] ^ 1]) + packed[1:], LIMIT)) == 40
    plain = bytes([0x02]) + (9 + 3).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    assert from_blocks(cityhash128(plain) + plain, LIMIT) == b"abc"
    strange = bytes([0x77]) + plain[1:]
    assert code(lambda: from_blocks(cityhash128(strange) + strange, LIMIT)) == 89
    lying = plain[:5] + (4).to_bytes(4, "little") + plain[9:]
    assert code(lambda: from_blocks(cityhash128(lying) + lying, LIMIT)) == 271


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=0, deflate", "deflate"),
        ("GZIP", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_choosing(accepted: str, chosen: str | None) -> None:
    assert choose(accepted) == chosen


def test_cityhash_of_every_length() -> None:
    """Whether they are the right ones, the engine's own files say: tests/integration/test_clickhouse_http.py."""
    hashes = {cityhash128(bytes(range(256))[:size]) for size in range(257)}
    assert len(hashes) == 257

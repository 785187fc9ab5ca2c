"""CityHash128 in the version that ClickHouse's compressed blocks carry as their checksum (CityHash 1.0.2).

From the published algorithm by Google (MIT). About 15 MB/s; only `compress=1` and `decompress=1` need it.
"""

from struct import unpack_from

_M = (1 << 64) - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_K_MUL = 0x9DDFEA08EB382D69


def _rotate(value: int, shift: int) -> int:
    return value if shift == 0 else ((value >> shift) | (value << (64 - shift))) & _M


def _mix(value: int) -> int:
    return value ^ (value >> 47)


def _hash16(u: int, v: int) -> int:
    a = _mix(((u ^ v) * _K_MUL) & _M)
    b = _mix(((v ^ a) * _K_MUL) & _M)
    return (b * _K_MUL) & _M


def _long(data: bytes, at: int) -> int:
    number: int = unpack_from("<Q", data, at)[0]
    return number


def _hash_up_to_16(data: bytes) -> int:
    size = len(data)
    if size > 8:
        a, b = _long(data, 0), _long(data, size - 8)
        return _hash16(a, _rotate((b + size) & _M, size)) ^ b
    if size >= 4:
        a = unpack_from("<I", data, 0)[0]
        return _hash16((size + (a << 3)) & _M, unpack_from("<I", data, size - 4)[0])
    if size > 0:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[size - 1] << 2)
        return (_mix(((y * _K2) & _M) ^ ((z * _K3) & _M)) * _K2) & _M
    return _K2


def _weak_32(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = unpack_from("<4Q", data, at)
    a = (a + w) & _M
    b = _rotate((b + a + z) & _M, 21)
    c = a
    a = (a + x + y) & _M
    b = (b + _rotate(a, 44)) & _M
    return (a + z) & _M, (b + c) & _M


def _murmur(data: bytes, a: int, b: int) -> tuple[int, int]:
    size = len(data)
    rest = size - 16
    if rest <= 0:
        a = (_mix((a * _K1) & _M) * _K1) & _M
        c = ((b * _K1) + _hash_up_to_16(data)) & _M
        d = _mix((a + (_long(data, 0) if size >= 8 else c)) & _M)
    else:
        c = _hash16((_long(data, size - 8) + _K1) & _M, a)
        d = _hash16((b + size) & _M, (c + _long(data, size - 16)) & _M)
        a = (a + d) & _M
        at = 0
        while rest > 0:
            a = ((a ^ ((_mix((_long(data, at) * _K1) & _M) * _K1) & _M)) * _K1) & _M
            b ^= a
            c = ((c ^ ((_mix((_long(data, at + 8) * _K1) & _M) * _K1) & _M)) * _K1) & _M
            d ^= c
            at += 16
            rest -= 16
    a, b = _hash16(a, c), _hash16(d, b)
    return a ^ b, _hash16(b, a)


def _with_seed(data: bytes, low: int, high: int) -> tuple[int, int]:
    size = len(data)
    if size < 128:
        return _murmur(data, low, high)
    x, y, z = low, high, (size * _K1) & _M
    v0 = (_rotate(y ^ _K1, 49) * _K1 + _long(data, 0)) & _M
    v1 = (_rotate(v0, 42) * _K1 + _long(data, 8)) & _M
    w0 = (_rotate((y + z) & _M, 35) * _K1 + x) & _M
    w1 = (_rotate((x + _long(data, 88)) & _M, 53) * _K1) & _M
    at, rest = 0, size
    while rest >= 128:
        for _ in range(2):
            x = (_rotate((x + y + v0 + _long(data, at + 16)) & _M, 37) * _K1) & _M
            y = (_rotate((y + v1 + _long(data, at + 48)) & _M, 42) * _K1) & _M
            x ^= w1
            y ^= v0
            z = _rotate(z ^ w0, 33)
            v0, v1 = _weak_32(data, at, (v1 * _K1) & _M, (x + w0) & _M)
            w0, w1 = _weak_32(data, at + 32, (z + w1) & _M, y)
            z, x = x, z
            at += 64
        rest -= 128
    y = (y + _rotate(w0, 37) * _K0 + z) & _M
    x = (x + _rotate((v0 + z) & _M, 49) * _K0) & _M
    done = 0
    while done < rest:
        done += 32
        start = at + rest - done
        y = (_rotate((y - x) & _M, 42) * _K0 + v1) & _M
        w0 = (w0 + _long(data, start + 16)) & _M
        x = (_rotate(x, 49) * _K0 + w0) & _M
        w0 = (w0 + v0) & _M
        v0, v1 = _weak_32(data, start, v0, v1)
    x, y = _hash16(x, v0), _hash16(y, w0)
    return (_hash16((x + v1) & _M, w1) + y) & _M, _hash16((x + w1) & _M, (y + v1) & _M)


def cityhash128(data: bytes) -> bytes:
    """16 bytes, as they stand in front of a block."""
    size = len(data)
    if size >= 16:
        low, high = _with_seed(data[16:], _long(data, 0) ^ _K3, _long(data, 8))
    elif size >= 8:
        low, high = _with_seed(b"", _long(data, 0) ^ ((size * _K0) & _M), _long(data, size - 8) ^ _K1)
    else:
        low, high = _with_seed(data, _K0, _K1)
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")

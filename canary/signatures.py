"""Who signed: keys, signatures and inclusion paths, from docs/signing.md.

Ed25519 through PyNaCl, ECDSA on P-256 through `cryptography`. A signature over a batch's root or over a delegation is
shared by many records, so what was found is remembered, bounded.
"""

import hashlib
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from canary.refusal import Refusal
from schemas.reasons import Reason
from schemas.records import MerklePath

BATCH = b"glassbook batch v1\n"
LARGEST_BATCH = 1024
P256_HALF = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2
# The field and the curve of Ed25519: -x² + y² = 1 + d x² y².
FIELD = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, FIELD) % FIELD

Check = Callable[[bytes, bytes], bool]  # (message, signature) -> whether it holds


@lru_cache(maxsize=65536)
def account_of(root_key: str) -> str:
    return hashlib.sha256(root_key.encode()).digest()[:20].hex()


_URL_LETTERS, _PLAIN_LETTERS = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def base64url(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URL_LETTERS, b"=").decode()


def bytes_of(text: str) -> bytes | None:
    """What this base64url stands for; None unless it is the one canonical spelling, without padding."""
    try:
        data = a2b_base64(text.encode("ascii").translate(_PLAIN_LETTERS) + b"=" * (-len(text) % 4))
    except (Error, UnicodeEncodeError):
        return None
    return data if base64url(data) == text else None


# --- keys


@lru_cache(maxsize=4096)
def checker(key: str) -> Check:
    """How signatures of this key are checked; `Refusal(BAD_KEY)` if it is none."""
    kind, _, encoded = key.partition(":")
    data = bytes_of(encoded)
    if kind == "ed25519" and data is not None and len(data) == 32 and not is_of_small_order(data):
        return _ed25519(data)
    if kind == "p256" and data is not None and len(data) == 33:
        return _p256(data)
    raise Refusal(Reason.BAD_KEY)


def is_of_small_order(point: bytes) -> bool:
    """Whether eight times the point is nothing: its y is 0, 1 or -1, or its double's y is 0."""
    y = (int.from_bytes(point, "little") & ((1 << 255) - 1)) % FIELD
    # With y' = 0 for the double, x² = -y², which put into the curve gives d y⁴ + 2 y² = 1.
    return y in (0, 1, FIELD - 1) or (CURVE_D * pow(y, 4, FIELD) + 2 * y * y - 1) % FIELD == 0


def _ed25519(data: bytes) -> Check:
    key = VerifyKey(data)

    def holds(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(message, signature)
        except (CryptoError, ValueError):
            return False
        return True

    return holds


def _p256(data: bytes) -> Check:
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)
    except ValueError:
        raise Refusal(Reason.BAD_KEY) from None

    def holds(message: bytes, signature: bytes) -> bool:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not 0 < s <= P256_HALF:
            return False
        try:
            key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return holds


# --- signatures


def check(key: str, signature: str, message: bytes) -> None:
    """`Refusal` with BAD_KEY or BAD_SIGNATURE unless the key's owner signed the message. Costs about 60 µs."""
    holds = checker(key)
    data = bytes_of(signature)
    if data is None or len(data) != 64 or not holds(message, data):
        raise Refusal(Reason.BAD_SIGNATURE)


# Remembers only what held: a refusal is raised anew each time.
check_shared = lru_cache(maxsize=16384)(check)


# --- inclusion paths


def batch_root(command: bytes, path: MerklePath) -> bytes:
    """The root of RFC 6962 that a command's audit path leads to; `Refusal(BAD_SIGNATURE)` if the path can't be one."""
    if not 1 <= path.size <= LARGEST_BATCH or not 0 <= path.index < path.size:
        raise Refusal(Reason.BAD_SIGNATURE)
    siblings = [_hash_of(text) for text in path.hashes]
    return _climb(hashlib.sha256(b"\x00" + command).digest(), path.index, path.size, siblings)


def _climb(leaf: bytes, index: int, size: int, siblings: list[bytes]) -> bytes:
    """Down from the root by halves, as the tree is defined; then up along the same turns.

    A tree of `size` leaves has the largest power of two below `size` on its left.
    """
    turns: list[bool] = []  # from the root down: whether the leaf lies on the right
    while size > 1:
        left = 1 << (size - 1).bit_length() - 1
        right = index >= left
        turns.append(right)
        index, size = (index - left, size - left) if right else (index, left)
    if len(turns) != len(siblings):
        raise Refusal(Reason.BAD_SIGNATURE)
    result = leaf
    for right, sibling in zip(reversed(turns), siblings, strict=True):
        result = _joined(sibling, result) if right else _joined(result, sibling)
    return result


@lru_cache(maxsize=8192)
def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@lru_cache(maxsize=8192)
def _hash_of(text: str) -> bytes:
    data = bytes_of(text)
    if data is None or len(data) != 32:
        raise Refusal(Reason.BAD_SIGNATURE)
    return data

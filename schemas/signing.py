"""Keys, signatures and inclusion paths: who said a command, checkable by anyone from the bytes alone.

Text forms: a key is `ed25519:` or `p256:` and the public key's 32 or 33 (compressed) bytes; a signature is 64 bytes,
r||s with low s for P-256. Both in base64url without padding, and only in their one canonical spelling.

An account's id is the first 20 bytes of SHA-256 over its root key's text, in hex: identity needs no registry.
"""

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError as _BadEd25519Signature
from nacl.exceptions import CryptoError

from schemas.reasons import Reason
from schemas.refusal import Refused

BATCH_PREFIX = b"glassbook batch v1\n"
READ_PREFIX = b"glassbook read v1\n"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAX_BATCH = 1024
MAX_PATH = 10


@lru_cache(maxsize=65536)
def account_of(root_key: str) -> str:
    """The account that this root key owns."""
    return hashlib.sha256(root_key.encode()).hexdigest()[:40]


def account_partition(account: str, partitions: int) -> int:
    """The partition of `accounts` and `ledger` on which everything about this account lies."""
    return int(account[:8], 16) % partitions


# --- text forms

# Straight on binascii: the base64 module's own Python would cost more than the rest of checking an inclusion path.
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def encode_bytes(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode()


def decode_bytes(text: str) -> bytes:
    """Strict: `ValueError` unless `text` is the one canonical spelling."""
    try:
        data = a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        raise ValueError("not base64url") from None
    if encode_bytes(data) != text:
        raise ValueError("not canonical base64url")
    return data


def parse_key(text: str) -> tuple[str, bytes]:
    """(kind, public key) of a key's text; `Refused(BAD_KEY)` if it is malformed."""
    kind, _, encoded = text.partition(":")
    length = {"ed25519": 32, "p256": 33}.get(kind)
    try:
        data = decode_bytes(encoded)
    except ValueError as error:
        raise Refused(Reason.BAD_KEY, str(error)) from None
    if length is None or len(data) != length:
        raise Refused(Reason.BAD_KEY, f"unknown kind or wrong length: {text[:16]}")
    return kind, data


def check_key(text: str) -> None:
    """`Refused(BAD_KEY)` unless this is a key whose signatures can be checked."""
    _verifier(text)


# --- verification


@lru_cache(maxsize=4096)
def _verifier(key: str) -> Callable[[bytes, bytes], bool]:
    kind, data = parse_key(key)
    if kind == "ed25519":
        _reject_small_order(data)
        return lambda message, signature: _ed25519_holds(data, message, signature)
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        raise Refused(Reason.BAD_KEY, "not a point on P-256") from None
    return lambda message, signature: _p256_holds(public, message, signature)


def _ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, public)
    except (_BadEd25519Signature, CryptoError, ValueError):
        return False
    return True


def _p256_holds(public: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if not (0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2):
        return False
    try:
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _reject_small_order(public: bytes) -> None:
    """libsodium refuses these keys at each check; said here once more so that the reason is the key, not the bytes."""
    if public[:31] + bytes([public[31] & 0x7F]) in _SMALL_ORDER:
        raise Refused(Reason.BAD_KEY, "the key is of small order")


# The encodings of the eight points of small order on edwards25519, canonical or not, without their sign bit.
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def check_signature(key: str, signature: str, message: bytes) -> None:
    """Returns if `key`'s owner signed `message`; `Refused` with BAD_KEY or BAD_SIGNATURE if not. Costs about 60 µs."""
    verify = _verifier(key)
    try:
        data = decode_bytes(signature)
    except ValueError as error:
        raise Refused(Reason.BAD_SIGNATURE, f"signature: {error}") from None
    if len(data) != 64 or not verify(message, data):
        raise Refused(Reason.BAD_SIGNATURE)


@lru_cache(maxsize=16384)
def check_signature_once(key: str, signature: str, message: bytes) -> None:
    """The same for what many records share, batch roots and delegations: checked once, remembered."""
    check_signature(key, signature, message)


# --- RFC 6962 Merkle trees: a batch is signed once, over its root


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


@lru_cache(maxsize=4096)
def node_hash(left: bytes, right: bytes) -> bytes:
    """The paths of a batch meet in the same nodes, so most are remembered."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_tree(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The RFC 6962 tree hash of at least one leaf's data, and each leaf's audit path from its sibling up."""
    return _subtree([leaf_hash(leaf) for leaf in leaves])


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that this path leads to (RFC 9162, 2.1.3.2); `Refused(BAD_SIGNATURE)` if its length doesn't fit."""
    if not 0 <= index < size:
        raise Refused(Reason.BAD_SIGNATURE, "the path's index lies outside its batch")
    first, last, result = index, size - 1, leaf_hash(leaf)
    for sibling in path:
        if last == 0:
            raise Refused(Reason.BAD_SIGNATURE, "the path is too long")
        if first & 1 or first == last:
            result = node_hash(sibling, result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise Refused(Reason.BAD_SIGNATURE, "the path is too short")
    return result


def _subtree(hashes: list[bytes]) -> tuple[bytes, list[list[bytes]]]:
    if len(hashes) == 1:
        return hashes[0], [[]]
    split = _split(len(hashes))
    left, left_paths = _subtree(hashes[:split])
    right, right_paths = _subtree(hashes[split:])
    return node_hash(left, right), [[*p, right] for p in left_paths] + [[*p, left] for p in right_paths]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1

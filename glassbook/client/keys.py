"""Private keys: made, kept in files that only their owner can read, and used to sign.

The private key never leaves this module but for its file: 32 bytes, Ed25519's seed or P-256's scalar. Both kinds sign
deterministically (P-256 by RFC 6979), so that the same command signed twice is the same record.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

from glassbook.errors import GlassbookError
from schemas.records import Delegation
from schemas.signing import P256_ORDER, account_of, decode_bytes, encode_bytes

KeyKind = Literal["ed25519", "p256"]
KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
PRIVATE_BYTES = 32


class BadKey(GlassbookError):
    """A key file that is missing, malformed, readable by others, or in the way."""


class Key:
    """A private key. `public` is its public key's text, `account` the account that it owns as a root key."""

    def __init__(self, kind: KeyKind, private: bytes) -> None:
        if len(private) != PRIVATE_BYTES:
            raise BadKey(f"a private key has {PRIVATE_BYTES} bytes, this one has {len(private)}")
        if kind == "ed25519":
            public, self._sign = _ed25519(private)
        else:
            public, self._sign = _p256(private)
        self.kind = kind
        self.public = f"{kind}:{encode_bytes(public)}"
        self._private = private

    @classmethod
    def new(cls, kind: KeyKind = "ed25519") -> "Key":
        if kind == "ed25519":
            return cls(kind, secrets.token_bytes(PRIVATE_BYTES))
        return cls(kind, (secrets.randbelow(P256_ORDER - 1) + 1).to_bytes(PRIVATE_BYTES))

    @property
    def account(self) -> str:
        return account_of(self.public)

    def sign(self, message: bytes) -> str:
        """The signature's text, base64url."""
        return encode_bytes(self._sign(message))

    def __repr__(self) -> str:
        return f"<Key {self.public}>"


def _ed25519(private: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    key = SigningKey(private)
    return bytes(key.verify_key), lambda message: key.sign(message).signature


def _p256(private: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    scalar = int.from_bytes(private)
    if not 0 < scalar < P256_ORDER:
        raise BadKey("a P-256 private key lies between 1 and the curve's order")
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, algorithm))
        # (r, s) and (r, order - s) both verify; the exchange takes only the low one, so that there is one signature.
        return r.to_bytes(32) + min(s, P256_ORDER - s).to_bytes(32)

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint), sign


# --- files


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key as it lies on disk. A trade key carries its delegation, by which it may trade for another key's account."""

    public: str
    private: str  # base64url
    delegation: Delegation | None = None

    def open(self) -> Key:
        """The private key; `BadKey` where the two halves don't belong together."""
        kind = next((kind for kind in KINDS if self.public.startswith(f"{kind}:")), None)
        if kind is None:
            raise BadKey(f"unknown kind of key {self.public[:16]!r}: Glassbook has {' and '.join(KINDS)}")
        try:
            key = Key(kind, decode_bytes(self.private))
        except ValueError as error:
            raise BadKey(f"its private key is malformed: {error}") from None
        if key.public != self.public:
            raise BadKey("its public key doesn't belong to its private key")
        return key

    @property
    def account(self) -> str:
        """The account that this key speaks for."""
        return account_of(self.public if self.delegation is None else self.delegation.key)


def save_key(path: Path, key: Key, delegation: Delegation | None = None) -> None:
    """Write a new file with mode 0600, whole or not at all. An existing file is never written over."""
    content = msgspec.json.format(msgspec.json.encode(KeyFile(key.public, encode_bytes(key._private), delegation)))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, this fails where there is a file already
    except FileExistsError:
        raise BadKey(f"{path} exists already: a key is never written over; choose another name") from None
    finally:
        draft.unlink()


def load_key_file(path: Path) -> KeyFile:
    try:
        mode = path.stat().st_mode & 0o777
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadKey(f"there is no key file {path}: make one with `glassbook keys new`") from None
    except OSError as error:
        raise BadKey(f"the key file {path} can't be read: {error.strerror}") from None
    if mode & 0o077:
        raise BadKey(f"{path} can be read by others (mode {mode:04o}): chmod 600 it, or make a new key")
    try:
        found = msgspec.json.decode(content, type=KeyFile)
        found.open()
    except (msgspec.DecodeError, UnicodeDecodeError, BadKey) as error:
        raise BadKey(f"{path} is no key file: {error}") from None
    return found


def load_key(path: Path) -> Key:
    return load_key_file(path).open()

"""Who may do what in the embedded ClickHouse: a key pair for each program, and the short-lived tokens that it signs.

A private key is its program's own, readable by its user alone. The server looks at public keys only; the end of such a
file's name says what its owner may do, so that a token can't claim more. Another program is let in by adding its public
key, `NAME.writer.pub` or `NAME.reader.pub`, and put out by taking that away; both hold at once.
"""

import os
import re
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from glassbook.errors import GlassbookError

ALGORITHM = "EdDSA"
LIFETIME_S = 120
LONGEST_LIFETIME_S = 300
LEEWAY_S = 15  # by so much may the clocks of two machines differ
SINK = "sink"
GATEWAY = "gateway"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Role(StrEnum):
    WRITER = "writer"
    READER = "reader"


class BadToken(Exception):
    """Why a token isn't taken. Says nothing of the keys."""


class Program(NamedTuple):
    name: str
    role: Role


def private_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.key"


def public_file(folder: Path, program: Program) -> Path:
    return folder / f"{program.name}.{program.role}.pub"


def make_keys(folder: Path) -> None:
    """Key pairs for the programs of `glassbook up`, where there are none yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for program in (Program(SINK, Role.WRITER), Program(GATEWAY, Role.READER)):
        private, public = private_file(folder, program.name), public_file(folder, program)
        if not private.exists():
            _write(private, _private_pem(Ed25519PrivateKey.generate()), 0o600)
            public.unlink(missing_ok=True)
        if not public.exists():
            _write(public, _public_pem(_load_private(private).public_key()), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)  # whole or not at all


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _load_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise GlassbookError(f"can't read the key {path} ({error.strerror}): 'glassbook up' makes it") from error
    except (ValueError, TypeError) as error:
        raise GlassbookError(f"{path} holds no private key: remove it, and 'glassbook up' makes a new one") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise GlassbookError(f"{path} holds no Ed25519 key: remove it, and 'glassbook up' makes a new one")
    return key


class TokenSigner:
    """Signs tokens as one program, for one instance. `token()` gives the same one until half its life is over."""

    def __init__(self, folder: Path, name: str, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._name, self._audience, self._clock = folder, name, audience, clock
        self._token, self._issued = "", 0.0

    def token(self) -> str:
        now = self._clock()
        if not self._token or not 0 <= now - self._issued < LIFETIME_S / 2:
            claims = {"sub": self._name, "aud": self._audience, "iat": int(now), "exp": int(now) + LIFETIME_S}
            key = _load_private(private_file(self._folder, self._name))
            self._token = jwt.encode(claims, key, ALGORITHM, headers={"kid": self._name})
            self._issued = now
        return self._token


class TokenVerifier:
    """Knows by the public keys of a folder whose token it is."""

    def __init__(self, folder: Path, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._audience, self._clock = folder, audience, clock

    def verify(self, token: str) -> Program:
        """Raises BadToken. 0.2 ms."""
        try:
            name = jwt.get_unverified_header(token).get("kid", "")
            program, key = self._registered(name)
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                options={"require": ["exp", "iat", "aud", "sub"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise BadToken(str(error)) from error
        self._check_times(claims["iat"], claims["exp"])
        if claims["sub"] != name:
            raise BadToken("its subject is not the owner of its key")
        return program

    def _check_times(self, issued: object, expires: object) -> None:
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise BadToken("its times are no whole seconds")
        now = self._clock()
        if expires - issued > LONGEST_LIFETIME_S:
            raise BadToken(f"it would be valid for more than {LONGEST_LIFETIME_S} s")
        if issued > now + LEEWAY_S:
            raise BadToken("it is from the future: do the clocks agree?")
        if expires <= now - LEEWAY_S:
            raise BadToken("it has expired")

    def _registered(self, name: object) -> tuple[Program, Ed25519PublicKey]:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadToken("it names no key")
        for program in (Program(name, role) for role in Role):
            try:
                key = serialization.load_pem_public_key(public_file(self._folder, program).read_bytes())
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                raise BadToken("its key can't be read") from error
            if isinstance(key, Ed25519PublicKey):
                return program, key
        raise BadToken("its key isn't registered")

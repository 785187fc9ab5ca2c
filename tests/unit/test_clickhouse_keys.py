"""Tokens: whose, for which instance, for how long. And the files that the keys are in."""

import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from glassbook.clickhouse_keys import (
    GATEWAY,
    SINK,
    BadToken,
    Program,
    Role,
    TokenSigner,
    TokenVerifier,
    make_keys,
    private_file,
    public_file,
)
from glassbook.errors import GlassbookError

HERE = "an instance"
NOW = 1_000_000.0


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_token_says_whose_it_is(keys: Path) -> None:
    clock = Clock()
    verifier = TokenVerifier(keys, HERE, clock)
    for name, role in ((SINK, Role.WRITER), (GATEWAY, Role.READER)):
        assert verifier.verify(TokenSigner(keys, name, HERE, clock).token()) == Program(name, role)


def test_it_is_renewed_in_time(keys: Path) -> None:
    clock = Clock()
    signer, verifier = TokenSigner(keys, SINK, HERE, clock), TokenVerifier(keys, HERE, clock)
    first = signer.token()
    clock.now += 59
    assert signer.token() == first
    clock.now += 2
    assert signer.token() != first
    verifier.verify(first)
    clock.now = NOW + 120 + 14
    verifier.verify(first)
    clock.now = NOW + 120 + 16
    with pytest.raises(BadToken, match="expired"):
        verifier.verify(first)
    clock.now = NOW - 16
    with pytest.raises(BadToken, match="future"):
        verifier.verify(first)
    assert signer.token() != first, "the clock was put back"


def signed(keys: Path, header: dict[str, Any] | None = None, algorithm: str = "EdDSA", **changes: Any) -> str:
    key = load_pem_private_key(private_file(keys, SINK).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    claims = {"sub": SINK, "aud": HERE, "iat": int(NOW), "exp": int(NOW) + 60} | changes
    said = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(said, key if algorithm == "EdDSA" else "secret" * 10, algorithm, headers=header or {"kid": SINK})


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (None, {"aud": "another instance"}),
        (None, {"sub": GATEWAY}),
        (None, {"exp": int(NOW) + 301}),
        (None, {"exp": None}),
        (None, {"iat": None}),
        (None, {"aud": None}),
        (None, {"exp": "tomorrow"}),
        ({"kid": GATEWAY}, {}),
        ({"kid": "nobody"}, {}),
        ({"kid": "../sink"}, {}),
        ({"x": "y"}, {}),
        (None, {"algorithm": "HS256"}),
    ],
)
def test_what_is_no_token_of_ours(keys: Path, header: dict[str, Any] | None, changes: dict[str, Any]) -> None:
    algorithm = changes.get("algorithm", "EdDSA")
    token = signed(keys, header, algorithm, **{name: value for name, value in changes.items() if name != "algorithm"})
    with pytest.raises(BadToken):
        TokenVerifier(keys, HERE, Clock()).verify(token)


def test_neither_is_text(keys: Path) -> None:
    none = jwt.encode(
        {"sub": SINK, "aud": HERE, "iat": int(NOW), "exp": int(NOW) + 60}, "", "none", headers={"kid": SINK}
    )
    for text in ("", "x", "a.b.c", none):
        with pytest.raises(BadToken):
            TokenVerifier(keys, HERE, Clock()).verify(text)


def test_another_program_comes_and_goes_by_a_file(keys: Path) -> None:
    clock = Clock()
    verifier = TokenVerifier(keys, HERE, clock)
    other = keys.parent / "other"
    make_keys(other)
    private_file(other, SINK).rename(private_file(other, "auditor"))
    token = TokenSigner(other, "auditor", HERE, clock).token()
    with pytest.raises(BadToken, match="registered"):
        verifier.verify(token)
    allowed = public_file(keys, Program("auditor", Role.READER))
    allowed.write_bytes(public_file(other, Program(SINK, Role.WRITER)).read_bytes())
    assert verifier.verify(token) == Program("auditor", Role.READER)
    allowed.write_text("no key")
    with pytest.raises(BadToken):
        verifier.verify(token)
    allowed.unlink()
    with pytest.raises(BadToken):
        verifier.verify(token)


def test_the_files(keys: Path) -> None:
    private, public = private_file(keys, SINK), public_file(keys, Program(SINK, Role.WRITER))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before, shown = private.read_bytes(), public.read_bytes()
    public.unlink()
    make_keys(keys)  # again: nothing is lost, what is missing is made
    assert private.read_bytes() == before and public.read_bytes() == shown
    private.unlink()
    make_keys(keys)
    assert public.read_bytes() != shown
    private.write_text("no key")
    with pytest.raises(GlassbookError, match="holds no private key"):
        TokenSigner(keys, SINK, HERE).token()
    private.unlink()
    with pytest.raises(GlassbookError, match="can't read the key"):
        TokenSigner(keys, SINK, HERE).token()

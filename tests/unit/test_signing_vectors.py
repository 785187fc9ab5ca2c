"""schemas/vectors/signing.json: what it says is what the code does, from the file's bytes alone."""

import json
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Raw

from glassbook.client.keys import Key
from glassbook.client.signer import Signer
from glassbook.client.vectors import FILE, text
from schemas.authority import open_signed
from schemas.commands import AccountCommand, OperatorCommand, decode_command, encode_command
from schemas.records import Delegation, MerklePath, SignedCommand
from schemas.refusal import Refused
from schemas.signing import BATCH_PREFIX, account_of, check_signature, decode_bytes, leaf_hash, merkle_tree

VECTORS: dict[str, Any] = json.loads(FILE.read_text())


def named(section: str) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in VECTORS[section]]


def signed_of(vector: dict[str, Any]) -> SignedCommand:
    by, path = vector.get("delegation"), vector.get("path")
    return SignedCommand(
        Raw(vector["command"].encode()),
        vector["key"],
        vector["signature"],
        Delegation(Raw(by["command"].encode()), by["key"], by["signature"]) if by else None,
        MerklePath(**path) if path else None,
    )


def test_the_file_is_what_is_generated():
    assert FILE.read_text() == text(), "run `python -m glassbook.client.vectors`"


@pytest.mark.parametrize("vector", [pytest.param(key, id=key["name"]) for key in VECTORS["keys"]])
def test_keys(vector):
    kind = vector["public"].partition(":")[0]
    key = Key(kind, bytes.fromhex(vector["private"]))
    assert (key.public, key.account) == (vector["public"], vector["account"])


@pytest.mark.parametrize("vector", named("accepted"))
def test_accepted(vector):
    opened = open_signed(signed_of(vector))
    assert encode_command(opened.command).decode() == vector["command"]
    keys = {key["public"]: key for key in VECTORS["keys"]}
    if "path" not in vector:
        signer = Key(vector["key"].partition(":")[0], bytes.fromhex(keys[vector["key"]]["private"]))
        assert signer.sign(vector["command"].encode()) == vector["signature"]


def test_every_kind_of_command_is_there():
    there = {json.loads(vector["command"])["command"] for vector in VECTORS["accepted"]}
    assert there == {str(kind.__struct_config__.tag) for kind in get_args(AccountCommand) + get_args(OperatorCommand)}


@pytest.mark.parametrize("vector", VECTORS["batches"], ids=lambda batch: f"{len(batch['commands'])} commands")
def test_batches(vector):
    leaves = [command.encode() for command in vector["commands"]]
    root, _ = merkle_tree(leaves)
    assert [leaf_hash(leaf).hex() for leaf in leaves] == vector["leaf_hashes"]
    assert root.hex() == vector["root"]
    assert (BATCH_PREFIX + root).hex() == vector["message"]
    for leaf, path in zip(leaves, vector["paths"], strict=True):
        part = SignedCommand(Raw(leaf), vector["key"], vector["signature"], path=MerklePath(**path))
        assert open_signed(part).raw == leaf


@pytest.mark.parametrize("vector", VECTORS["reads"], ids=lambda read: read["target"])
def test_reads(vector):
    headers = vector["headers"]
    check_signature(headers["Glassbook-Key"], headers["Glassbook-Signature"], vector["message"].encode())
    private = next(key for key in VECTORS["keys"] if key["public"] == headers["Glassbook-Key"])
    key = Key(headers["Glassbook-Key"].partition(":")[0], bytes.fromhex(private["private"]))
    signer = Signer(key, VECTORS["exchange"], clock=lambda: int(headers["Glassbook-Time"]))
    assert signer.read_headers(vector["target"]) == headers


@pytest.mark.parametrize("vector", named("refused_signatures"))
def test_refused_signatures(vector):
    signed = signed_of(vector)
    decode_command(bytes(signed.command))  # the command itself is in order
    with pytest.raises(Refused) as refused:
        open_signed(signed)
    assert refused.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", named("refused_bytes"))
def test_refused_bytes(vector):
    with pytest.raises(Refused) as refused:
        decode_command(vector["bytes"].encode())
    assert refused.value.reason == vector["reason"]


def test_the_small_order_vector_is_a_real_one():
    """A verifier that only checks the equation accepts it, for any message: else the vector would prove nothing."""
    vector = next(v for v in VECTORS["refused_signatures"] if v["name"] == "a key of small order")
    lax = Ed25519PublicKey.from_public_bytes(decode_bytes(vector["key"].partition(":")[2]))
    lax.verify(decode_bytes(vector["signature"]), vector["command"].encode())
    lax.verify(decode_bytes(vector["signature"]), b"anything at all")


def test_accounts_follow_from_keys():
    for key in VECTORS["keys"]:
        assert account_of(key["public"]) == key["account"]

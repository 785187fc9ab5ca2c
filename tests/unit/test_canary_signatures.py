"""The canary's decoder and signature checks, against schemas/vectors/signing.json and docs/signing.md."""

import json
from typing import Any

import pytest
from msgspec import Raw

from canary.authority import Openings, open_signed
from canary.command_forms import GRAMMAR, read_command
from canary.refusal import FAULTS_OF_FORM, Refusal
from canary.signatures import account_of, batch_root, is_of_small_order
from glassbook.client.vectors import FILE
from schemas.codec import encode
from schemas.commands import decode_command
from schemas.reasons import Reason
from schemas.records import MerklePath
from schemas.refusal import Refused
from schemas.signing import encode_bytes, merkle_tree
from tests.unit.test_signing_vectors import named, signed_of

VECTORS: dict[str, Any] = json.loads(FILE.read_text())
NOT_OF_THE_FIRST = {"authorise_halter", "halt_market", "resume_market", "bust_trade", "cancel_all_after"}


def kind_of(vector: dict[str, Any]) -> str:
    kind: str = json.loads(vector["command"])["command"]
    return kind


@pytest.mark.parametrize("vector", named("accepted"))
def test_accepted(vector):
    opened = open_signed(signed_of(vector))
    assert opened.refused is None
    assert opened.command == decode_command(vector["command"].encode())


def test_every_kind_of_command_is_tried():
    assert {kind_of(vector) for vector in VECTORS["accepted"]} == set(GRAMMAR)


@pytest.mark.parametrize("vector", named("accepted"))
def test_what_an_engine_version_does_not_have_is_unknown_to_it(vector):
    """Before a genesis the first rules hold."""
    opened = open_signed(signed_of(vector))
    if kind_of(vector) not in NOT_OF_THE_FIRST:
        assert opened.command_under(None) == opened.command
        return
    with pytest.raises(Refusal) as refused:
        opened.command_under(None)
    assert refused.value.reason is Reason.UNKNOWN_RECORD


@pytest.mark.parametrize("vector", named("refused_signatures"))
def test_refused_signatures(vector):
    opened = open_signed(signed_of(vector))
    assert (opened.command, opened.refused) == (None, vector["reason"])


@pytest.mark.parametrize("vector", named("refused_bytes"))
def test_bytes_that_are_not_canonical_are_no_command(vector):
    with pytest.raises(Refusal) as refused:
        read_command(vector["bytes"].encode())
    assert refused.value.reason in FAULTS_OF_FORM


@pytest.mark.parametrize("vector", named("accepted"))
def test_whatever_one_byte_is_changed_to_both_decoders_agree(vector):
    raw = vector["command"].encode()
    for at in range(len(raw)):
        for other in b'"0a.,{}\\ \x1f\x80':
            changed = raw[:at] + bytes([other]) + raw[at + 1 :]
            assert read_or_none(changed) == decode_or_none(changed), changed
        shorter = raw[:at] + raw[at + 1 :]
        assert read_or_none(shorter) == decode_or_none(shorter), shorter


def read_or_none(raw: bytes) -> Any:
    try:
        return read_command(raw)
    except Refusal as refusal:
        assert refusal.reason in FAULTS_OF_FORM
        return None


def decode_or_none(raw: bytes) -> Any:
    try:
        return decode_command(raw)
    except Refused:
        return None


@pytest.mark.parametrize("vector", VECTORS["batches"], ids=lambda batch: f"{len(batch['commands'])} commands")
def test_paths_lead_to_the_root(vector):
    for command, path in zip(vector["commands"], vector["paths"], strict=True):
        assert batch_root(command.encode(), MerklePath(**path)).hex() == vector["root"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 31, 33])
def test_no_other_leaf_and_no_other_index_leads_there(size):
    leaves = [b"leaf %d" % number for number in range(size)]
    root, paths = merkle_tree(leaves)
    for index, leaf in enumerate(leaves):
        hashes = [encode_bytes(sibling) for sibling in paths[index]]
        assert batch_root(leaf, MerklePath(index, size, hashes)) == root
        assert batch_root(leaf + b"!", MerklePath(index, size, hashes)) != root
        for other in set(range(size)) - {index}:
            try:
                assert batch_root(leaf, MerklePath(other, size, hashes)) != root
            except Refusal as refusal:
                assert refusal.reason is Reason.BAD_SIGNATURE


def test_keys_name_their_accounts():
    for key in VECTORS["keys"]:
        assert account_of(key["public"]) == key["account"]


def test_points_of_small_order():
    """All eight of them, as RFC 8032's curve has them; and the base point, which is not."""
    order_eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    small = [
        "01" + 31 * "00", "ec" + 30 * "ff" + "7f", 32 * "00", 31 * "00" + "80", order_eight, order_eight[:-2] + "85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ]  # fmt: skip
    assert all(is_of_small_order(bytes.fromhex(point)) for point in small)
    assert not is_of_small_order(bytes.fromhex("58" + 31 * "66"))


def test_what_was_opened_before_is_not_checked_again():
    openings, signed = Openings(remembered=2), [Raw(encode(signed_of(vector))) for vector in VECTORS["accepted"][:3]]
    first = [openings.open(raw) for raw in signed]
    assert openings.open(signed[2]) is first[2]
    assert openings.open(signed[0]) is not first[0], "the oldest is forgotten"
    assert openings.open(Raw(b'{"command":1')) is None

"""Keys, signatures and inclusion paths: an independent tree as the oracle, and every byte tampered with."""

import stat
from decimal import Decimal
from pathlib import Path

import msgspec
import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from glassbook.client.keys import KINDS, BadKey, Key, load_key, load_key_file, save_key
from glassbook.client.signer import Nonces, Signer, sign_command
from glassbook.client.vectors.material import KEYS, TIME_MS, batch, delegation, limit
from schemas.authority import open_signed
from schemas.commands import Side, TimeInForce, decode_command, encode_command
from schemas.reasons import Reason
from schemas.records import Delegation
from schemas.refusal import Refused
from schemas.signing import (
    MAX_BATCH,
    MAX_PATH,
    P256_ORDER,
    check_signature,
    decode_bytes,
    encode_bytes,
    merkle_tree,
    root_from_path,
)

LEAVES = st.lists(st.binary(max_size=80), min_size=1, max_size=70)


def oracle(leaves: list[bytes]) -> pymerkle.InmemoryTree:
    return pymerkle.InmemoryTree.init_from_entries(leaves, algorithm="sha256")


# --- trees


@given(LEAVES)
def test_roots_are_those_of_rfc_6962(leaves):
    assert merkle_tree(leaves)[0] == oracle(leaves).get_root()


@given(LEAVES)
def test_every_path_leads_to_the_root_and_is_the_oracles(leaves):
    root, paths = merkle_tree(leaves)
    tree = oracle(leaves)
    for index, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        assert root_from_path(leaf, index, len(leaves), path) == root
        theirs = tree.prove_inclusion(index + 1).serialize()["path"]
        assert [item.hex() for item in path] == theirs[1:]  # theirs begins with the leaf's own hash


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=70, unique=True), st.data())
def test_a_path_fits_only_its_own_leaf_and_place(leaves, data):
    root, paths = merkle_tree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda other: other != index) | st.none())
    if other is not None:
        assert _root_or_none(leaves[index], other, len(leaves), paths[index]) != root
    assert _root_or_none(leaves[index] + b"x", index, len(leaves), paths[index]) != root
    for place, item in enumerate(paths[index]):
        changed = bytes([item[0] ^ 1]) + item[1:]
        assert root_from_path(leaves[index], index, len(leaves), _with(paths[index], place, changed)) != root
    assert _root_or_none(leaves[index], index, len(leaves), [*paths[index], bytes(32)]) is None
    if paths[index]:
        assert _root_or_none(leaves[index], index, len(leaves), paths[index][:-1]) is None


def _with(path: list[bytes], place: int, item: bytes) -> list[bytes]:
    return [*path[:place], item, *path[place + 1 :]]


def _root_or_none(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    try:
        return root_from_path(leaf, index, size, path)
    except Refused:
        return None


def test_the_longest_path_of_the_largest_batch():
    _, paths = merkle_tree([str(number).encode() for number in range(MAX_BATCH)])
    assert max(map(len, paths)) == MAX_PATH


# --- signatures


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(message=st.binary(max_size=300))
def test_what_a_key_signs_holds_for_these_bytes_only(kind, message):
    key = Key(kind, bytes(31) + b"\7")
    signature = key.sign(message)
    check_signature(key.public, signature, message)
    assert key.sign(message) == signature
    for wrong in (message + b"\0", message[:-1] if message else b"\0"):
        with pytest.raises(Refused) as refused:
            check_signature(key.public, signature, wrong)
        assert refused.value.reason is Reason.BAD_SIGNATURE


@settings(max_examples=50)
@given(message=st.binary(max_size=100))
def test_p256_signs_with_low_s(message):
    assert int.from_bytes(decode_bytes(KEYS["bob"].sign(message))[32:]) <= P256_ORDER // 2


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_no_bit_of_a_signature_can_change(name):
    signed = sign_command(limit(name, 1), KEYS[name])
    data = decode_bytes(signed.signature)
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused):
            open_signed(replace(signed, signature=encode_bytes(bytes(changed))))


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_no_byte_of_a_command_can_change(name):
    signed = sign_command(limit(name, 1), KEYS[name])
    raw = bytes(signed.command)
    for place, byte in enumerate(raw):
        for other in {byte ^ 1, ord("0"), ord("1"), ord(" ")} - {byte}:
            changed = raw[:place] + bytes([other]) + raw[place + 1 :]
            with pytest.raises(Refused):
                open_signed(replace(signed, command=Raw(changed)))


def test_no_byte_of_a_batch_part_can_change():
    part = batch("alice", [limit("alice", number) for number in range(1, 6)])[3]
    assert part.path is not None
    for place, item in enumerate(part.path.hashes):
        data = decode_bytes(item)
        for byte in range(32):
            changed = data[:byte] + bytes([data[byte] ^ 1]) + data[byte + 1 :]
            hashes = [*part.path.hashes[:place], encode_bytes(changed), *part.path.hashes[place + 1 :]]
            with pytest.raises(Refused):
                open_signed(replace(part, path=replace(part.path, hashes=hashes)))


def test_no_byte_of_a_delegation_can_change():
    delegated = delegation("alice", "alice-trade", 7)
    signed = sign_command(limit("alice", 1), KEYS["alice-trade"], delegated)
    assert open_signed(signed).delegation is not None
    raw = bytes(delegated.command)
    for place, byte in enumerate(raw):
        changed = Raw(raw[:place] + bytes([byte ^ 1]) + raw[place + 1 :])
        with pytest.raises(Refused):
            open_signed(replace(signed, delegation=replace(delegated, command=changed)))


# --- key files


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_key_is_the_same_key_and_its_owners_alone(tmp_path, kind):
    key, path = Key.new(kind), tmp_path / "keys" / "me.json"
    delegated = delegation("alice", "alice-trade", 7)
    save_key(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["me.json"]
    assert load_key(path).sign(b"x") == key.sign(b"x")
    assert load_key_file(path).account == key.account
    save_key(tmp_path / "trade.json", key, delegated)
    assert load_key_file(tmp_path / "trade.json").account == KEYS["alice"].account


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o600, "there is no key file"),
        ("{}", 0o600, "missing required field `public`"),
        ("\xff", 0o600, "is no key file"),
        ('{"public":"rsa:AA","private":"AA"}', 0o600, "unknown kind of key 'rsa:AA'"),
        ('{"public":"ed25519:AA","private":"AA"}', 0o600, "a private key has 32 bytes, this one has 1"),
        ('{"public":"ed25519:AA","private":"A"}', 0o600, "its private key is malformed"),
        (f'{{"public":"ed25519:AA","private":"{"A" * 43}"}}', 0o600, "doesn't belong to its private key"),
        (f'{{"public":"p256:AA","private":"{"A" * 43}"}}', 0o600, "lies between 1 and the curve's order"),
        ("{}", 0o644, "can be read by others (mode 0644): chmod 600 it"),
    ],
)
def test_key_files_that_are_none(tmp_path, text, mode, said):
    path = tmp_path / "key.json"
    if text is not None:
        _write(path, text, mode)
    with pytest.raises(BadKey) as error:
        load_key(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_is_never_written_over(tmp_path):
    path = tmp_path / "me.json"
    key = Key.new()
    save_key(path, key)
    with pytest.raises(BadKey, match="exists already"):
        save_key(path, Key.new())
    assert load_key(path).public == key.public
    assert len(list(tmp_path.iterdir())) == 1


def test_keys_keep_their_secret_out_of_their_repr():
    key = Key("ed25519", b"\1" * 32)
    assert repr(key) == f"<Key {key.public}>"


# --- what a signer makes


def test_nonces_rise_even_when_the_clock_stands_or_falls():
    times = iter([100, 100, 50, 101, 500])
    nonces = Nonces(lambda: next(times))
    assert [nonces.next() for _ in range(5)] == [100, 101, 102, 103, 500]


def test_a_signer_fills_in_and_signs_for_its_account():
    signer = Signer(KEYS["bob"], "glassbook-test", clock=lambda: TIME_MS, window_ms=5000)
    order = signer.limit_order("AMZN-USD", "SELL", 3, Decimal("223.80"), time_in_force="IOC", client_order_id="a")
    assert (order.account, order.nonce, order.time_ms, order.deadline_ms) == (
        KEYS["bob"].account, TIME_MS, TIME_MS, TIME_MS + 5000,
    )  # fmt: skip
    assert (order.side, order.time_in_force, order.price, order.quantity) == (
        Side.SELL, TimeInForce.IOC, "223.80", "3",
    )  # fmt: skip
    assert open_signed(signer.sign(order)).command == order


def test_a_trade_key_signs_with_its_delegation():
    root = Signer(KEYS["alice"], "glassbook-test", clock=lambda: TIME_MS)
    delegated = root.delegate(KEYS["alice-browser"].public, TIME_MS + 1000)
    again = msgspec.json.decode(msgspec.json.encode(delegated), type=Delegation)  # as from a key file
    signer = Signer(KEYS["alice-browser"], "glassbook-test", again, clock=lambda: TIME_MS)
    assert signer.account == KEYS["alice"].account
    opened = open_signed(signer.sign(signer.cancel_all()))
    assert opened.key == KEYS["alice-browser"].public
    batched = signer.sign_batch([signer.cancel_all(), signer.market_order("AMZN-USD", "SELL", "1")])
    assert batched.delegation == again
    root_hash, _ = merkle_tree([bytes(command) for command in batched.commands])
    check_signature(signer.key.public, batched.signature, b"glassbook batch v1\n" + root_hash)


def test_two_decimals_make_two_texts_but_floats_make_none():
    signer = Signer(KEYS["alice"], "glassbook-test")
    assert signer.limit_order("X", "BUY", Decimal("1E+3"), Decimal("1E-7")).price == "0.0000001"
    with pytest.raises(TypeError, match="float"):
        signer.limit_order("X", "BUY", 1, 0.1)  # type: ignore[arg-type]


def test_commands_of_a_signer_are_canonical():
    signer = Signer(KEYS["alice"], "glassbook-test")
    for command in (
        signer.limit_order("AMZN-USD", "BUY", 1, "2"),
        signer.market_order("AMZN-USD", "BUY", max_quote="5"),
        signer.cancel_order(client_order_id="a"),
        signer.amend_order("3", order_id="1-2"),
        signer.cancel_all(),
        signer.revoke_key(KEYS["bob"].public),
        signer.withdraw("USD", "1", "home"),
    ):
        assert decode_command(encode_command(command)) == command

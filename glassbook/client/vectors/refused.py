"""Vectors that every implementation must refuse, for the reason given."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from glassbook.client.signer import sign_command
from glassbook.client.vectors.material import EXCHANGE, KEYS, as_vector, batch, delegation, limit, stamp
from schemas.commands import Withdraw, encode_command
from schemas.reasons import Reason
from schemas.records import MerklePath, SignedCommand
from schemas.signing import BATCH_PREFIX, P256_ORDER, account_of, decode_bytes, encode_bytes, leaf_hash, merkle_tree

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ED25519_BASE = bytes.fromhex("58" + "66" * 31)
SMALL_ORDER_KEY = bytes.fromhex("01" + "00" * 31)


def refused_signatures() -> list[dict[str, Any]]:
    """Signed commands whose bytes are canonical, but which nobody with the right to do so signed."""
    cases = [*_bad_signatures(), *_bad_keys(), *_bad_delegations(), *_bad_paths()]
    return [as_vector(name, signed) | {"reason": reason} for name, reason, signed in cases]


Case = tuple[str, Reason, SignedCommand]


def _bad_signatures() -> Iterator[Case]:
    alice = sign_command(limit("alice", 1), KEYS["alice"])
    bob = sign_command(limit("bob", 1), KEYS["bob"])
    other = sign_command(limit("alice", 2), KEYS["alice"])
    bad = Reason.BAD_SIGNATURE

    def signed(signature: str, of: SignedCommand = alice) -> SignedCommand:
        return replace(of, signature=signature)

    yield "no signature", Reason.NO_SIGNATURE, signed("")
    yield "the signature of another command", bad, signed(other.signature)
    yield "another command under the signature", bad, replace(alice, command=other.command)
    yield "Ed25519, malleated: S + L", bad, signed(_plus_order(alice.signature))
    yield "P-256, high s", bad, signed(_high_s(bob.signature), bob)
    yield "P-256, s is zero", bad, signed(_with_s(bob.signature, 0), bob)
    yield "P-256, r and s above the order", bad, signed(encode_bytes(b"\xff" * 64), bob)
    yield "P-256, signature in DER", bad, signed(encode_bytes(b"\x30\x44" + decode_bytes(bob.signature)), bob)
    yield "63 bytes", bad, signed(encode_bytes(decode_bytes(alice.signature)[:-1]))
    yield "base64 with padding", bad, signed(alice.signature + "==")
    yield "base64 with stray low bits", bad, signed(_stray_bits(alice.signature))
    yield "base64 of the standard alphabet", bad, signed(_standard_alphabet())
    yield "white space in the signature", bad, signed(alice.signature[:43] + "\n" + alice.signature[43:])


def _bad_keys() -> Iterator[Case]:
    alice = sign_command(limit("alice", 1), KEYS["alice"])
    bob = sign_command(limit("bob", 1), KEYS["bob"])
    yield "another account's key", Reason.WRONG_ACCOUNT, sign_command(limit("alice", 1), KEYS["bob"])
    yield (
        "a trade key without its delegation",
        Reason.WRONG_ACCOUNT,
        sign_command(limit("alice", 1), KEYS["alice-trade"]),
    )
    # R = B and S = 1 satisfy the equation for every message where the key is the identity: whoever checks only the
    # equation accepts it.
    small = f"ed25519:{encode_bytes(SMALL_ORDER_KEY)}"
    forged = encode_bytes(ED25519_BASE + (1).to_bytes(32, "little"))
    yield "a key of small order", Reason.BAD_KEY, _own_account(small, forged)
    yield "a key of unknown kind", Reason.BAD_KEY, _own_account("rsa:" + alice.key.partition(":")[2], alice.signature)
    yield "a key of 31 bytes", Reason.BAD_KEY, _own_account(f"ed25519:{encode_bytes(bytes(31))}", alice.signature)
    not_on_curve = f"p256:{encode_bytes(bytes([2]) + (1).to_bytes(32))}"
    yield "P-256, no point on the curve", Reason.BAD_KEY, _own_account(not_on_curve, bob.signature)
    padded = KEYS["alice"].public + "="
    yield "a key with padding", Reason.BAD_KEY, _own_account(padded, alice.signature)


def _own_account(key: str, signature: str) -> SignedCommand:
    """A command of the account that this text of a key would own."""
    command = replace(limit("alice", 1), account=account_of(key))
    return SignedCommand(Raw(encode_command(command)), key, signature)


def _bad_delegations() -> Iterator[Case]:
    good = delegation("alice", "alice-trade", 7)
    order, trade = limit("alice", 10), KEYS["alice-trade"]
    wrong = Reason.WRONG_ACCOUNT
    yield "delegated to another key", wrong, sign_command(order, KEYS["bob-trade"], good)
    yield (
        "delegated by another account",
        wrong,
        sign_command(order, KEYS["bob-trade"], delegation("bob", "bob-trade", 7)),
    )
    yield (
        "delegated by a trade key",
        wrong,
        sign_command(order, trade, delegation("alice", "alice-trade", 7, "bob-trade")),
    )
    yield (
        "the delegation is another command",
        wrong,
        sign_command(order, trade, replace(good, command=Raw(encode_command(limit("alice", 7))))),
    )
    forged = replace(good, signature=delegation("alice", "alice-browser", 8).signature)
    yield "the delegation's signature is another's", Reason.BAD_SIGNATURE, sign_command(order, trade, forged)
    money = Withdraw(asset="USD", amount="1", destination="elsewhere", **stamp("alice", 10))
    yield "a withdrawal by a trade key", Reason.ROOT_KEY_REQUIRED, sign_command(money, trade, good)


def _bad_paths() -> Iterator[Case]:
    parts = batch("alice", [limit("alice", 100 + number) for number in range(5)])
    third, path = parts[2], parts[2].path
    assert path is not None
    bad = Reason.BAD_SIGNATURE

    def with_path(index: int, size: int, hashes: list[str], of: SignedCommand = third) -> SignedCommand:
        return replace(of, path=MerklePath(index, size, hashes))

    hashes = path.hashes
    yield "the batch's signature without a path", bad, replace(third, path=None)
    yield "another command's path", bad, replace(third, path=parts[3].path)
    yield "path: two hashes changed places", bad, with_path(2, 5, [hashes[1], hashes[0], hashes[2]])
    yield "path: too short", bad, with_path(2, 5, hashes[:-1])
    yield "path: too long", bad, with_path(2, 5, [*hashes, hashes[0]])
    yield "path: index outside the batch", bad, with_path(5, 5, hashes)
    yield "path: negative index", bad, with_path(-1, 5, hashes)
    yield "path: an empty batch", bad, with_path(0, 0, [])
    yield "path: a batch of 1,025", bad, with_path(2, 1025, hashes)
    yield "path: a hash of 31 bytes", bad, with_path(2, 5, [encode_bytes(bytes(31)), *hashes[1:]])
    yield "path: a hash with padding", bad, with_path(2, 5, [hashes[0] + "=", *hashes[1:]])
    # An inner node passed off as a leaf: the two prefixes of RFC 6962 rule it out.
    leaves = [encode_command(limit("alice", 100 + number)) for number in range(2)]
    root, _ = merkle_tree(leaves)
    plain = KEYS["alice"].sign(root)
    yield (
        "a batch's root signed without its prefix",
        bad,
        replace(batch("alice", [limit("alice", 100), limit("alice", 101)])[0], signature=plain),
    )
    yield (
        "a batch's prefix over a single command",
        bad,
        SignedCommand(Raw(leaves[0]), KEYS["alice"].public, KEYS["alice"].sign(BATCH_PREFIX + leaf_hash(leaves[0]))),
    )


# --- changed signatures


def _plus_order(signature: str) -> str:
    data = decode_bytes(signature)
    s = int.from_bytes(data[32:], "little") + ED25519_ORDER
    return encode_bytes(data[:32] + s.to_bytes(32, "little"))


def _with_s(signature: str, s: int) -> str:
    return encode_bytes(decode_bytes(signature)[:32] + s.to_bytes(32))


def _high_s(signature: str) -> str:
    return _with_s(signature, P256_ORDER - int.from_bytes(decode_bytes(signature)[32:]))


def _stray_bits(signature: str) -> str:
    """64 bytes leave four unused bits in the last character; a lax reader ignores them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]


def _standard_alphabet() -> str:
    """A signature of alice's that holds - or _, in the alphabet with + and /."""
    signature = sign_command(limit("alice", 1), KEYS["alice"]).signature
    changed = signature.replace("-", "+").replace("_", "/")
    assert changed != signature
    return changed


# --- bytes that aren't canonical


def refused_bytes() -> list[dict[str, Any]]:
    """Texts that are no command's canonical bytes, whoever signed them."""
    good = encode_command(limit("alice", 1)).decode()
    fields = msgspec.json.decode(good)
    turned = dict(reversed(fields.items()))

    def changed(old: str, new: str) -> str:
        assert old in good
        return good.replace(old, new)

    cases = [
        ("white space", Reason.NOT_CANONICAL, changed('","', '", "')),
        ("fields in another order", Reason.NOT_CANONICAL, msgspec.json.encode(turned).decode()),
        ("a default spelled out", Reason.NOT_CANONICAL, good[:-1] + ',"post_only":false}'),
        ("null for a field left out", Reason.NOT_CANONICAL, good[:-1] + ',"max_quote":null}'),
        ("an escape that isn't needed", Reason.NOT_CANONICAL, changed("AMZN", "\\u0041MZN")),
        ("a byte behind it", Reason.NOT_JSON, good + "x"),
        ("a line break behind it", Reason.NOT_CANONICAL, good + "\n"),
        ("a field twice", Reason.DUPLICATE_FIELD, changed('"price":"223.81"', '"price":"223.81","price":"223.81"')),
        ("an unknown field", Reason.UNKNOWN_FIELD, good[:-1] + ',"stop_price":"1"}'),
        ("a float", Reason.WRONG_TYPE, changed('"223.81"', "223.81")),
        ("an integer for a decimal string", Reason.WRONG_TYPE, changed('"21"', "21")),
        ("NaN", Reason.WRONG_TYPE, changed('"223.81"', "NaN")),
        ("a string for an integer", Reason.WRONG_TYPE, changed('"nonce":1', '"nonce":"1"')),
        ("a nonce of 2^63", Reason.WRONG_TYPE, changed('"nonce":1', '"nonce":9223372036854775808')),
        ("a line break in the client order id", Reason.BAD_CLIENT_ORDER_ID, changed("order-1", "order\\n1")),
        ("a side of its own", Reason.WRONG_TYPE, changed("BUY", "buy")),
        ("a missing field", Reason.MISSING_FIELD, changed('"symbol":"AMZN-USD",', "")),
        ("an unknown command", Reason.UNKNOWN_RECORD, changed("new_order", "newest_order")),
        ("not JSON", Reason.NOT_JSON, "new_order"),
        ("longer than 4,096 bytes", Reason.RECORD_TOO_LARGE, changed("order-1", "o" * 4096)),
    ]
    assert EXCHANGE in good
    return [{"name": name, "bytes": text, "reason": reason} for name, reason, text in cases]

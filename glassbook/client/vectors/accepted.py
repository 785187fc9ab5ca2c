"""Vectors that every implementation must make, or accept, exactly so."""

from typing import Any

from glassbook.client.signer import read_message, sign_command
from glassbook.client.vectors.material import (
    EXCHANGE,
    KEYS,
    TIME_MS,
    as_vector,
    batch,
    delegation,
    every_command,
    limit,
)
from schemas.commands import encode_command
from schemas.signing import BATCH_PREFIX, leaf_hash, merkle_tree

BATCH_SIZES = (1, 2, 3, 5, 8, 20)


def accepted() -> list[dict[str, Any]]:
    """Signed commands: each kind, both kinds of key, trade keys with their delegation, parts of a batch."""
    found = [(name, sign_command(command, KEYS[key])) for name, key, command in every_command()]
    for trade, nonce in (("alice-trade", 7), ("alice-browser", 8)):
        delegated = delegation("alice", trade, nonce)
        found.append((f"limit order by {trade}", sign_command(limit("alice", 10), KEYS[trade], delegated)))
        parts = batch(trade, [limit("alice", 11), limit("alice", 12)], delegated)
        found.append((f"second command of a batch by {trade}", parts[1]))
    return [as_vector(name, signed) for name, signed in found]


def batches() -> list[dict[str, Any]]:
    """Whole batches with their trees, of sizes that are and aren't powers of two."""
    result = []
    for size in BATCH_SIZES:
        name = "alice" if size % 2 else "bob"
        commands = [limit(name, 100 + number) for number in range(size)]
        leaves = [encode_command(command) for command in commands]
        root, _ = merkle_tree(leaves)
        parts = batch(name, commands)
        result.append(
            {
                "key": KEYS[name].public,
                "commands": [leaf.decode() for leaf in leaves],
                "leaf_hashes": [leaf_hash(leaf).hex() for leaf in leaves],
                "root": root.hex(),
                "message": (BATCH_PREFIX + root).hex(),
                "signature": parts[0].signature,
                "paths": [part.path for part in parts],
            }
        )
    return result


def reads() -> list[dict[str, Any]]:
    """Private reads: what is signed, and the headers that say so."""
    result = []
    for name, target in (("alice", "/api/v1/balances"), ("bob", "/api/v1/orders?status=open&symbol=AMZN-USD")):
        key = KEYS[name]
        message = read_message(EXCHANGE, target, key.account, TIME_MS)
        headers = {
            "Glassbook-Account": key.account,
            "Glassbook-Key": key.public,
            "Glassbook-Time": str(TIME_MS),
            "Glassbook-Signature": key.sign(message),
        }
        result.append({"target": target, "message": message.decode(), "headers": headers})
    return result

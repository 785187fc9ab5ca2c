"""A signed batch as it travels: each command by itself, with the one signature and its own inclusion path. Pure."""

from collections.abc import Sequence

from msgspec import Raw

from schemas.records import Delegation, MerklePath, SignedCommand
from schemas.signing import encode_bytes


def members_of_batch(
    leaves: Sequence[bytes],
    paths: Sequence[Sequence[bytes]],
    key: str,
    signature: str,
    delegation: Delegation | None = None,
) -> list[SignedCommand]:
    """`leaves` are the commands' canonical bytes, `paths` what `merkle_tree` gives for them; `signature` is over its
    root."""
    return [
        SignedCommand(
            Raw(leaf), key, signature, delegation,
            MerklePath(index, len(leaves), [encode_bytes(sibling) for sibling in path]),
        )
        for index, (leaf, path) in enumerate(zip(leaves, paths, strict=True))
    ]  # fmt: skip

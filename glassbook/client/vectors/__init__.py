"""Signing test vectors: `python -m glassbook.client.vectors` writes schemas/vectors/signing.json.

Clients in any language are tested by them. Deterministic: fixed private keys, fixed times, signatures without
randomness. Next to what must be accepted stands what must be refused, each with its reason.
"""

from pathlib import Path
from typing import Any

import msgspec

from glassbook.client.vectors.accepted import accepted, batches, reads
from glassbook.client.vectors.material import EXCHANGE, KEYS, private_bytes
from glassbook.client.vectors.refused import refused_bytes, refused_signatures

FILE = Path(__file__).parent.parent.parent.parent / "schemas" / "vectors" / "signing.json"
ABOUT = (
    "Test vectors of Glassbook's signatures; docs/signing.md says how they are made. A command stands as the text of"
    " its canonical bytes; in a request these bytes stand in the place of that text. Keys, signatures and hashes of"
    " paths are base64url without padding, everything else that isn't text is hex. The private keys are known to"
    " everybody: never use them."
)


def vectors() -> dict[str, Any]:
    keys = [
        {"name": name, "private": private_bytes(name).hex(), "public": key.public, "account": key.account}
        for name, key in KEYS.items()
    ]
    return {
        "about": ABOUT,
        "exchange": EXCHANGE,
        "keys": keys,
        "accepted": accepted(),
        "batches": batches(),
        "reads": reads(),
        "refused_signatures": refused_signatures(),
        "refused_bytes": refused_bytes(),
    }


def text() -> str:
    return msgspec.json.format(msgspec.json.encode(vectors()), indent=1).decode() + "\n"

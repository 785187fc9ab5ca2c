"""Whose history it is: the exchange's domain, which is the first thing that stands on its log."""

import msgspec

from glassbook.operator_log import OperatorLog
from schemas.commands import Genesis
from schemas.topics import ACCOUNTS


def exchange_of(bootstrap_servers: str) -> str:
    """The domain that genesis gave it; "" on a log that has none yet."""
    place = (ACCOUNTS, 0)
    signed = OperatorLog(bootstrap_servers).genesis([place]).get(place)
    return "" if signed is None else msgspec.json.decode(signed.command, type=Genesis).exchange

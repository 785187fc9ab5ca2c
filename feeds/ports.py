"""What other parts of the exchange lend to the streams' connections. Whoever puts the process together hands it in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol


class Request(NamedTuple):
    """A call of order entry: the body of its REST request, how long to wait, and who asks."""

    body: bytes
    wait: str | None
    timeout_ms: int | None
    address: str


Method = Callable[[Request], Awaitable[tuple[int, bytes]]]
"""Answers with a status and the document that REST would answer; never raises."""

Methods = Mapping[str, Method]


class Accounts(Protocol):
    """The private stream of an account's owner."""

    def open(self, auth: bytes, tell: Callable[[bytes], None]) -> tuple[bytes, Callable[[], None]]:
        """How the account is; from then on all that happens to it is told, until what is returned with it is called.
        `Refused` unless `auth` is signed by its owner."""
        ...

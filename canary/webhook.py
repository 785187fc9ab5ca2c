"""An alert's way to a webhook: what is sent, under which signature, how often, and what is kept of those that failed.

Every alert is a POST of its record's very bytes. `Glassbook-Signature` is over `SIGNED_PREFIX`, the time and the body;
who receives it checks it with the key that `glassbook canary key` shows, refuses old times, and knows repeats by
`alert_id`. Pure but for the file of failed ones.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

SIGNED_PREFIX = b"glassbook alert v1\n"
TIME_HEADER = "Glassbook-Time"
KEY_HEADER = "Glassbook-Key"
SIGNATURE_HEADER = "Glassbook-Signature"

MAX_FAILED = 1_000
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
TRY_AGAIN = frozenset({408, 425, 429})
"""Of the answers that blame the request, those that another try may get over."""

Sign = Callable[[bytes], str]
"""A message → its signature's text."""


class FailedAlert(Struct, frozen=True):
    """An alert that the webhook didn't take, with the last that was heard."""

    time_ms: int  # the host's, when it was given up
    attempts: int
    why: str
    alert: Raw


_failed_decoder = msgspec.json.Decoder(FailedAlert)


def signed_message(time_ms: int, body: bytes) -> bytes:
    return SIGNED_PREFIX + str(time_ms).encode() + b"\n" + body


def headers(body: bytes, time_ms: int, public_key: str, sign: Sign) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        TIME_HEADER: str(time_ms),
        KEY_HEADER: public_key,
        SIGNATURE_HEADER: sign(signed_message(time_ms, body)),
    }


def waits_s(attempts: int) -> Iterator[float]:
    """How long to wait before each further attempt: twice as long each time, up to a minute."""
    for attempt in range(attempts - 1):
        yield min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)


def is_taken(status: int) -> bool:
    return 200 <= status < 300


def may_try_again(status: int) -> bool:
    return status >= 500 or status in TRY_AGAIN


class FailedAlerts:
    """The last `limit` failed ones, oldest first, in a file that is whole at any moment."""

    def __init__(self, path: Path, limit: int = MAX_FAILED) -> None:
        self._path = path
        self._limit = limit

    def add(self, failed: FailedAlert) -> None:
        lines = [msgspec.json.encode(kept) for kept in (*self.read(), failed)][-self._limit :]
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def read(self) -> list[FailedAlert]:
        if not self._path.exists():
            return []
        return [_failed_decoder.decode(line) for line in self._path.read_bytes().splitlines() if line]

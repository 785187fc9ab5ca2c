"""The client that renews its mandate: how often, what it puts up with, and what it leaves behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from glassbook.client.cancel_on_disconnect import CancelOnDisconnect, MandateRefused
from glassbook.client.keys import Key
from glassbook.client.signer import Signer
from glassbook.client.streams import Entered
from schemas.commands import CancelAllAfter, decode_command
from schemas.records import SignedCommand

TIMEOUT_MS = 90
PATIENCE_S = 20.0
TAKEN = Entered(200, {"event": {"event": "mandate_armed", "command_id": "0-1", "due_ms": 7}})
FULL = Entered(503, {"code": "LOG_UNAVAILABLE", "detail": "the log takes no more for now"})
REFUSED = Entered(403, {"code": "KEY_REVOKED", "detail": ""})


class Entry:
    """Order entry without a connection: keeps what was asked, and gives these answers, the last one for ever."""

    def __init__(self, *answers: Entered | Exception | None) -> None:
        self.timeouts: list[int] = []
        self._answers = list(answers)

    async def call(self, method: str, params: SignedCommand, **more: Any) -> Entered:
        assert method == "order.cancel_all_after"
        command = decode_command(bytes(params.command))
        assert isinstance(command, CancelAllAfter)
        self.timeouts.append(command.timeout_ms)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await asyncio.sleep(PATIENCE_S)  # it is never answered
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    async def until_asked(self, times: int) -> None:
        while len(self.timeouts) < times:
            await asyncio.sleep(0.005)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scene()

    asyncio.run(bounded())


def held(entry: Entry, ends: bool = False) -> CancelOnDisconnect:
    return CancelOnDisconnect(entry, Signer(Key.new(), "test"), TIMEOUT_MS, ends)  # type: ignore[arg-type]


def test_it_is_renewed_three_times_in_its_time_and_left_standing():
    async def scene() -> None:
        entry, started = Entry(TAKEN), asyncio.get_running_loop().time()
        async with held(entry) as mandate:
            await entry.until_asked(7)
            assert mandate.due_ms == 7
        assert asyncio.get_running_loop().time() - started >= 2 * TIMEOUT_MS / 1000
        assert set(entry.timeouts) == {TIMEOUT_MS}

    play(scene)


@pytest.mark.parametrize("hiccup", [FULL, None], ids=["not taken", "not answered"])
def test_a_renewal_that_is_lost_is_followed_by_another(hiccup):
    async def scene() -> None:
        entry = Entry(TAKEN, hiccup, TAKEN)
        async with held(entry):
            await entry.until_asked(4)

    play(scene)


def test_it_ends_when_the_block_ends_well_and_is_asked_to():
    async def scene() -> None:
        entry = Entry(TAKEN)
        async with held(entry, ends=True):
            await entry.until_asked(2)
        assert entry.timeouts[-1] == 0
        assert entry.timeouts.count(0) == 1

    play(scene)


def test_it_stands_when_the_block_fails():
    async def scene() -> None:
        entry = Entry(TAKEN)
        with pytest.raises(ZeroDivisionError):
            async with held(entry, ends=True):
                raise ZeroDivisionError
        assert 0 not in entry.timeouts

    play(scene)


def test_without_a_mandate_there_is_no_block():
    async def scene() -> None:
        for answer, why in ((FULL, "no mandate stands"), (REFUSED, "KEY_REVOKED")):
            with pytest.raises(MandateRefused, match=why):
                async with held(Entry(answer)):
                    pytest.fail("it was not taken")

    play(scene)


def test_an_end_that_is_not_taken_is_told():
    async def scene() -> None:
        entry = Entry(TAKEN, FULL)
        with pytest.raises(MandateRefused, match="the mandate stands"):
            async with held(entry, ends=True):
                pass
        assert entry.timeouts == [TIMEOUT_MS, 0]

    play(scene)


@pytest.mark.parametrize("why", [REFUSED, ConnectionResetError()], ids=["refused", "lost"])
def test_what_ends_the_renewals_can_be_waited_for(why):
    async def scene() -> None:
        entry = Entry(TAKEN, why)
        async with held(entry) as mandate:
            with pytest.raises((MandateRefused, ConnectionResetError)):
                await mandate.failed()
        assert len(entry.timeouts) == 2

    play(scene)


def test_each_is_a_command_of_its_own():
    """The same bytes would be the same command again."""
    signer = Signer(Key.new(), "test")
    raws = [msgspec.json.encode(signer.cancel_all_after(1_000)) for _ in range(3)]
    assert len(set(raws)) == 3

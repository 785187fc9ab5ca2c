"""The processes of a load: started, begun together, heard and ended."""

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from glassbook.errors import GlassbookError
from simulator.load.generator import main
from simulator.load.plan import Ended, Failed, Plan, Ready, Said, Start, Stop

START_S = 60.0
AHEAD_S = 0.3
END_S = 10.0


class Fleet:
    """As many processes as there are plans."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.connections = 0
        self._processes: list[SpawnProcess] = []
        self._open: list[Connection] = []
        # Who starts while Ctrl-C is ignored ignores it from its first moment on.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for plan in plans:
                self._start(plan)
        finally:
            signal.signal(signal.SIGINT, before)

    def _start(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(plan, theirs), name=f"load-{plan.number}")
        process.start()
        theirs.close()
        self._processes.append(process)
        self._open.append(ours)

    def begin(self) -> float:
        """Waits until all are ready; returns the moment, of `time.monotonic`, at which they start."""
        deadline = time.monotonic() + START_S
        missing = len(self._open)
        while missing:
            said = list(self.hear(1.0))
            missing -= sum(isinstance(one, Ready) for one in said)
            if time.monotonic() > deadline:
                raise GlassbookError(f"{missing} processes of the load are not ready after {START_S:.0f} s")
        at = time.monotonic() + AHEAD_S
        self._tell(Start(at))
        return at

    def stop(self) -> None:
        self._tell(Stop())

    def hear(self, patience_s: float) -> Iterator[Said]:
        """What has been said, after at most so long."""
        for found in wait(self._open, patience_s):
            assert isinstance(found, Connection)
            try:
                said: Said = found.recv()
            except EOFError:
                self._open.remove(found)
                raise GlassbookError("a process of the load died") from None
            if isinstance(said, Failed):
                raise GlassbookError(f"a process of the load failed: {said.why}")
            if isinstance(said, Ended):
                self._open.remove(found)
                self.connections += said.connections
            yield said

    @property
    def running(self) -> bool:
        return bool(self._open)

    def end(self) -> None:
        for connection in self._open:
            connection.close()
        for process in self._processes:
            process.join(END_S)
            if process.is_alive():
                process.kill()
                process.join()

    def _tell(self, message: Start | Stop) -> None:
        for connection in self._open:
            connection.send(message)


@contextmanager
def fleet(plans: Sequence[Plan]) -> Iterator[Fleet]:
    found = Fleet(plans)
    try:
        yield found
    finally:
        found.end()

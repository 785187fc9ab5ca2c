"""`python -m glassbook.supervisord OPTIONS`: supervisord, which sees at once that one of its children has ended.

By itself it looks after them once a second: a Python program takes signals up again where it waited, so SIGCHLD doesn't
wake it. Here every signal does, through a pipe. A child that dies again and again is started at the old pace, so that
it doesn't take the machine for itself.
"""

import contextlib
import os
import resource
import signal
import time
from collections import deque

from supervisor import poller, supervisord

# Children inherit it: a broker holds several files for each partition. supervisord's own `minfds` would do as well, but
# it closes that many descriptors, one by one, for every child.
OPEN_FILES = 65536
BURST = 4  # starts in so many seconds that are done at once


class PromptPoller(poller.Poller):  # type: ignore[misc]
    """supervisord's own poller, which also returns when a signal has arrived."""

    def initialize(self) -> None:
        super().initialize()
        self._signalled, wake = os.pipe()
        os.set_blocking(self._signalled, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._again = True  # what starts by itself starts behind the first poll
        self._hurried = deque[float](maxlen=BURST)

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        now = time.monotonic()
        if len(self._hurried) < BURST or now - self._hurried[0] > BURST:
            self.register_readable(self._signalled)
        elif self._signalled in self.readables:
            self.unregister_readable(self._signalled)
        # What ended is noticed behind a poll, and started again behind the next: that one must not wait either.
        readable, writable = super().poll(0 if self._again else timeout)
        self._again = self._signalled in readable
        if self._again:
            self._hurried.append(now)
            readable.remove(self._signalled)
            with contextlib.suppress(BlockingIOError):
                os.read(self._signalled, 4096)
        return readable, writable


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    poller.Poller = PromptPoller
    supervisord.main()


if __name__ == "__main__":
    main()

"""`python -m glassbook.supervisord OPTIONS`: supervisord, which sees at once that one of its children has ended.

By itself it looks after them once a second: a Python program takes signals up again where it waited, so SIGCHLD doesn't
wake it. Here every signal does, through a pipe.
"""

import contextlib
import os
import resource
import signal

from supervisor import poller, supervisord

# Children inherit it: a broker holds several files for each partition. supervisord's own `minfds` would do as well, but
# it closes that many descriptors, one by one, for every child.
OPEN_FILES = 65536


class PromptPoller(poller.Poller):  # type: ignore[misc]
    """supervisord's own poller, which also returns when a signal has arrived."""

    def initialize(self) -> None:
        super().initialize()
        self._signalled, wake = os.pipe()
        os.set_blocking(self._signalled, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._again = False

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        # What ended is noticed behind a poll, and started again behind the next: that one must not wait either.
        timeout, self._again = (0 if self._again else timeout), False
        self.register_readable(self._signalled)
        readable, writable = super().poll(timeout)
        if self._signalled in readable:
            readable.remove(self._signalled)
            self._again = True
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

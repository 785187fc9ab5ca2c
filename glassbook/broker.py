"""`python -m glassbook.broker FOLDER MIN_FREE_MB COMMAND...`: waits for room for the broker's log, then becomes it.

Kafka ends itself when its disk is full. The supervisor starts it again, and this waits for room without burning the
machine; once there is, the broker is back within a second. As exec keeps the pid, signals reach Kafka itself.
"""

import os
import shutil
import sys
import time
from pathlib import Path

POLL_S = 0.5


def free_mb(folder: Path) -> int:
    """Room for a user's files on the disk of `folder`, in MiB."""
    return shutil.disk_usage(folder).free >> 20


def wait_for_room(folder: Path, min_free_mb: int) -> None:
    told = False
    while free_mb(folder) < min_free_mb:
        if not told:
            print(f"waiting for {min_free_mb} MB of room on the disk of {folder}", flush=True)
            told = True
        time.sleep(POLL_S)


def main(arguments: list[str]) -> None:
    folder, min_free_mb, command = Path(arguments[0]), int(arguments[1]), arguments[2:]
    wait_for_room(folder, min_free_mb)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The end of log files, and what is added to them, as `tail -F` does: a file that is rotated away is opened anew."""

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from glassbook.errors import GlassbookError

POLL_S = 0.2


def show(folder: Path, program: str | None, lines: int, follow: bool, out: Callable[[str], None]) -> None:
    paths = sorted(folder.glob("*.log"))
    if program is not None:
        names = ", ".join(path.stem for path in paths)
        paths = [path for path in paths if path.stem == program]
        if not paths:
            raise GlassbookError(f"there is no log of {program} in {folder}: there are {names or 'none yet'}")
    readers = [_Reader(path, prefix=f"{path.stem}: " if len(paths) > 1 else "", out=out) for path in paths]
    try:
        for reader in readers:
            reader.last(lines)
        while follow:
            for reader in readers:
                reader.more()
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
    finally:
        for reader in readers:
            reader.close()


class _Reader:
    def __init__(self, path: Path, prefix: str, out: Callable[[str], None]) -> None:
        self._path, self._prefix, self._out = path, prefix, out
        self._file: TextIO = path.open(errors="replace")

    def last(self, lines: int) -> None:
        for line in deque(self._file, maxlen=lines):
            self._out(self._prefix + line.rstrip("\n"))

    def close(self) -> None:
        self._file.close()

    def more(self) -> None:
        try:
            rotated = self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:  # at this moment there is none
            rotated = False
        for line in self._file:  # after the look, so that the last lines of a rotated file are not missed
            self._out(self._prefix + line.rstrip("\n"))
        if rotated:
            self._file.close()
            self._file = self._path.open(errors="replace")

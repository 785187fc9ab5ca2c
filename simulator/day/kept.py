"""What is kept of a day that is played in parts, in the folder of its exchange: whose day, how far, and what each part
came to."""

from pathlib import Path

import msgspec
from msgspec import Struct

from simulator.day.report import Figures

NAME = "day.json"


class Kept(Struct):
    """`rows` are those of the day's file that have been sent, `run` names its brokers."""

    run: str
    rows: int = 0
    parts: list[Figures] = []

    @classmethod
    def read(cls, folder: Path) -> "Kept | None":
        path = folder / NAME
        return msgspec.json.decode(path.read_bytes(), type=cls) if path.exists() else None

    def come_to(self, rows: int, folder: Path | None) -> None:
        """So many have been sent. Written whole or not at all, where there is a folder."""
        self.rows = rows
        if folder is not None:
            unfinished = folder / f"{NAME}.new"
            unfinished.write_bytes(msgspec.json.encode(self))
            unfinished.replace(folder / NAME)

"""Who reads which stream, and how it reaches them: made into a WebSocket frame once, handed to each as the same bytes.

Knows no socket: a reader takes frames and decides by itself what to do when it can't pass them on.
"""

from typing import Protocol

from websockets.frames import Frame, Opcode

from feeds.session import stream_text
from feeds.stream import Stream


class Reader(Protocol):
    def send(self, frame: bytes) -> None:
        """Takes a whole WebSocket frame. Never waits and never raises."""
        ...


def text_frame(text: bytes) -> bytes:
    """As a server sends it: one frame, not masked, not compressed."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class Channel:
    """One stream. Publishing costs O(readers), and nothing without any."""

    __slots__ = ("_readers", "frames", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames = 0  # that were made, not how often they were sent
        self._readers: dict[Reader, None] = {}

    def __bool__(self) -> bool:
        """Whether anybody reads it."""
        return bool(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def add(self, reader: Reader) -> None:
        self._readers[reader] = None

    def remove(self, reader: Reader) -> None:
        self._readers.pop(reader, None)

    def frame(self, data: bytes) -> bytes:
        return text_frame(stream_text(self.stream, data))

    def publish(self, data: bytes) -> None:
        """One that is too slow leaves while it is being told, and the others don't notice."""
        if self._readers:
            self.frames += 1
            frame = self.frame(data)
            for reader in tuple(self._readers):
                reader.send(frame)

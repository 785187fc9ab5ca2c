"""A sink's store on the real engine, and a proxy that holds back what is on its way there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from glassbook.clickhouse import access
from glassbook.clickhouse_keys import SINK
from glassbook.settings import Settings
from sinks.__main__ import connect
from sinks.migrations import migrate, read_migrations
from sinks.store import Store


@contextmanager
def store(settings: Settings, member: str = "test", prepared: bool = True, **client: Any) -> Iterator[Store]:
    """As a sink has it, on the tables of the numbered files."""
    there = access(settings, SINK)
    made = Store(lambda: there.client(**client) if client else connect(there), member)
    try:
        if prepared:
            migrate(made, read_migrations())
        yield made
    finally:
        made.close()


def emptied(settings: Settings) -> None:
    """No table and no view any more: the next `store` makes them."""
    with store(settings, prepared=False) as writer:
        rows = writer.rows("SELECT name, engine FROM system.tables WHERE database = currentDatabase()")
        for name, engine in rows:
            writer.run(f"DROP {'VIEW' if engine == 'View' else 'TABLE'} IF EXISTS {name} SYNC")


class HoldingProxy:
    """Passes bytes on to ClickHouse; while it is held it keeps what clients send, and passes it on when let go."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self.held = threading.Event()  # something is being kept
        self.answers = b""  # all that the server has said
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._flowing.clear()

    def let_go(self) -> None:
        self._flowing.set()

    def close(self) -> None:
        self.let_go()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, holds: bool) -> None:
        """A client that hangs up leaves its connection to the server open, as one that stands still does."""
        with suppress(OSError):
            while data := source.recv(65536):
                if not holds:
                    self.answers += data
                elif not self._flowing.is_set():
                    self.held.set()
                    self._flowing.wait()
                with suppress(OSError):
                    target.sendall(data)

"""A system of its own for a benchmark: brokers and stages as `glassbook up` starts them, on free ports, in a temporary
folder that goes with it."""

import random
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glassbook.cluster import Cluster, Stage
from glassbook.settings import FIRST_EPHEMERAL_PORT, MAX_BROKERS, PORT_STEP, Settings

FIRST_PORT = 24_000
PORTS = 2 * PORT_STEP


def new_cluster(folder: Path, stages: Sequence[Stage] | None = None, **changes: object) -> Cluster:
    """One broker and these stages (None: all of them) on free ports, not yet started."""
    first = _free_ports()
    own: dict[str, object] = {
        "data_dir": folder,
        "kafka_port": first,
        "gateway_port": first + PORTS - 1,
        "bootstrap_servers": "",
    }
    return Cluster(Settings.model_validate(own | changes), 1, stages)


@contextmanager
def local_cluster(stages: Sequence[Stage] | None = None, **changes: object) -> Iterator[Cluster]:
    """The same, running, in a temporary folder; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="glassbook-benchmark-") as folder:
        cluster = new_cluster(Path(folder), stages, **changes)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def local_system(stages: Sequence[Stage] | None = (), **changes: object) -> Iterator[Settings]:
    """The settings of such a system."""
    with local_cluster(stages, **changes) as cluster:
        yield cluster.settings


def _free_ports() -> int:
    """The first of PORTS free ports, below those that the system hands out by itself."""
    for _ in range(100):
        first = random.randrange(FIRST_PORT, FIRST_EPHEMERAL_PORT - PORT_STEP * MAX_BROKERS, PORTS)
        if all(_is_free(port) for port in range(first, first + PORTS)):
            return first
    raise RuntimeError("found no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0

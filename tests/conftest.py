"""Fixtures of the real thing: brokers started by the code of `glassbook up`, on free ports, in temporary folders."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from glassbook.cluster import Cluster, Stage
from glassbook.settings import FIRST_EPHEMERAL_PORT, PORT_STEP, Settings

FIRST_PORT = 20000
PORTS_OF_A_CLUSTER = 3 * PORT_STEP
DISK_RESERVE_MB = 64

StartCluster = Callable[..., Cluster]


def free_ports() -> int:
    """The first of PORTS_OF_A_CLUSTER free ports, all below those that the system hands out itself."""
    for _ in range(100):
        first = random.randrange(FIRST_PORT, FIRST_EPHEMERAL_PORT - PORTS_OF_A_CLUSTER, PORTS_OF_A_CLUSTER)
        if all(_is_free(port) for port in range(first, first + PORTS_OF_A_CLUSTER)):
            return first
    raise RuntimeError("found no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def cluster_settings(data_dir: Path, **changes: object) -> Settings:
    """Settings for one more cluster on this machine; its gateway has the port below the next cluster's."""
    first = free_ports()
    own: dict[str, object] = {
        "data_dir": data_dir,
        "kafka_port": first,
        "gateway_port": first + PORTS_OF_A_CLUSTER - 1,
        "disk_reserve_mb": DISK_RESERVE_MB,
    }
    return Settings.model_validate(own | changes)


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCluster]:
    """Starts a cluster of its own, as often as it is called: `start_cluster(brokers=1, stages=())`.

    All are stopped when the session ends; a test that is done with its own stops it itself.
    """
    with ExitStack() as running:

        def start(brokers: int = 1, stages: tuple[Stage, ...] = (), **changes: object) -> Cluster:
            cluster = Cluster(cluster_settings(tmp_path_factory.mktemp("data"), **changes), brokers, stages)
            running.callback(cluster.stop)
            cluster.start()
            return cluster

        yield start


@pytest.fixture(scope="session")
def broker(start_cluster: StartCluster) -> str:
    """The bootstrap servers of one real broker for the whole session. Tests keep to topics of their own names."""
    return start_cluster().settings.bootstrap_servers

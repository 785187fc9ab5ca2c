"""Fixtures of the real thing: brokers started by the code of `glassbook up`, on free ports, in temporary folders."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from glassbook.cluster import Cluster, Stage
from simulator.own_system import own_settings

StartCluster = Callable[..., Cluster]


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCluster]:
    """Starts a cluster of its own, as often as it is called: `start_cluster(brokers=1, stages=())`.

    All are stopped when the session ends; a test that is done with its own stops it itself.
    """
    with ExitStack() as running:

        def start(brokers: int = 1, stages: tuple[Stage, ...] = (), **changes: object) -> Cluster:
            cluster = Cluster(own_settings(tmp_path_factory.mktemp("data"), **changes), brokers, stages)
            running.callback(cluster.stop)
            cluster.start()
            return cluster

        yield start


@pytest.fixture(scope="session")
def broker(start_cluster: StartCluster) -> str:
    """The bootstrap servers of one real broker for the whole session. Tests keep to topics of their own names."""
    return start_cluster().settings.bootstrap_servers

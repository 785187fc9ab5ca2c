"""Fixtures of the real thing: brokers started by the code of `glassbook up` and ClickHouse's embedded engine, on free
ports, in temporary folders; or both in containers, where `make test-containers` asks for that."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import structlog

from glassbook.cluster import Cluster, Stage
from glassbook.settings import Settings
from glassbook.topics_admin import wait_for_brokers
from simulator.faults import quiet
from simulator.own_system import own_settings
from tests import containers
from tests.integration.embedded_clickhouse import EmbeddedClickHouse

StartCluster = Callable[..., Cluster]
# A test's broker lives for a minute, in which it can't earn back what Java's second compiler takes.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
CONTAINER_START_S = 120


@pytest.fixture
def quiet_stages() -> Iterator[None]:
    """The stages say a line at each start; a simulation starts thousands."""
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCluster]:
    """Starts a cluster of its own, as often as it is called: `start_cluster(brokers=1, stages=())`.

    All are ended behind the module's last test; a test that is done with its own stops it itself.
    """
    with ExitStack() as running:

        def start(brokers: int = 1, stages: tuple[Stage, ...] = (), **changes: object) -> Cluster:
            cluster = Cluster(own_settings(tmp_path_factory.mktemp("data"), **changes), brokers, stages)
            running.callback(cluster.kill)
            cluster.start()
            return cluster

        yield start


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of one real broker for a module. Tests keep to topics of their own names."""
    if not containers.wanted():
        yield request.getfixturevalue("start_cluster")().settings.bootstrap_servers
        return
    settings = own_settings(tmp_path_factory.mktemp("data"))
    with containers.running(containers.kafka_plan(settings)):
        wait_for_brokers(settings.bootstrap_servers, 1, CONTAINER_START_S)
        yield settings.bootstrap_servers


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a real ClickHouse for a module's tests, empty at first.

    `access(clickhouse)` of glassbook.clickhouse reads it, `access(clickhouse, SINK)` writes to it.
    """
    data_dir = tmp_path_factory.mktemp("clickhouse")
    if containers.wanted():
        with containers.running(containers.clickhouse_plan()) as ports:
            containers.await_clickhouse(ports, CONTAINER_START_S)
            yield own_settings(data_dir, clickhouse_url=containers.clickhouse_url(ports))
        return
    server = EmbeddedClickHouse(data_dir)
    server.start()
    try:
        yield server.settings
    finally:
        server.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With containers, only what they can stand in for is run."""
    if not containers.wanted():
        return
    fitting = [item for item in items if containers.FIXTURES & set(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[item for item in items if item not in fitting])
    items[:] = fitting

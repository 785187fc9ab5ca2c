"""The same broker and ClickHouse from official images, for the tests that ask for no more than their addresses.

`GLASSBOOK_TEST_CONTAINERS=1`, as `make test-containers` sets it, puts them in place of the embedded parts. The images
are those of deploy/docker-compose.kafka.yml.
"""

import gc
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from docker import from_env  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]

from glassbook.cluster import unanswered
from glassbook.kafka_config import broker_properties
from glassbook.settings import HOST, Settings

VARIABLE = "GLASSBOOK_TEST_CONTAINERS"
FIXTURES = {"broker", "clickhouse"}
"""What containers can stand in for. All other tests, such as those of a whole cluster, need the embedded parts."""

COMPOSE_FILE = Path(__file__).parents[1] / "deploy" / "docker-compose.kafka.yml"
CLICKHOUSE_PORT = 8123
USER, PASSWORD, DATABASE = "glassbook", "only-for-tests", "glassbook"


class Plan(NamedTuple):
    image: str
    environment: dict[str, str]
    ports: dict[int, int | None]  # of the container → of this machine; None: any


def wanted() -> bool:
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def why_no_engine() -> str:
    """Why no container can be started here; empty if one can."""
    # Where nobody answers, docker-py leaves its socket open: it is collected here, where nothing is made of that.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        reason = _reason()
        gc.collect()
    return reason


def _reason() -> str:
    try:
        with closing(from_env(timeout=10)) as engine:
            engine.ping()
    except DockerException as error:
        return f"no Docker engine answers here: {str(error).splitlines()[0]}"
    return ""


def image_of(service: str) -> str:
    image: str = yaml.safe_load(COMPOSE_FILE.read_text())["services"][service]["image"]
    return image


def kafka_plan(settings: Settings) -> Plan:
    """A broker with our own properties. Clients are told its address, so its port is the same in and outside."""
    port = settings.kafka_port
    properties = broker_properties(settings, 1, 1, Path("/var/lib/kafka/data"))
    properties["listeners"] = properties["listeners"].replace(f"{HOST}:{port}", f"0.0.0.0:{port}")
    return Plan(image_of("kafka-1"), as_environment(properties), {port: port})


def as_environment(properties: dict[str, str]) -> dict[str, str]:
    """As the official image takes Kafka's properties."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in properties.items()}


def clickhouse_plan() -> Plan:
    environment = {"CLICKHOUSE_USER": USER, "CLICKHOUSE_PASSWORD": PASSWORD, "CLICKHOUSE_DB": DATABASE}
    return Plan(image_of("clickhouse"), environment, {CLICKHOUSE_PORT: None})


def clickhouse_url(ports: dict[int, int]) -> str:
    return f"http://{USER}:{PASSWORD}@{HOST}:{ports[CLICKHOUSE_PORT]}/{DATABASE}"


def await_clickhouse(ports: dict[int, int], patience_s: float) -> None:
    url, deadline = f"http://{HOST}:{ports[CLICKHOUSE_PORT]}/ping", time.monotonic() + patience_s
    while reason := unanswered(url):
        assert time.monotonic() < deadline, f"no ClickHouse within {patience_s} s: {reason}"
        time.sleep(0.05)


@contextmanager
def running(plan: Plan) -> Iterator[dict[int, int]]:
    """Runs the plan's container and says which ports of this machine lead to it; skips where there is no engine."""
    if reason := why_no_engine():
        pytest.skip(reason)
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(plan.image).with_envs(**plan.environment)
    for inside, outside in plan.ports.items():
        container = container.with_bind_ports(inside, outside)
    with container:
        yield {inside: int(container.get_exposed_port(inside)) for inside in plan.ports}

"""What `make test-containers` would start, and what it says where there is no Docker engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glassbook.clickhouse import access
from simulator.own_system import own_settings
from tests import containers

REPOSITORY = Path(__file__).parents[2]
NO_ENGINE = "unix:///nowhere/docker.sock"


def test_the_broker_in_a_container_is_our_own_but_for_where_it_listens(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    port = settings.kafka_port
    plan = containers.kafka_plan(settings)
    assert plan.image.startswith("apache/kafka:") and plan.ports == {port: port}
    assert plan.environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{settings.bootstrap_servers}"
    assert plan.environment["KAFKA_LISTENERS"].startswith(f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://")
    assert plan.environment["KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE"] == "LogAppendTime"
    assert plan.environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_clickhouse_in_a_container_is_reached_by_its_url_alone(tmp_path: Path) -> None:
    plan = containers.clickhouse_plan()
    assert plan.image.startswith("clickhouse/clickhouse-server:") and list(plan.ports) == [8123]
    there = access(own_settings(tmp_path, clickhouse_url=containers.clickhouse_url({8123: 4711})))
    assert (str(there.address), there.address.database) == ("http://127.0.0.1:4711", plan.environment["CLICKHOUSE_DB"])
    given = {there.options["username"], there.options["password"]}
    assert given == {plan.environment["CLICKHOUSE_USER"], plan.environment["CLICKHOUSE_PASSWORD"]}


def test_without_an_engine_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    assert containers.why_no_engine().startswith("no Docker engine answers here: ")
    with (
        pytest.raises(pytest.skip.Exception, match="no Docker engine"),
        containers.running(containers.clickhouse_plan()),
    ):
        raise AssertionError("nothing can run here")


def test_make_test_containers_skips_with_that_reason_and_runs_nothing_else() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/integration", "--collect-only", "-q"]
    environment = os.environ | {containers.VARIABLE: "1", "DOCKER_HOST": NO_ENGINE}
    collected = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=100)
    assert "test_topics.py" in collected.stdout and "test_queries.py" in collected.stdout, collected.stdout
    assert "test_full_disk.py" not in collected.stdout and "deselected" in collected.stdout
    command[-3:] = ["tests/integration/test_topics.py", "-rs"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout
    assert "no Docker engine answers here" in done.stdout and " skipped" in done.stdout
    assert "passed" not in done.stdout and "failed" not in done.stdout

"""deploy/docker-compose.kafka.yml against what it must agree with: the Compose schema, the stages, our own brokers.

It isn't started here: that takes a Docker engine.
"""

import fnmatch
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from glassbook.clickhouse import access
from glassbook.cluster import GATEWAY, STAGES
from glassbook.kafka_config import BROKER_JVM, broker_properties
from glassbook.kafka_dist import WANTED
from glassbook.settings import Settings
from tests.containers import COMPOSE_FILE, as_environment

REPOSITORY = Path(__file__).parents[2]
BROKERS = ["kafka-1", "kafka-2", "kafka-3"]
# Where a broker is: all else is as our own brokers have it.
PLACES = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}
ONLY_IN_CONTAINERS = {
    "CLUSTER_ID", "KAFKA_HEAP_OPTS", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "KAFKA_INTER_BROKER_LISTENER_NAME",
}  # fmt: skip

Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def stages(services: dict[str, Service]) -> dict[str, Service]:
    return {name: service for name, service in services.items() if service["image"] == "glassbook" and name != "init"}


@pytest.fixture(autouse=True)
def away_from_any_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_is_written_as_the_compose_specification_says(compose: dict[str, Any]) -> None:
    schema = json.loads((REPOSITORY / "tests" / "data" / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(compose)
    wrong = compose | {"services": {"ledger": {"image": "glassbook", "restrat": "always"}}}
    with pytest.raises(jsonschema.ValidationError, match="restrat"):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_every_stage_is_a_service(services: dict[str, Service], stages: dict[str, Service]) -> None:
    parts = {*BROKERS, "clickhouse", "init"}
    # ClickHouse's own image stands in for the stage that serves the embedded one.
    wanted = {stage.name: [stage.module] for stage in STAGES if stage.name != "clickhouse"}
    assert {name: service["command"] for name, service in stages.items()} == wanted
    assert set(services) == parts | set(wanted)


def test_a_stage_that_can_say_how_it_is_is_asked(stages: dict[str, Service]) -> None:
    asked = {stage.name for stage in STAGES if stage.name in stages and (stage.group or stage.name == GATEWAY)}
    assert {name for name, service in stages.items() if "healthcheck" in service} == asked
    for name in asked:
        assert stages[name]["healthcheck"]["test"] == ["CMD", "python", "-P", "-m", "glassbook.health", name]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_is_set_as_our_own_are(services: dict[str, Service], broker: str) -> None:
    number = BROKERS.index(broker) + 1
    own = broker_properties(Settings(), number, 3, Path("/logs"))
    expected = as_environment({name: value for name, value in own.items() if name not in PLACES})
    environment = services[broker]["environment"]
    places = set(as_environment(dict.fromkeys(PLACES, "")))
    assert {n: v for n, v in environment.items() if n not in places | ONLY_IN_CONTAINERS} == expected
    assert environment["KAFKA_HEAP_OPTS"] in BROKER_JVM
    assert environment["CLUSTER_ID"] == services["kafka-1"]["environment"]["CLUSTER_ID"]
    port = Settings().broker_port(number)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{broker}:9092,HOST://127.0.0.1:{port}"
    assert services[broker]["ports"] == [f"127.0.0.1:{port}:19092"]
    assert services[broker]["volumes"] == [f"{broker}:{environment['KAFKA_LOG_DIRS']}"]


def test_the_images_are_of_the_versions_that_are_embedded(services: dict[str, Service]) -> None:
    kafka = WANTED[0].rpartition(":")[2]
    assert {services[broker]["image"] for broker in BROKERS} == {f"apache/kafka:{kafka}"}
    engine = ".".join(version("chdb-core").split(".")[:2])
    assert services["clickhouse"]["image"] == f"clickhouse/clickhouse-server:{engine}"


def test_nothing_listens_but_on_this_machine(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    published = {int(port.split(":")[1]) for port in ports}
    settings = Settings()
    brokers = {settings.broker_port(number) for number in (1, 2, 3)}
    assert published == brokers | {settings.gateway_port, settings.clickhouse_port}


def test_everything_is_limited_and_comes_back(compose: dict[str, Any], services: dict[str, Service]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"] and limits["memory"], name
        assert service["restart"] == ("on-failure:3" if name == "init" else "unless-stopped")
        assert service["logging"]["options"]["max-size"]
    for stage in STAGES:
        assert int(services[stage.name]["stop_grace_period"].removesuffix("s")) >= stage.stop_s
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {volume for volume in used if not volume.startswith(".")} == set(compose["volumes"])


def test_each_starts_when_what_it_needs_is_there(services: dict[str, Service], stages: dict[str, Service]) -> None:
    healthy = {"condition": "service_healthy"}
    assert services["init"]["depends_on"] == dict.fromkeys(BROKERS, healthy)
    for name, stage in stages.items():
        needs = dict(stage["depends_on"])
        assert needs.pop("init") == {"condition": "service_completed_successfully"}
        assert needs == ({"clickhouse": healthy} if name in ("sinks", GATEWAY) else {})
    for name in (*BROKERS, "clickhouse"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_the_operators_key_is_with_nobody_but_the_operator(services: dict[str, Service]) -> None:
    holders = [name for name, service in services.items() if "operator:/data" in service.get("volumes", [])]
    assert holders == ["init"]


def test_the_settings_are_settings(
    services: dict[str, Service], stages: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*stages, "init"):
        given = services[name]["environment"]
        known = {f"GLASSBOOK_{field.upper()}" for field in Settings.model_fields} | {"CLICKHOUSE_URL"}
        assert set(given) <= known
        with monkeypatch.context() as patch:
            for variable, value in given.items():
                patch.setenv(variable, value.replace("${CLICKHOUSE_SINK_PASSWORD}", "0f"))
            settings = Settings()
        assert settings.bootstrap_servers == ",".join(f"{broker}:9092" for broker in BROKERS)
        there = access(settings)
        assert str(there.address) == "http://clickhouse:8123"
        expected = ("sink", "0f") if name == "sinks" else ("reader", "")
        assert (there.options["username"], there.options["password"]) == expected


def test_only_the_sink_writes_to_clickhouse() -> None:
    users = ElementTree.parse(REPOSITORY / "deploy" / "clickhouse-users.xml").getroot().find("users")
    assert users is not None and [user.tag for user in users] == ["default", "sink", "reader"]
    default, sink, reader = users
    assert default.attrib == {"remove": "remove"}
    password = sink.find("password")
    assert password is not None and password.attrib == {"from_env": "CLICKHOUSE_SINK_PASSWORD"}
    assert [grant.text for grant in reader.iter("query")] == ["GRANT SELECT ON glassbook.*"]


# --- the image


def test_the_image_is_made_of_the_lock_file_and_runs_as_nobody_in_particular() -> None:
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    lines = dockerfile.splitlines()
    installs = [line for line in dockerfile.replace("\\\n", " ").splitlines() if " install " in line and "pip" in line]
    assert installs and all(line.count("--require-hashes") == line.count("pip install") for line in installs)
    assert "apt-get" not in dockerfile and "-c lock.txt" in dockerfile
    final = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in final if line.startswith("USER")] == ["USER glassbook"]


def test_the_image_holds_every_stage_and_nothing_of_ones_own() -> None:
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    packages = {stage.module.split(".")[0] for stage in STAGES} | {"schemas", "stage", "glassbook", "deploy"}
    assert packages <= let_in
    for private in (".git", "data", ".venv", "tests", "glassbook.env", ".env", "benchmarks"):
        assert private not in let_in
    for secret in ("operator.key", "local.env"):
        assert any(fnmatch.fnmatch(secret, rule.removeprefix("**/")) for rule in rules[1:])

"""`glassbook query`, and ClickHouse as a program of `glassbook up`."""

import json
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from glassbook.cluster import CLICKHOUSE, STAGES, Cluster
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.settings import HOST, Settings
from glassbook.status import system_status
from glassbook.welcome import welcome
from simulator.own_system import own_settings
from tests.command_line import run_glassbook
from tests.conftest import StartCluster
from tests.integration.embedded_clickhouse import EmbeddedClickHouse

CLICKHOUSE_STAGE = next(stage for stage in STAGES if stage.name == CLICKHOUSE)


def run(settings: Settings, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return run_glassbook(["query", *arguments], settings.environment() | variables, stdin)


def test_a_table(embedded: EmbeddedClickHouse) -> None:
    sql = "SELECT number AS n, concat('row [bold]', toString(n)) AS text, NULL AS nothing FROM numbers(3)"
    answer = run(embedded.settings, sql)
    assert answer.returncode == 0, answer.stderr
    header, *rows = [line.split() for line in answer.stdout.splitlines()]
    assert header == ["n", "text", "nothing"]
    assert [row[:3] for row in rows] == [[str(n), "row", f"[bold]{n}"] for n in range(3)]
    assert answer.stderr.strip() == "3 rows"
    many = run(embedded.settings, "SELECT number FROM numbers(5000000)")
    assert len(many.stdout.splitlines()) == 1001 and "the first 1000 rows" in many.stderr


def test_other_formats_and_ways_to_ask(embedded: EmbeddedClickHouse) -> None:
    settings = embedded.settings
    assert run(settings, "--format", "CSVWithNames", "SELECT 1 AS a, 'x' AS b").stdout == '"a","b"\n1,"x"\n'
    assert json.loads(run(settings, "SELECT 1 AS a FORMAT JSON").stdout)["data"] == [{"a": 1}]
    assert run(settings, "-f", "TSV", "-", stdin="SELECT 1\n+ 1").stdout == "2\n"
    by_name = run(settings, "-f", "TSV", "-p", "a=x\ty", "-p", "b=2", "SELECT {a:String}, {b:UInt8}")
    assert by_name.stdout == "x\\ty\t2\n"
    question = "-- Which?\n--\n-- :a = 'x'\n-- :b = 1    how many\nSELECT {a:String}, {b:UInt8}"
    assert run(settings, "-f", "TSV", "-p", "b=2", "-", stdin=question).stdout == "x\t2\n"
    million = run(settings, "-f", "TSV", "SELECT number FROM numbers(1000000)").stdout
    assert million.count("\n") == 1_000_000 and million.endswith("999999\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["SELEC 1"], "62 SYNTAX_ERROR: Syntax error"),
        (["SELECT * FROM nowhere"], "60 UNKNOWN_TABLE: "),
        (["INSERT INTO x VALUES (1)"], "164 READONLY: "),
        (["SELECT * FROM file('/etc/passwd')"], "497 ACCESS_DENIED: "),
        (["-f", "Nope", "SELECT 1"], "73 UNKNOWN_FORMAT: "),
        (["-p", "a", "SELECT 1"], "--param a is not NAME=VALUE"),
        ([""], "there is nothing to ask"),
        (["-f", "CSV", "SELECT throwIf(number = 3000000) FROM numbers(4000000)"], "the answer is not complete: 395 "),
    ],
)
def test_an_error_is_one_line(embedded: EmbeddedClickHouse, arguments: list[str], says: str) -> None:
    answer = run(embedded.settings, *arguments)
    said = answer.stderr
    assert answer.returncode == 1 and said.startswith(f"error: {says}") and said.count("\n") == 1
    assert "__exception__" not in answer.stdout


def test_no_server_is_one_line_with_a_cure(tmp_path: Path) -> None:
    answer = run(own_settings(tmp_path), "SELECT 1")
    said = answer.stderr
    assert answer.returncode == 1 and "doesn't answer" in said and "glassbook up" in said and said.count("\n") == 1
    elsewhere = run(own_settings(tmp_path), "SELECT 1", CLICKHOUSE_URL="http://u:secret@127.0.0.1:1").stderr
    assert "look at that server" in elsewhere and "secret" not in elsewhere


def test_the_url_of_another_server_is_asked_instead(embedded: EmbeddedClickHouse, tmp_path: Path) -> None:
    settings = own_settings(tmp_path, clickhouse_url=f"{embedded.url}/system")
    assert run(settings, "-f", "TSV", "SELECT currentDatabase()").stdout == "system\n"


def test_it_starts_and_stops_with_the_system(start_cluster: StartCluster) -> None:
    cluster = start_cluster(stages=(CLICKHOUSE_STAGE,))
    settings = cluster.settings
    url = f"http://{HOST}:{settings.clickhouse_port}"
    assert httpx.get(f"{url}/ping", trust_env=False).text == "Ok.\n"
    assert [process.name for process in system_status(settings).processes] == ["broker-1", CLICKHOUSE]
    assert url in welcome(settings, cluster.folder)
    assert run(settings, "-f", "TSV", "SELECT currentDatabase()").stdout == "glassbook\n"
    cluster.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/ping", trust_env=False)


def test_a_port_that_is_taken_is_one_line_with_a_cure(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    with socket.socket() as taken:
        taken.bind((HOST, settings.clickhouse_port))
        taken.listen()
        with pytest.raises(
            GlassbookError, match=f"port {settings.clickhouse_port}, which ClickHouse needs, is taken.*PORT"
        ):
            Cluster(settings, 1, (CLICKHOUSE_STAGE,)).start()


def test_beside_a_real_server_none_is_started(tmp_path: Path) -> None:
    cluster = Cluster(own_settings(tmp_path, clickhouse_url="http://ch:8123"), 1)
    assert cluster.clickhouse is None and CLICKHOUSE not in [stage.name for stage in cluster.stages]
    shown = welcome(cluster.settings, DataFolder(tmp_path))
    assert "http://ch:8123" in shown and "CLICKHOUSE_URL" in shown

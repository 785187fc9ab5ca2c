"""A local system, from nothing to ready and back: the brokers and stages of one data folder under one supervisor.

`STAGES` is the one table of what the exchange is; `MAKERS` trade in it, if wanted. `Cluster.steps` is the start in its
order; `Cluster.stop` undoes it from wherever it got to.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from glassbook import groups, kafka_config, kafka_dist, leftovers, preflight, quick_start, topics_admin
from glassbook.clickhouse import access
from glassbook.data_folder import DataFolder, Instance
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from glassbook.supervision import (
    INSTANCE_VARIABLE,
    Group,
    Program,
    Supervisor,
    configuration,
    restarts,
    start_supervisor,
)

GATEWAY = "producers"
CLICKHOUSE = "clickhouse"
BROKER_START_S = 60
CLICKHOUSE_START_S = 120  # it loads the parts of all its tables first
STAGES_START_S = 180  # a stage replays from its snapshot before it is ready
STOP_S = 90
POLL_S = 0.05
# A program that dies so often during a start will not come up by itself.
HOPELESS_RESTARTS = 4
HISTORY_NICE = 10  # nobody waits for candles and history: an order goes first


@dataclass(frozen=True)
class Stage:
    """One process of the system: `python -m module`. `inputs` are the topics of its consumer group, if it has one."""

    name: str
    module: str
    group: str | None = None
    inputs: tuple[str, ...] = ()
    stop_s: int = 15
    trading: bool = True  # a start waits until its group has read all there is; the others are started behind it
    nice: int = 0  # how far it stands back where there is more to do than processors


STAGES: tuple[Stage, ...] = (
    Stage(CLICKHOUSE, "sinks.embedded", stop_s=30, nice=HISTORY_NICE),
    Stage("ledger", "ledger", group="ledger", inputs=("accounts",)),
    Stage("matcher", "matcher", group="matcher", inputs=("orders",)),
    Stage("clock", "clock"),
    # Trading waits neither for candles nor for history, nor for who checks it: the sinks may have hours to catch up, or
    # a server that is away.
    Stage("candle_agg", "candle_agg", group="candle_agg", inputs=("trades",), trading=False, nice=HISTORY_NICE),
    Stage(
        "sinks", "sinks", group="sinks", inputs=("trades", "candles", "ledger", "alerts"), stop_s=60, trading=False,
        nice=HISTORY_NICE,
    ),
    Stage(
        "canary", "canary", group="canary", inputs=("accounts", "orders", "trades", "depth", "ledger"), stop_s=30,
        trading=False,
    ),
    Stage(GATEWAY, "glassbook.web"),  # with the streams of feeds/
)  # fmt: skip
# No part of the exchange, only of a local one: they trade in it as anybody can, with play money.
MAKERS = Stage("makers", "simulator.makers", stop_s=25)

Say = Callable[[str], None]
"""Takes what a step has come to, to be shown beside it."""


class StoppedElsewhere(Exception):
    """The supervisor ended orderly while the system was starting or running: `glassbook down`."""


class Cluster:
    def __init__(self, settings: Settings, brokers: int | None = None, stages: Sequence[Stage] | None = None) -> None:
        self.settings = settings
        self.folder = DataFolder(settings.data_dir)
        wanted = STAGES if stages is None else stages
        # Where there is a real server, no engine of ours runs beside it.
        self.stages = tuple(stage for stage in wanted if stage.name != CLICKHOUSE or not settings.clickhouse_url)
        self._brokers_wanted = brokers
        self._instance: Instance | None = None
        self._supervisor_process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self.supervisor = Supervisor(self.folder)

    @property
    def instance(self) -> Instance:
        assert self._instance is not None, "the first step sets it"
        return self._instance

    @property
    def gateway(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == GATEWAY), None)

    @property
    def clickhouse(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.name == CLICKHOUSE), None)

    @property
    def makers(self) -> Stage | None:
        wanted = self.gateway is not None and self.settings.offers_play_money and not self.settings.quiet
        return MAKERS if wanted else None

    @property
    def _behind_trading(self) -> list[str]:
        return [stage.name for stage in self.stages if not stage.trading]

    def steps(self) -> Iterator[tuple[str, Callable[[Say], None]]]:
        yield "data folder, ports, disk", self._check
        if not kafka_dist.is_fetched(self.settings.cache_dir):
            yield "fetching Kafka (once)", self._fetch
        if not kafka_config.quick_start_archive(self.settings.cache_dir).exists():
            yield "preparing quick starts of Kafka (once)", lambda say: quick_start.prepare(self.settings)
        yield "Kafka's log folders", self._format
        yield "broker", self._start_brokers
        if self.stages:
            yield "topics", self._topics
            yield "genesis and listing", self._initialise
        if self.clickhouse:
            yield "ClickHouse", self._await_clickhouse
        if self.stages:
            yield "stages", self._start_stages
        if self.gateway:
            yield "gateway", self._start_gateway
        if self._behind_trading:
            yield "candles, history, canary", self._start_history
        if self.makers:
            yield "market makers and takers", self._start_makers

    def start(self) -> None:
        """All steps without a display; stops again what it began if one fails."""
        try:
            for _, step in self.steps():
                step(lambda text: None)
        except BaseException:
            self.stop()
            raise

    def _check(self, say: Say) -> None:
        self._held.enter_context(preflight.only_instance(self.folder))
        self._instance = preflight.check_instance(self.folder, self._brokers_wanted, self.settings.account_partitions)
        preflight.check_disk(self.settings, self.folder)
        preflight.check_ports(
            self.settings,
            self.instance.brokers,
            gateway=self.gateway is not None,
            clickhouse=self.clickhouse is not None,
        )
        if self.clickhouse:
            from glassbook.clickhouse_keys import make_keys

            make_keys(self.folder.clickhouse_keys)
        self.settings = self.settings.model_copy(
            update={"bootstrap_servers": self.settings.broker_addresses(self.instance.brokers)}
        )
        say(str(self.folder.root))

    def _fetch(self, say: Say) -> None:
        kafka_dist.fetch(self.settings.cache_dir, lambda done, total: say(f"{done} of {total} files"))

    def _format(self, say: Say) -> None:
        brokers = self.instance.brokers
        for broker in range(1, brokers + 1):
            log_dir, config = self.folder.kafka(broker), self.folder.broker_config(broker)
            properties = kafka_config.broker_properties(self.settings, broker, brokers, log_dir)
            kafka_config.write_broker_config(config, properties)
            kafka_config.format_log_dir(self.settings.cache_dir, self.instance.kafka_cluster_id, config, log_dir)

    def _start_brokers(self, say: Say) -> None:
        self.folder.supervisor_config.write_text(configuration(self.folder, self._program_groups()))
        marks = {INSTANCE_VARIABLE: self.instance.id, "PYTHONUNBUFFERED": "1"}
        environment = os.environ | self.settings.environment() | marks
        self._supervisor_process = start_supervisor(self.folder, environment)
        self._until(BROKER_START_S, self._brokers_answer, "the broker", "broker-1")
        say(self.settings.bootstrap_servers)

    def _brokers_answer(self) -> str:
        try:
            topics_admin.wait_for_brokers(self.settings.bootstrap_servers, self.instance.brokers, 0.5)
        except TimeoutError as error:
            return str(error)
        return ""

    def _program_groups(self) -> list[Group]:
        # Half the reserve is enough for a broker: it is there to finish what was accepted while new orders are refused.
        room = [str(self.folder.root), str(self.settings.disk_reserve_mb // 2)]
        python = [sys.executable, "-P", "-m"]
        brokers = []
        for i in range(1, self.instance.brokers + 1):
            java = kafka_config.broker_command(self.settings.cache_dir, self.folder.broker_config(i))
            brokers.append(Program(f"broker-{i}", [*python, "glassbook.broker", *room, *java], 60, autostart=True))
        found = [Group("brokers", 100, brokers)]
        programs = {
            # ClickHouse needs nobody, so it starts while the brokers do.
            stage.name: Program(
                stage.name, [*_nicely(stage.nice), *python, stage.module], stage.stop_s,
                autostart=stage.name == CLICKHOUSE,
            )
            for stage in self.stages
        }  # fmt: skip
        gateway = programs.pop(GATEWAY, None)
        if clickhouse := programs.pop(CLICKHOUSE, None):
            found.append(Group(CLICKHOUSE, 300, (clickhouse,)))
        history = [programs.pop(name) for name in self._behind_trading]
        if programs:
            found.append(Group("stages", 500, tuple(programs.values())))
        if gateway:
            found.append(Group("gateway", 900, (gateway,)))
        if history:
            found.append(Group("history", 950, tuple(history)))
        if self.makers:  # they stop first, since they cancel their orders then
            makers = Program(MAKERS.name, [*python, MAKERS.module], MAKERS.stop_s)
            found.append(Group(MAKERS.name, 990, (makers,)))
        return found

    def _topics(self, say: Say) -> None:
        from glassbook.new_exchange import make_topics

        say(make_topics(self.settings, self.instance.brokers))

    def _initialise(self, say: Say) -> None:
        from glassbook.new_exchange import make_exchange

        make_exchange(self.settings)

    def _await_clickhouse(self, say: Say) -> None:
        address = access(self.settings).address
        self._until(CLICKHOUSE_START_S, lambda: unanswered(f"{address}/ping"), "ClickHouse", CLICKHOUSE)
        say(str(address))

    def _start_stages(self, say: Say) -> None:
        names = [stage.name for stage in self.stages if stage.trading and stage.name not in (GATEWAY, CLICKHOUSE)]
        inputs = {stage.group: stage.inputs for stage in self.stages if stage.group and stage.trading}
        bootstrap = self.settings.bootstrap_servers
        # A static member of the last run is still there for a session time-out; it must not pass for the new one.
        former = groups.members(bootstrap, list(inputs))
        if names:
            self.supervisor.start_group("stages")
        if self.gateway:  # which takes seconds to start, and sees by itself how far the stages are
            self.supervisor.start_group("gateway")
        self._until(STAGES_START_S, lambda: groups.unready_groups(bootstrap, inputs, former), "the stages", None)
        view = groups.GroupView(bootstrap)
        ends = groups.ends(view, inputs)
        self._until(STAGES_START_S, lambda: groups.behind(view, inputs, ends), "the stages", None)
        say(", ".join(names))

    def _start_gateway(self, say: Say) -> None:
        self._until(STAGES_START_S, self._gateway_unready, "the gateway", GATEWAY)
        say(self.settings.gateway_url)

    def _start_history(self, say: Say) -> None:
        self.supervisor.start_group("history")
        say(", ".join(self._behind_trading))

    def _start_makers(self, say: Say) -> None:
        self.supervisor.start_group(MAKERS.name)
        say("with play money; --quiet leaves them out")

    def _gateway_unready(self) -> str:
        return unanswered(f"{self.settings.gateway_url}/readyz")

    def _until(self, patience_s: float, unready: Callable[[], str], what: str, program: str | None) -> None:
        """Poll until `unready` has nothing more to say; give up at the deadline or when a program keeps dying."""
        deadline = time.monotonic() + patience_s
        while reason := unready():
            self.check_alive()
            dying = [name for name, count in restarts(self.folder).items() if count >= HOPELESS_RESTARTS]
            if dying or time.monotonic() > deadline:
                culprit = dying[0] if dying else program
                log = self.folder.log(culprit) if culprit else self.folder.logs
                how = "keeps dying" if dying else f"not ready after {patience_s:.0f} s ({reason})"
                raise GlassbookError(f"{culprit or what} {how}: see {log}{self._last_words(culprit)}")
            time.sleep(POLL_S)

    def _last_words(self, program: str | None) -> str:
        if program is None or not self.folder.log(program).exists():
            return ""
        lines = self.folder.log(program).read_text(errors="replace").strip().splitlines()
        return f", which ends: {lines[-1][:300]}" if lines else ""

    def check_alive(self) -> None:
        """Raises StoppedElsewhere once the supervisor has ended, and GlassbookError if something killed it."""
        code = None if self._supervisor_process is None else self._supervisor_process.poll()
        if code == 0:
            raise StoppedElsewhere
        if code is not None:
            raise GlassbookError(
                f"the supervisor was killed or died (exit code {code}), so everything is stopped: start again;"
                f" its log is {self.folder.log('supervisor')}"
            )

    def stop(self) -> None:
        """Stop everything in order. Can be called at any point of a start, and twice."""
        process = self._supervisor_process
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)  # supervisord's own orderly stop
            deadline = time.monotonic() + STOP_S
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(POLL_S)
            process.kill()
            process.wait()
            # Nothing is left after an orderly stop; after a kill of the supervisor everything is.
            leftovers.end(self.instance.id)
            self._supervisor_process = None
        self._held.close()

    def kill(self) -> None:
        """End everything at once and in no order, as a test does with what it throws away."""
        if self._supervisor_process is not None:
            leftovers.kill(self.instance.id)
            self._supervisor_process.wait()
            self._supervisor_process = None
        self._held.close()


def _nicely(nice: int) -> list[str]:
    return ["nice", "-n", str(nice)] if nice else []


def unanswered(url: str) -> str:
    """Why GET of this URL isn't answered with 200; "" when it is."""
    try:
        answer = httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return str(error)
    return "" if answer.status_code == 200 else f"{url} says {answer.status_code}: {answer.text[:200]}"

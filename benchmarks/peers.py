"""Our matching engine beside those on PyPI, on one workload, once it is known that they fill alike.

Peers are no dependencies of the project: what isn't installed is skipped, and named with how to install it. An engine
whose fills differ is named with the first difference, and its rate is called what it is: that of wrong fills.
"""

import gc
import multiprocessing
import time
from importlib.metadata import PackageNotFoundError, metadata, version
from multiprocessing.connection import Connection
from typing import NamedTuple

from benchmarks.machine import Report
from benchmarks.order_flow import MIX
from benchmarks.peer_engines.agreement import Difference, first_difference
from benchmarks.peer_engines.engines import Engine, Glassbook
from benchmarks.peer_engines.pypi import PEERS
from benchmarks.peer_engines.workload import Step, Workload, record

INSTALL = ".venv/bin/uv pip install --require-hashes -r requirements/peers.txt"
RUN = 1_000  # steps between two readings of the clock
RESTING_ORDERS = 10_000
OPERATIONS = 30_000
MOST_S = 10.0  # of filling or of measuring; who is slower is measured on less
HUNG_S = 30.0


class Compared(NamedTuple):
    kind: type[Engine]
    difference: Difference | None
    rates: list[float]  # operations a second, one a round

    @property
    def name(self) -> str:
        return self.kind.distribution

    @property
    def best(self) -> float:
        return max(self.rates, default=0.0)


def run(seed: int, as_json: bool, resting_orders: int, operations: int, rounds: int) -> None:
    report = Report("peers", seed, as_json)
    report.say(f"mix      {MIX}, each order with an account of its own; about {resting_orders:,} resting")
    present, missing = _installed()
    if missing:
        report.say(f"skipped  {', '.join(missing)}: not installed; `{INSTALL}` installs them")
    workload = record(resting_orders, operations, seed)
    compared = [Compared(Glassbook, None, [])]
    for kind in present:
        difference = first_difference(Glassbook(), kind(), [*workload.filling, *workload.measured])
        compared.append(Compared(kind, difference, []))
        report.say(f"{kind.distribution:20} {_agreement(kind, difference)}")
    for _ in range(rounds):
        for one in compared:
            if 0.0 not in one.rates:
                one.rates.append(_operations_per_s(one.kind, workload))
    ours = compared[0].best
    for one in sorted(compared, key=lambda one: -one.best):
        wrong = "" if one.difference is None else "  (wrong fills)"
        rate = f"{one.best:10,.0f} operations/s  {one.best / ours:5.2f} of ours" if one.best else "doesn't come back"
        report.say(f"{one.name:20} {rate}{wrong}")
    figures: dict[str, float] = {f"{_key(one)}_operations_per_s": one.best for one in compared}
    figures |= {f"{_key(one)}_agrees": int(one.difference is None) for one in compared[1:]}
    report.end(figures | {"missing": len(missing)})


def licence_of(distribution: str) -> str:
    """As the package states it."""
    stated = metadata(distribution).json
    for name in ("license_expression", "license"):
        if stated.get(name):
            return str(stated[name]).splitlines()[0]
    trove = [text for text in stated.get("classifier", ()) if text.startswith("License ::")]
    return str(trove[0]).rpartition(":: ")[2] if trove else "no licence stated"


def _installed() -> tuple[list[type[Engine]], list[str]]:
    present: list[type[Engine]] = []
    missing = []
    for kind in PEERS:
        try:
            version(kind.distribution)
            present.append(kind)
        except PackageNotFoundError:
            missing.append(kind.distribution)
    return present, missing


def _agreement(kind: type[Engine], difference: Difference | None) -> str:
    stated = f"{version(kind.distribution)}, {licence_of(kind.distribution)}"
    if difference is not None:
        return f"{stated}: WRONG FILLS from operation {difference.operation}: {difference.what}"
    return f"{stated}: {'same fills' if kind.tells_fills else 'tells no fills; same book after each operation'}"


def _key(one: Compared) -> str:
    return one.name.replace("-", "_")


def _operations_per_s(kind: type[Engine], workload: Workload) -> float:
    """Of an engine made anew, on the operations behind the filling; 0 if it didn't come back.

    In a process of its own, and a spawned one: an engine with threads, such as a Go one, doesn't survive a fork."""
    context = multiprocessing.get_context("spawn")
    told, tells = context.Pipe(duplex=False)
    process = context.Process(target=_tell_rate, args=(kind, workload, tells))
    process.start()
    tells.close()
    try:
        return float(told.recv()) if told.poll(HUNG_S) else 0.0
    except EOFError:
        return 0.0  # the engine took its process with it
    finally:
        process.kill()
        process.join()


def _tell_rate(kind: type[Engine], workload: Workload, tells: Connection) -> None:
    tells.send(_measured(kind, workload))


def _measured(kind: type[Engine], workload: Workload) -> float:
    engine = kind()
    gc.collect()
    gc.freeze()  # as in a running stage
    gc.set_threshold(50_000, 20, 100)
    _timed(engine, workload.filling)
    spent_s, done = _timed(engine, workload.measured)
    return done / spent_s


def _timed(engine: Engine, steps: list[Step]) -> tuple[float, int]:
    """Seconds in the engine and steps done; what it told is taken in between, untimed."""
    spent_ns, done, clock = 0, 0, time.perf_counter_ns
    for start in range(0, len(steps), RUN):
        part = steps[start : start + RUN]
        begun = clock()
        engine.run(part)
        spent_ns += clock() - begun
        done += len(part)
        if engine.tells_fills:
            engine.take_fills()
        if spent_ns > MOST_S * 1e9:
            break
    return spent_ns / 1e9, done

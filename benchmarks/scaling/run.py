"""`python -m benchmarks scaling`: the parts one after another, a page, and its figures. Whatever ends it, an error,
Ctrl-C or SIGTERM, its system is stopped, and what there is by then is written."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.machine import Report, machine
from benchmarks.scaling.bends import words
from benchmarks.scaling.found import Found, Part
from benchmarks.scaling.page import document, write_pages
from benchmarks.scaling.parts import PARTS, Options


def run(options: Options, parts: Sequence[Part], out: Path, as_json: bool) -> Found:
    report = Report("scaling", options.seed, as_json)
    found = Found(
        seed=options.seed, began_ms=time.time_ns() // 1_000_000, seconds=options.seconds, warm_up_s=options.warm_up_s,
        symbols=options.symbols, brokers=options.brokers,
    )  # fmt: skip
    try:
        with _ended_by_terminate():
            for part in parts:
                found.machine[part] = machine()
                report.say(f"{part}: {found.machine[part]}")
                PARTS[part](options, found, report.say)
    except KeyboardInterrupt:
        found.broken_off = True
    finally:
        _tell(found, out, as_json, report)
    return found


@contextmanager
def _ended_by_terminate() -> Iterator[None]:
    """SIGTERM as Ctrl-C: hours of measuring are often left to a script, and nobody would stop the system for it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(found: Found, out: Path, as_json: bool, report: Report) -> None:
    page, figures = write_pages(out, found)
    for name, lines in words(found).items():
        for line in lines:
            report.say(f"{name}: {line}")
    report.say(f"{page}, and the figures in {figures}")
    if as_json:
        print(msgspec.json.encode(document(found)).decode(), flush=True)

"""Runs of a load, one or a search for the most that is sustained, as a person follows them at the terminal."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Event

import msgspec
from rich.console import Console

from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from simulator.load.find import Search
from simulator.load.mix import Kind
from simulator.load.prepare import Prepared, cancel_all, prepare
from simulator.load.result import Result, Wanted
from simulator.load.run import run
from simulator.load.screen import LiveScreen, PlainScreen
from simulator.load.verdict import in_words


class Attempts:
    """With the same brokers each time. What they have open is cancelled after each."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings, self._console = settings, console
        self._interrupted = Event()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended one of them."""
        return self._interrupted.is_set()

    def prepare(self, run_id: str, seed: int, symbols: int, brokers: int) -> Prepared:
        with self._status("listing markets, opening and funding brokers"):
            return prepare(self._settings, run_id, seed, symbols, brokers)

    def once(self, prepared: Prepared, wanted: Wanted) -> Result:
        """Ctrl-C ends it, and what was sent until then is judged."""
        screen = self._screen(wanted)
        try:
            with _on_interrupt(self._interrupted), screen as shown:
                return run(self._settings, prepared, wanted, shown, self._interrupted.is_set)
        finally:
            self._cancel_all(prepared)

    def _cancel_all(self, prepared: Prepared) -> None:
        """What can't be cancelled now is told, and hides no result."""
        try:
            with self._status("cancelling what is open"):
                cancel_all(self._settings.gateway_url, prepared)
        except GlassbookError as error:
            self._console.print(f"what the brokers have open stays open: {error}", markup=False)

    def find(self, prepared: Prepared, wanted: Wanted) -> Result:
        """Tells a line for each try; returns the best that was sustained, else the last. Ctrl-C ends the search."""
        search, best = Search(wanted.percent), None
        attempt = 0
        while True:
            result = self.once(prepared, msgspec.structs.replace(wanted, percent=search.percent, attempt=attempt))
            self._console.print(line(result))
            if result.verdict.sustained and not result.broken_off:
                best = result if best is None or result.wanted.percent > best.wanted.percent else best
            search.tell(result.verdict.sustained)
            attempt += 1
            if search.done or self._interrupted.is_set():
                return best or result

    def _screen(self, wanted: Wanted) -> AbstractContextManager[LiveScreen | PlainScreen]:
        if not self._console.is_terminal:
            return nullcontext(PlainScreen())
        return LiveScreen(self._console, f"{wanted.percent:g}% by {wanted.door}", wanted.seconds)

    def _status(self, text: str) -> AbstractContextManager[object]:
        return self._console.status(text) if self._console.is_terminal else nullcontext()


def line(result: Result) -> str:
    orders, cpu_ms = result.findings.latency[Kind.ORDER], result.cpu_ms_per_order
    cpu = "" if cpu_ms is None else f", {cpu_ms:.2f} ms of processor an order"
    return (
        f"{result.wanted.percent:g}% by {result.wanted.door}: {orders.count / max(result.seconds, 1):,.0f} orders/s,"
        f" p50 {orders.p50_ms:.1f} ms, p99 {orders.p99_ms:.1f} ms{cpu}: {in_words(result.verdict)}"
    )


@contextmanager
def _on_interrupt(interrupted: Event) -> Iterator[None]:
    """Set by Ctrl-C, which would otherwise be raised anywhere: in a call of Kafka's clients it can be lost. A second
    one ends everything at once."""

    def note(number: int, frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

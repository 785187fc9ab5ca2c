"""One run of a load, from its processes' start to its result."""

from collections.abc import Callable, Sequence
from typing import Protocol

from glassbook.settings import Settings
from simulator.load import log_span
from simulator.load.aftermath import LOOKED_AT, account, new_alerts, settle
from simulator.load.prepare import Prepared
from simulator.load.result import Result, Wanted
from simulator.load.sending import send
from simulator.load.tally import Series
from simulator.load.watch import Sample, Watch


class Screen(Protocol):
    """Shows how it goes."""

    def say(self, text: str) -> None: ...
    def show(self, series: Series, samples: Sequence[Sample], passed_s: float) -> None: ...


def run(settings: Settings, prepared: Prepared, wanted: Wanted, screen: Screen, stopped: Callable[[], bool]) -> Result:
    """Sends, waits until all stages have read what there was, and accounts for what was acknowledged."""
    before = log_span.ends(settings.bootstrap_servers, LOOKED_AT)
    watch, series = Watch.of(settings), Series(wanted.warm_up_s)

    def show(passed_s: float) -> None:
        screen.show(series, watch.samples, passed_s)

    watch.start()
    try:
        sent = send(settings.gateway_url, prepared, wanted, series, show, stopped)
        settled = settle(settings, screen.say)
    finally:
        watch.stop()
    accounting = account(settings, before, sent.acknowledged, screen.say)
    alerts = new_alerts(settings, before)
    return Result(wanted, prepared, sent, series, watch.samples, settled, accounting, alerts)

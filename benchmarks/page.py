"""The trading page in a real browser while a market is busy: does it still repaint sixty times a second?

A whole system, the system's chromium without a window, and two traders who place orders in one market, a part of which
trade at once. What is measured is the time between two repaints, and the tasks that kept the page busy for longer than
50 ms. Browser, exchange and traders share the machine's cores, so this is what a laptop shows that runs all of it.
"""

import random
import threading
import time
from typing import Any, cast

from playwright.sync_api import Browser, sync_playwright

from benchmarks.local_broker import local_cluster
from benchmarks.machine import Report, percentile, percentiles
from glassbook.cluster import Cluster
from glassbook.page_build import build
from schemas.commands import NewOrder, TimeInForce
from tests.e2e.page_browser import WIDE, Other, chromium_path

MARKET = "GOOG-USD"
ORDERS_PER_S = 200
BATCH = 10
MIDDLE, WIDTH = 18_000, 40  # ticks of 0.01
WARM_UP_S = 3
SMOOTH_MS = 1000 / 60 * 1.5  # one repaint was not left out
MEASURE = """async (ms) => {
    const gaps = [], long = [];
    const watch = new PerformanceObserver((list) => list.getEntries().forEach((one) => long.push(one.duration)));
    watch.observe({ type: "longtask" });
    await new Promise((done) => {
        let last = performance.now();
        const until = last + ms;
        const step = (now) => {
            gaps.push(now - last);
            last = now;
            if (now < until) requestAnimationFrame(step);
            else done();
        };
        requestAnimationFrame(step);
    });
    watch.disconnect();
    return { gaps: gaps.slice(1), long };
}"""


def run(seconds: float, seed: int, as_json: bool) -> None:
    report = Report("page", seed, as_json)
    report.say(
        f"mix      {MARKET}: {ORDERS_PER_S} orders a second in batches of {BATCH}, half of them to trade at once"
    )
    build()
    with local_cluster() as cluster, Busy(cluster, seed) as busy, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        figures = _measure(report, browser, cluster, busy, seconds)
        browser.close()
    report.end(figures)


def _measure(report: Report, browser: Browser, cluster: Cluster, busy: "Busy", seconds: float) -> dict[str, float]:
    page = browser.new_page(viewport=WIDE)
    frames: list[float] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda _: frames.append(time.monotonic())))
    page.goto(cluster.settings.gateway_url)
    page.evaluate("name => localStorage.setItem('glassbook.symbol', JSON.stringify(name))", MARKET)
    page.reload()
    page.locator(".tape-line").first.wait_for(timeout=60_000)
    page.wait_for_timeout(WARM_UP_S * 1000)
    began, sent = time.monotonic(), busy.sent
    found = cast(dict[str, Any], page.evaluate(MEASURE, seconds * 1000))
    took = time.monotonic() - began
    gaps, long = sorted(found["gaps"]), sorted(found["long"])
    heard = sum(began <= at <= began + took for at in frames)
    report.say(f"between two repaints: {percentiles(gaps, 'ms')}; {len(long)} tasks above 50 ms")
    return {
        "orders_per_s": (busy.sent - sent) / took, "messages_per_s": heard / took,
        "repaints_per_s": len(gaps) / took, "repaint_p50_ms": percentile(gaps, 0.5),
        "repaint_p99_ms": percentile(gaps, 0.99), "smooth_share": sum(gap <= SMOOTH_MS for gap in gaps) / len(gaps),
        "long_tasks": len(long), "longest_task_ms": long[-1] if long else 0.0,
    }  # fmt: skip


class Busy:
    """Two traders in a thread of their own: one offers and bids around the middle, the other takes."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.sent = 0
        self._maker, self._taker = (Other(cluster, "GOOG", "USD") for _ in range(2))
        self._draw = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._trade)

    def __enter__(self) -> "Busy":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        for trader in (self._maker, self._taker):
            trader.close()

    def _trade(self) -> None:
        due, rounds = time.monotonic(), 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += 2 * BATCH / ORDERS_PER_S
            rounds += 1
            if rounds % 20 == 0:
                self._maker.send(self._maker.account.cancel_all(MARKET, wait="log"))
            self._send(self._maker, TimeInForce.GTC, 1)
            self._send(self._taker, TimeInForce.IOC, -1)

    def _send(self, trader: Other, force: TimeInForce, away: int) -> None:
        """`away` from the middle: 1 rests on its own side, -1 crosses."""
        orders = [self._order(trader, force, away) for _ in range(BATCH)]
        trader.send(trader.account.batch(orders, wait="log"))
        self.sent += len(orders)

    def _order(self, trader: Other, force: TimeInForce, away: int) -> NewOrder:
        buys, distance = self._draw.random() < 0.5, self._draw.randrange(1, WIDTH)
        ticks = MIDDLE - away * distance if buys else MIDDLE + away * distance
        price, side = f"{ticks // 100}.{ticks % 100:02}", "BUY" if buys else "SELL"
        quantity = self._draw.randrange(1, 20)
        return trader.account.signer.limit_order(MARKET, side, quantity, price, time_in_force=force)

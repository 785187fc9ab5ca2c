"""A browser before the trading page: the system's chromium, driven by Playwright, and what a trader does with it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, expect, sync_playwright

from glassbook.client import calls
from glassbook.client.calls import Account, AnswerT, Call, Operator
from glassbook.client.keys import Key
from glassbook.client.rest import Client, Refusal, Unreachable
from glassbook.client.signer import Signer
from glassbook.cluster import Cluster
from glassbook.operator import OperatorFolder
from glassbook.page_build import CanNotBuild, build

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE_MS = 15_000
DEADLINE_S = 60.0
expect.set_options(timeout=PATIENCE_MS)
# Where screenshots are kept; without it they go with the test's temporary folder.
SCREENSHOTS = "GLASSBOOK_SCREENSHOTS"


def chromium_path() -> str:
    """The system's own browser; the test is skipped where there is none."""
    wanted = os.environ.get("GLASSBOOK_CHROMIUM")
    found = wanted or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip("no chromium: install it (on Debian: apt install chromium), or say where with GLASSBOOK_CHROMIUM")
    return found


def build_page() -> None:
    try:
        build()
    except CanNotBuild as error:
        pytest.skip(f"the trading page can't be built here: {error}")


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # In a container, as root, chromium has no sandbox; it sees nothing but this page.
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Trader:
    """Somebody before the page. What the browser's console complains of is kept in `complaints`, but for what is
    `forgiven`: while the machine is busy the exchange may ask for a moment, which the page does and the browser tells.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        shots: Path,
        *,
        size: ViewportSize = WIDE,
        theme: Literal["dark", "light"] = "dark",
        script: str = "",
    ) -> None:
        """`script` runs in the page before its own."""
        self.context = browser.new_context(viewport=size, color_scheme=theme)
        self.context.add_init_script(script)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.forgiven = ["status of 503"]
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._shots = shots
        self._url = url

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def unforgiven(self) -> list[str]:
        return [one for one in self.complaints if not any(words in one for words in self.forgiven)]

    def open(self, symbol: str) -> None:
        self.page.goto(self._url)
        expect(self.page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=PATIENCE_MS)
        self.page.evaluate("name => localStorage.setItem('glassbook.symbol', JSON.stringify(name))", symbol)
        self.page.reload()
        expect(self.page.locator(".day-symbol")).to_contain_text(symbol)
        expect(self.page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=PATIENCE_MS)

    def sign_up(self) -> None:
        """A demonstration account, in one click behind the first."""
        self.page.get_by_role("banner").get_by_role("button", name="Start trading").click()
        until = time.monotonic() + DEADLINE_S
        given = False
        while not given:
            assert time.monotonic() < until, "no account"
            with self.page.expect_response(lambda response: response.request.method == "POST") as answer:
                self.page.get_by_role("button", name="Demonstration account").click()
            given = answer.value.ok  # else the exchange was busy, and says so
        expect(self.page.locator(".holdings")).to_be_visible()

    def write(self, side: str, price: str, quantity: str) -> None:
        self.page.locator(".form").get_by_role("button", name=side, exact=True).click()
        self.page.locator("#price").fill(price)
        self.page.locator("#quantity").fill(quantity)

    def send(self) -> None:
        self.page.locator(".form button[type=submit]").click()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("tabpanel").get_by_role("row").filter(has_text=text)

    def asks(self) -> Locator:
        return self.page.locator(".ladder-row.ask")

    def said(self, text: str) -> None:
        """A short message says so."""
        expect(self.page.locator(".toast").filter(has_text=text).first).to_be_visible()

    def shoot(self, name: str) -> Path:
        self._shots.mkdir(parents=True, exist_ok=True)
        path = self._shots / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        self.context.close()


class Other:
    """The other side of the market: an account with funds, which trades over REST."""

    def __init__(self, exchange: Cluster, *assets: str) -> None:
        self.client = Client(exchange.settings.gateway_url)
        domain = self.send(calls.markets()).exchange
        operator = Operator(OperatorFolder(exchange.settings.data_dir).key(), domain)
        self.account = Account(Signer(Key.new(), domain))
        self.send(operator.register(self.account.signer.key.public))
        for asset in assets:
            self.send(operator.deposit(self.account.id, asset, "1000000"))

    def send(self, call: Call[AnswerT]) -> AnswerT:
        """The answer, asked for again while the exchange is not ready."""
        until = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.client.send(call)
            except (Refusal, Unreachable) as error:
                if time.monotonic() > until or getattr(error, "status", 503) != 503:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        self.client.__exit__(None, None, None)

    def place(self, symbol: str, side: str, quantity: str, price: str) -> str:
        order = self.account.signer.limit_order(symbol, side, quantity, price)
        return self.send(self.account.place(order)).order_id or ""

    def amend(self, order_id: str, quantity: str, price: str) -> None:
        command = self.account.signer.amend_order(quantity, price, order_id=order_id)
        self.send(self.account.amend(command))

"""What a trader sees when a fill was tampered with: a red page with the evidence, on a system of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from glassbook.cluster import STAGES, Cluster
from tests.conftest import StartCluster
from tests.e2e.page_browser import SCREENSHOTS, Other, Trader, build_page, running_browser

MARKET = "BTC-USDT"


@pytest.fixture(scope="module")
def system(start_cluster: StartCluster) -> Iterator[Cluster]:
    build_page()
    yield start_cluster(stages=STAGES)


def test_a_tampered_fill_turns_the_page_red(system: Cluster, tmp_path: Path) -> None:
    maker, taker = Other(system, "BTC", "USDT"), Other(system, "BTC", "USDT")
    shots = Path(os.environ.get(SCREENSHOTS, tmp_path / "screenshots"))
    with running_browser() as browser:
        trader = Trader(browser, system.settings.gateway_url, shots)
        trader.open(MARKET)
        maker.place(MARKET, "SELL", "0.5", "60000")
        taker.place(MARKET, "BUY", "0.2", "60000")
        expect(trader.page.locator(".tape-line")).to_have_count(1)
        expect(trader.page.locator(".canary-well")).to_be_visible()
        tamper(system)
        banner = trader.page.locator(".canary-banner")
        expect(banner).to_contain_text("found")
        expect(trader.page.locator(".canary-wrong")).to_be_visible()
        banner.click()
        expect(trader.page.get_by_role("dialog")).to_contain_text("trades-")
        trader.shoot("7-tampered")
        assert trader.unforgiven() == []
        trader.close()
    for other in (maker, taker):
        other.close()


def tamper(system: Cluster) -> None:
    """As `glassbook tamper` does it."""
    command = [sys.executable, "-m", "glassbook", "tamper", "altered-price", "--symbol", MARKET, "--yes"]
    environment = os.environ | system.settings.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr

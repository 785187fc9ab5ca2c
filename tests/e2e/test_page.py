"""The trading page in a real browser: from no key to a proven fill, through wrong input and a lost connection."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect

from glassbook.client.keys import load_key_file, save_key
from glassbook.cluster import Cluster
from glassbook.supervision import Supervisor
from tests.e2e.page_browser import PHONE, SCREENSHOTS, Other, Trader, build_page, running_browser

OpenPage = Callable[..., Trader]
MARKET = "GOOG-USD"
NO_ED25519 = """
const make = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = (algorithm, ...rest) =>
    algorithm === "Ed25519" ? Promise.reject(new DOMException("", "NotSupportedError")) : make(algorithm, ...rest);
"""
RESTART_MS = 90_000


@pytest.fixture(scope="module", autouse=True)
def built_page() -> None:
    """Before the exchange starts: its gateway reads the page then."""
    build_page()


@pytest.fixture(scope="module")
def browser(built_page: None) -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def seller(exchange: Cluster) -> Iterator[Other]:
    other = Other(exchange, "GOOG", "USD")
    yield other
    other.close()


@pytest.fixture
def open_page(browser: Browser, exchange: Cluster, tmp_path: Path) -> Iterator[OpenPage]:
    """Opens pages of new traders. At the end none of their consoles may have complained."""
    opened: list[Trader] = []
    shots = Path(os.environ.get(SCREENSHOTS, tmp_path / "screenshots"))

    def start(symbol: str = MARKET, **how: object) -> Trader:
        trader = Trader(browser, exchange.settings.gateway_url, shots, **how)  # type: ignore[arg-type]
        opened.append(trader)
        trader.open(symbol)
        return trader

    yield start
    complaints = [complaint for trader in opened for complaint in trader.unforgiven()]
    for trader in opened:
        trader.close()
    assert complaints == []


def test_from_no_key_to_a_proven_fill(open_page: OpenPage, seller: Other) -> None:
    trader = open_page()
    page = trader.page
    expect(trader.asks()).to_have_count(0)
    order_id = seller.place(MARKET, "SELL", "4", "180.5")
    seller.place(MARKET, "SELL", "6", "181")
    expect(trader.asks()).to_have_count(2)  # the book moves by itself
    trader.shoot("1-signed-out")

    trader.sign_up()
    expect(page.locator(".holdings")).to_contain_text("100,000")
    seller.amend(order_id, "4", "180.25")
    expect(trader.asks().first).to_contain_text("180.25")
    trader.asks().first.click()
    expect(page.locator("#price")).to_have_value("180.25")  # a click on the ladder fills it in
    page.locator("#quantity").fill("10")
    expect(page.locator(".quote")).to_contain_text("trade at once")
    trader.send()
    trader.said("filled 4 at 180.25")
    row = trader.row(MARKET)
    expect(row).to_contain_text("180.25")
    expect(page.locator(".holdings")).to_contain_text("1,004")
    trader.shoot("2-partly-filled")

    row.get_by_role("button", name="Amend").click()
    page.locator("#amend-price").fill("180.125")
    expect(page.get_by_role("dialog")).to_contain_text("multiple of the tick")
    page.locator("#amend-price").fill("179.5")
    page.get_by_role("button", name="Sign and amend").click()
    trader.said("Order amended")
    expect(row).to_contain_text("179.5")
    row.get_by_role("button", name="Cancel").click()
    trader.said("Order cancelled")
    expect(page.get_by_role("tabpanel")).to_contain_text("No open orders.")

    trader.tab("History")
    expect(trader.row("closed cancelled")).to_be_visible()
    trader.tab("Statement")
    expect(trader.row("order filled").first).to_be_visible()
    trader.tab("Balances")
    expect(page.get_by_role("tabpanel", name="Balances").get_by_role("row", name="GOOG")).to_contain_text("1,004")
    trader.tab("Fills")
    page.get_by_role("tabpanel").get_by_role("button", name="Proof").click()
    page.get_by_role("button", name="Verify in this browser").click()
    expect(page.get_by_role("dialog")).to_contain_text("The trade follows from what its owners signed.")
    expect(page.locator(".checks .down")).to_have_count(0)
    trader.shoot("3-proof")


def test_a_key_stays_and_can_not_be_read_out(open_page: OpenPage) -> None:
    trader = open_page()
    trader.sign_up()
    account = trader.page.locator(".head .mono").inner_text()
    trader.page.reload()
    expect(trader.page.locator(".head .mono")).to_have_text(account)
    found = trader.page.evaluate(
        """() => new Promise((resolve) => {
            const request = indexedDB.open("glassbook", 1);
            request.onsuccess = () => {
                const all = request.result.transaction("keys").objectStore("keys").getAll();
                all.onsuccess = async () => {
                    const key = all.result[0].privateKey;
                    const read = await crypto.subtle.exportKey("pkcs8", key).then(() => "read", () => "refused");
                    resolve([key.extractable, key.type, read]);
                };
            };
        })"""
    )
    assert found == [False, "private", "refused"]


def test_a_browser_without_ed25519_signs_by_p256(open_page: OpenPage) -> None:
    trader = open_page(script=NO_ED25519)
    trader.sign_up()
    trader.page.keyboard.press("a")
    expect(trader.page.get_by_role("dialog")).to_contain_text("p256:")
    trader.page.keyboard.press("Escape")
    for price in ("90", "91", "92", "93"):  # half of its signatures have a high s at first
        trader.write("Buy", price, "1")
        trader.send()
        expect(trader.row(price)).to_be_visible()


def test_keys_come_and_go_as_files_on_purpose_alone(open_page: OpenPage, seller: Other, tmp_path: Path) -> None:
    trader = open_page()
    page = trader.page
    file = tmp_path / "key.json"
    save_key(file, seller.account.signer.key)
    page.keyboard.press("a")
    page.get_by_text("Import, back up, remove").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("dialog")).to_contain_text(seller.account.id)
    expect(page.get_by_role("dialog")).to_contain_text("open")
    broken = tmp_path / "broken.json"
    broken.write_text(file.read_text().replace('"private": "', '"private": "A'))
    page.locator("input[type=file]").set_input_files(broken)
    trader.said("That did not work")

    make = page.get_by_role("button", name="save its backup")
    expect(make).to_be_disabled()
    trader.forgiven.append("status of 404")  # the new key has no account yet
    page.get_by_text("I will keep the file").click()
    with page.expect_download() as download:
        make.click()
    saved = tmp_path / "backup.json"
    download.value.save_as(saved)
    saved.chmod(0o600)
    account = load_key_file(saved).account  # as the command line reads it
    expect(page.get_by_role("dialog")).to_contain_text(account)


def test_wrong_input_is_explained_before_anything_is_sent(open_page: OpenPage) -> None:
    trader = open_page()
    trader.sign_up()
    sent: list[str] = []
    trader.page.on("request", lambda request: sent.append(request.method))
    for price, quantity, words in (
        ("abc", "1", "no number"), ("1.005", "1", "multiple of the tick"), ("100", "1.5", "multiple of the lot"),
        ("100", "", "Give a quantity"), ("1000000", "1", "lies between"),
    ):  # fmt: skip
        trader.write("Buy", price, quantity)
        trader.send()
        expect(trader.page.locator(".form .field-note.down").filter(has_text=words)).to_be_visible()
    assert "POST" not in sent
    trader.shoot("4-wrong-input")


def test_what_the_exchange_refuses_is_told_with_its_reason(open_page: OpenPage) -> None:
    trader = open_page()
    trader.sign_up()
    trader.forgiven.append("status of 422")  # the browser's own word for it
    trader.write("Buy", "99999", "900000")
    trader.send()
    trader.said("INSUFFICIENT_FUNDS")


def test_market_orders_are_quoted_and_all_orders_cancelled(open_page: OpenPage, seller: Other) -> None:
    trader = open_page()
    trader.sign_up()
    page = trader.page
    seller.place(MARKET, "SELL", "5", "190")
    page.locator(".form").get_by_role("button", name="Market", exact=True).click()
    page.locator("#maxQuote").fill("400")
    expect(page.locator(".quote")).to_contain_text("GOOG")
    trader.send()
    trader.said("Buy order")
    page.keyboard.press("l")
    for price in ("100", "101"):
        trader.write("Buy", price, "1")
        trader.send()
        trader.said("Buy order open")
    expect(page.get_by_role("tabpanel").get_by_role("row")).to_have_count(3)  # with the heads
    page.get_by_role("button", name="Cancel all").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("No open orders.")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_a_screen_and_a_phone(open_page: OpenPage, theme: str) -> None:
    wide = open_page(theme=theme)
    wide.sign_up()
    assert _overflow(wide) == [0, 0]
    wide.shoot(f"5-wide-{theme}")
    phone = open_page(theme=theme, size=PHONE)
    for view in ("Markets", "Chart", "Book", "Trade", "Orders"):
        phone.page.get_by_role("navigation").get_by_role("button", name=view).click()
        assert _overflow(phone) == [0, 0]
        phone.shoot(f"6-phone-{theme}-{view.lower()}")


def test_the_keyboard_reaches_everything(open_page: OpenPage) -> None:
    trader = open_page()
    page = trader.page
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Cancel all orders")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("s")
    expect(page.locator("#price")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("BTC")
    page.keyboard.press("Enter")
    expect(page.locator(".day-symbol")).to_contain_text("BTC-USDT")
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    expect(page.get_by_role("tab", name="Balances")).to_have_attribute("aria-selected", "true")


def test_it_goes_on_when_the_gateway_was_killed(open_page: OpenPage, exchange: Cluster, seller: Other) -> None:
    trader = open_page()
    page = trader.page
    gateway = next(p for p in Supervisor(exchange.folder).processes() if p.name == "producers")
    psutil.Process(gateway.pid).kill()
    expect(page.get_by_text("No connection")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=RESTART_MS)
    seller.place(MARKET, "SELL", "3", "177.77")
    expect(trader.asks().filter(has_text="177.77")).to_be_visible()
    trader.forgiven += ["ERR_", "WebSocket"]  # connections that were refused meanwhile


def _overflow(trader: Trader) -> list[int]:
    """How far the page can be scrolled sideways and down: a trading page stands still."""
    found: list[int] = trader.page.evaluate(
        "() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )
    return [max(0, pixels) for pixels in found]

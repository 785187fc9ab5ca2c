"""A person at the command line: keys, money, orders, and what the exchange says no to."""

import re
from pathlib import Path

from tests.e2e.conftest import RunCommand

MARKET = "MSFT-USD"


def said(glassbook: RunCommand, line: str) -> str:
    done = glassbook(*line.split())
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def refused(glassbook: RunCommand, line: str) -> str:
    done = glassbook(*line.split())
    assert done.returncode == 1, f"{line}: {done.stdout}{done.stderr}"
    return done.stderr


def test_from_a_new_key_to_a_trade(glassbook: RunCommand) -> None:
    for name, kind in (("default", "ed25519"), ("bob", "p256")):
        said(glassbook, f"keys new {name} --kind {kind}")
        assert "is open" in said(glassbook, f"account register --key {name}")
    assert "USD: 10000 free, 0 reserved" in said(glassbook, "deposit USD 10000")
    said(glassbook, "deposit MSFT 50 --key bob")

    resting = said(glassbook, f"order buy {MARKET} 10 --price 223.81")
    assert "OPEN" in resting
    order_id = resting.split()[0]
    taken = said(glassbook, f"order sell {MARKET} 4 --key bob")
    assert "FILLED" in taken
    assert "filled 4 at 223.81 on average" in taken
    assert re.search(r"6\W+223\.81", said(glassbook, f"book {MARKET}"))
    assert order_id in said(glassbook, "orders")
    assert "MAKER" in said(glassbook, f"orders {order_id}")
    assert re.search(r"MSFT\W+4\W+0", said(glassbook, "balances"))

    said(glassbook, f"amend {order_id} --quantity 5")
    assert re.search(r"\b1\W+223\.81", said(glassbook, f"book {MARKET}"))
    assert "order_filled" in said(glassbook, "executions")
    assert "all open orders are cancelled at" in said(glassbook, "cancel --all --after 600")
    assert "all open orders are cancelled at" in said(glassbook, "orders")
    assert "nothing is cancelled by itself now" in said(glassbook, "cancel --all --after 0")
    assert "1 orders cancelled" in said(glassbook, f"cancel --all --symbol {MARKET}")
    assert "no open orders" in said(glassbook, "orders")

    assert "ORDER_CLOSED" in refused(glassbook, f"cancel {order_id}")
    assert "UNKNOWN_ORDER" in refused(glassbook, f"cancel {order_id} --key bob")
    assert "INSUFFICIENT_FUNDS" in refused(glassbook, f"order buy {MARKET} 1000 --price 223.81")
    assert "OFF_TICK" in refused(glassbook, f"order buy {MARKET} 1 --price 223.815")


def test_a_trade_key_trades_and_moves_no_money(glassbook: RunCommand) -> None:
    said(glassbook, "keys new")
    said(glassbook, "account register")
    said(glassbook, "deposit USD 1000")
    said(glassbook, "keys new bot --trades-for default --days 1")
    order = said(glassbook, f"order buy {MARKET} 1 --price 1 --key bot")
    assert "OPEN" in order
    assert order.split()[0] in said(glassbook, "orders --key bot")
    assert "ROOT_KEY_REQUIRED" in refused(glassbook, "withdraw USD 1 --to home --key bot")
    said(glassbook, "keys revoke bot")
    assert "KEY_REVOKED" in refused(glassbook, f"order buy {MARKET} 1 --price 1 --key bot")
    said(glassbook, "cancel --all")


def test_a_withdrawal_is_reserved_and_settled(glassbook: RunCommand) -> None:
    said(glassbook, "keys new")
    said(glassbook, "account register")
    said(glassbook, "deposit USD 100")
    withdrawal_id = re.search(r"withdrawal (\S+):", said(glassbook, "withdraw USD 30 --to home"))
    assert withdrawal_id
    assert re.search(r"USD\W+70\W+30", said(glassbook, "balances"))
    said(glassbook, f"settle {withdrawal_id[1]}")
    assert re.search(r"USD\W+70\W+0", said(glassbook, "balances"))


def test_a_listing_is_changed_while_it_runs(glassbook: RunCommand, tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "deploy" / "listing.toml"
    text = shipped.read_text()
    start = text.index('symbol = "INTC-USD"')
    changed = text[:start] + text[start:].replace('"OPEN"', '"HALTED"', 1)
    path = tmp_path / "changed.toml"
    path.write_text(changed)
    assert "INTC-USD: revision 2, HALTED" in said(glassbook, f"listing apply {path}")
    said(glassbook, "keys new")
    said(glassbook, "account register")
    assert "MARKET_NOT_OPEN" in refused(glassbook, "order buy INTC-USD 1 --price 1")
    assert re.search(r"0 of \d+ markets written", said(glassbook, f"listing apply {path}"))
    assert "INTC-USD: revision 3, OPEN" in said(glassbook, f"listing apply {shipped}")
    assert "INSUFFICIENT_FUNDS" in refused(glassbook, "order buy INTC-USD 1 --price 1")


def test_a_market_on_a_new_partition_trades_at_once(glassbook: RunCommand, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "deploy" / "listing.toml").read_text()
    markets = text.split("[[markets]]\n")
    new = markets[1].replace("AAPL", "NEW").replace("partition = 0", f"partition = {len(markets) - 1}")
    path = tmp_path / "more.toml"
    path.write_text(text.replace("AAPL = 0", "AAPL = 0\nNEW = 0") + "\n[[markets]]\n" + new)
    assert "NEW-USD: revision 1, OPEN" in said(glassbook, f"listing apply {path}")
    for name in ("default", "bob"):
        said(glassbook, f"keys new {name}")
        said(glassbook, f"account register --key {name}")
    said(glassbook, "deposit USD 1000")
    said(glassbook, "deposit NEW 5 --key bob")
    assert "OPEN" in said(glassbook, "order buy NEW-USD 5 --price 12.34")
    assert "filled 5 at 12.34" in said(glassbook, "order sell NEW-USD 5 --price 12 --key bob")

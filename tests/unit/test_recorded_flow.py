"""Recorded order flow of a real market through ledger and matcher: it must give just the fills that the market gave.

The recording is not in the repository. GLASSBOOK_DATASETS names the folder that holds it.
"""

import csv
import os
from pathlib import Path

import pytest

from schemas.commands import CancelOrder, TimeInForce
from tests.exchange import Exchange, Signer, market

REPOSITORY = Path(__file__).parents[2]
DATASETS = Path(os.environ.get("GLASSBOOK_DATASETS", REPOSITORY / "../shared/data"))


def rows(name: str) -> list[dict[str, str]]:
    path = DATASETS / name
    if not path.exists():
        pytest.skip(f"no {name} in {DATASETS}: set GLASSBOOK_DATASETS to the folder with the recorded flow")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def dollars(price_e4: str) -> str:
    digits = price_e4.rjust(5, "0")
    return f"{digits[:-4]}.{digits[-4:]}"


def test_the_recorded_orders_give_the_recorded_fills():
    orders, fills = rows("amzn_orders.csv"), rows("amzn_fills.csv")
    listed = market("AMZN-USD", tick="0.0001", min_notional="0", maker_fee="0", taker_fee="0", max_quantity="1000000")
    exchange = Exchange([listed], max_open_orders=10_000)
    # Whoever buys never sells, so that no order meets one of its own account.
    owners = {"BUY": exchange.open_account(USD="1000000000"), "SELL": exchange.open_account(AMZN="1000000")}
    names: dict[str, str] = {}
    standing: dict[str, tuple[Signer, str]] = {}
    for row in orders:
        name = row["order_id"]
        if row["action"] == "CANCEL":
            signer, order_id = standing[name]
            command = CancelOrder(order_id=order_id, **exchange.window(signer))
            exchange.submit(signer.sign(command), signer.account)
        else:
            order_id = place(exchange, owners[row["side"]], row)
            standing[name], names[order_id] = (owners[row["side"]], order_id), name
        exchange.run()
    got = [(names[t.taker_order_id], names[t.maker_order_id], t.price, int(t.quantity)) for t in exchange.trades()]
    assert got == [(f["taker_id"], f["maker_id"], plain(dollars(f["price_e4"])), int(f["qty"])) for f in fills]


def place(exchange: Exchange, signer: Signer, row: dict[str, str]) -> str:
    """Returns our id: the recording uses some of its own again after a cancel."""
    force = TimeInForce.IOC if row["type"] == "IOC" else TimeInForce.GTC
    order = exchange.order(signer, row["side"], row["qty"], dollars(row["price_e4"]), time_in_force=force)
    return exchange.submit(signer.sign(order), signer.account)


def plain(price: str) -> str:
    return price.rstrip("0").rstrip(".")

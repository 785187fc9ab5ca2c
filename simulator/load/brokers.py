"""The brokers of a load: their keys, and the signed commands and reads that they make."""

from hashlib import sha256
from random import Random

from glassbook.client import calls
from glassbook.client.calls import Account, Call
from glassbook.client.keys import Key
from glassbook.client.signer import Signer, now_ms
from schemas.commands import CancelOrder, NewOrder, OrderType, Side
from schemas.market import Terms
from simulator.load.flow import Draft, OpenOrders
from simulator.load.mix import READ_SHARES, Read

MARKET_BUY_ROOM = 2  # a market buy may spend so many times what it should cost


def broker_key(seed: int, run: str, number: int) -> Key:
    """The same for the same seed and run, so that any process can make it."""
    return Key("ed25519", sha256(f"glassbook load {seed} {run} {number}".encode()).digest())


class Broker:
    """One account. What it knows of its orders is what it was answered."""

    def __init__(self, key: Key, exchange: str, prefix: str) -> None:
        self.signer = Signer(key, exchange)
        self.account = Account(self.signer)
        self.open = OpenOrders()
        self.last_order_id = ""
        self._prefix, self._count = prefix, 0

    def order(self, draft: Draft, terms: Terms) -> NewOrder:
        self._count += 1
        client_order_id = f"{self._prefix}-{self._count}"
        self.open.sent(client_order_id)
        if draft.type is OrderType.MARKET:
            quantity = terms.quantity_text(draft.lots)
            worth = terms.quote_text(terms.notional_minor(draft.price_ticks, draft.lots) * MARKET_BUY_ROOM)
            return self.signer.market_order(
                terms.symbol, draft.side, quantity, worth if draft.side is Side.BUY else None,
                client_order_id=client_order_id,
            )  # fmt: skip
        return self.signer.limit_order(
            terms.symbol, draft.side, terms.quantity_text(draft.lots), terms.price_text(draft.price_ticks),
            time_in_force=draft.time_in_force, client_order_id=client_order_id,
            valid_until_ms=None if draft.lifetime_ms is None else now_ms() + draft.lifetime_ms,
        )  # fmt: skip

    def cancel(self) -> CancelOrder:
        """Of an order that is thought to be open."""
        return self.signer.cancel_order(client_order_id=self.open.take() or f"{self._prefix}-none")


_READS, _READ_WEIGHTS = list(READ_SHARES), list(READ_SHARES.values())


def draw_read(chance: Random) -> Read:
    return chance.choices(_READS, _READ_WEIGHTS)[0]


def read_call(read: Read, broker: Broker, symbol: str) -> Call[object]:
    account = broker.account
    match read:
        case Read.OWN_ORDER if broker.last_order_id:
            return account.order(broker.last_order_id)
        case Read.OPEN_ORDERS | Read.OWN_ORDER:
            return account.open_orders(symbol)
        case Read.BALANCES:
            return account.balances()
        case Read.DEPTH:
            return calls.depth(symbol, 20)
        case Read.TICKER:
            return calls.ticker(symbol)
        case Read.TRADES:
            return calls.trades(symbol, limit=50)

"""What tests of mandates play with: two markets, accounts on one partition, and a clock that is set by hand."""

from typing import Any

from schemas.codec import decode_orders, encode
from schemas.commands import CancelAllAfter
from schemas.journal import CommandRefused, MandateArmed, MandateDisarmed, MandateFired, OrderClosed
from schemas.records import Funded, Tick
from tests.exchange import Exchange, Signer, market

MANDATE_EVENTS = MandateArmed | MandateDisarmed | MandateFired


class MandatePlay:
    """Two markets on two partitions of `orders`, and all accounts on one of `accounts`."""

    def __init__(self, **genesis: Any) -> None:
        markets = [market(), market("XYZ-USD", partition=1)]
        self.exchange = Exchange(markets, account_partitions=1, **genesis)
        self.alice = self.exchange.open_account(USD="100000", ABC="1000", XYZ="1000")
        self.bob = self.exchange.open_account(USD="100000", ABC="1000", XYZ="1000")

    @property
    def now_ms(self) -> int:
        return self.exchange.cluster.now_ms

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        assert value >= self.exchange.cluster.now_ms
        self.exchange.cluster.now_ms = value

    # --- what goes in

    def arm(self, signer: Signer, timeout_ms: int = 5_000) -> MandateArmed:
        self.exchange.send(signer, CancelAllAfter, timeout_ms=timeout_ms)
        armed = self.told(signer)[-1]
        assert isinstance(armed, MandateArmed)
        return armed

    def buy(self, signer: Signer, price: str = "5", symbol: str = "ABC-USD", **more: Any) -> str:
        return self.exchange.place(signer, "BUY", "10", price, symbol=symbol, **more)

    def tick_at(self, time_ms: int) -> None:
        """Nothing but a tick on `accounts`, at this log time."""
        self.now_ms = time_ms
        self.exchange.cluster.append("accounts", 0, b"", encode(Tick()))
        self.exchange.run()

    # --- what comes out

    def told(self, signer: Signer) -> list[MandateArmed | MandateDisarmed | MandateFired]:
        return [event for event in self.exchange.events(signer) if isinstance(event, MANDATE_EVENTS)]

    def fired(self, signer: Signer) -> list[MandateFired]:
        return [event for event in self.told(signer) if isinstance(event, MandateFired)]

    def refusals(self, signer: Signer) -> list[CommandRefused]:
        return [event for event in self.exchange.events(signer) if isinstance(event, CommandRefused)]

    def closed(self, signer: Signer) -> list[OrderClosed]:
        return [event for event in self.exchange.events(signer) if isinstance(event, OrderClosed)]

    def open_orders(self, signer: Signer) -> list[str]:
        return [f"0-{offset}" for offset in self.exchange.ledger_core(0).accounts[signer.account].orders]

    def passed_on(self, partition: int) -> list[tuple[str, bytes, list[str]]]:
        """The mandates on a partition of `orders`: command id, signed bytes, the orders that they name."""
        records = map(decode_orders, self.exchange.cluster.values("orders", partition))
        return [
            (record.command_id, bytes(record.signed.command), record.order_ids)
            for record in records
            if isinstance(record, Funded) and b'"cancel_all_after"' in bytes(record.signed.command)
        ]

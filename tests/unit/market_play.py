"""What tests of halts and busts play with: an exchange of the second engine version, its operator and its halter."""

from typing import Any

import msgspec

from schemas.codec import ledger_decoder, trades_decoder
from schemas.commands import AuthoriseHalter, BustTrade, Command, HaltMarket, ResumeMarket
from schemas.journal import LedgerEntry, OperatorRefused
from schemas.reasons import Reason
from schemas.records import DeadLetter, Trade, TradeBusted
from tests.exchange import EXCHANGE, Exchange, Signer

SYMBOL = "ABC-USD"
MEANT: dict[str, Any] = {"exchange": EXCHANGE, "symbol": SYMBOL, "partition": 0, "time_ms": 1}

NO_TRADES: list[tuple[dict[str, Any], Reason]] = [
    ({"sequence": 2}, Reason.UNKNOWN_TRADE),
    ({"trade_id": "0-999-0"}, Reason.UNKNOWN_TRADE),
    ({"trade_id": "1-0-0"}, Reason.UNKNOWN_TRADE),
    ({"trade_id": "00-1-0"}, Reason.UNKNOWN_TRADE),
    ({"trade_id": "0-1-00"}, Reason.UNKNOWN_TRADE),
    ({"trade_id": "0-999-0", "price": "7"}, Reason.UNKNOWN_TRADE),
    ({"price": "5.01"}, Reason.TRADE_DIFFERS),
    ({"price": "5.001"}, Reason.TRADE_DIFFERS),
    ({"price": ""}, Reason.TRADE_DIFFERS),
    ({"quantity": "0", "quote_quantity": "0", "taker_fee": "0", "maker_fee": "0"}, Reason.TRADE_DIFFERS),
    ({"quantity": "10.5"}, Reason.TRADE_DIFFERS),
    ({"quantity": "1e1"}, Reason.TRADE_DIFFERS),
    ({"quote_quantity": "49"}, Reason.TRADE_DIFFERS),
    ({"quote_quantity": "50.00001"}, Reason.TRADE_DIFFERS),
    ({"taker_fee": "5.0001"}, Reason.TRADE_DIFFERS),
    ({"maker_fee": "-5.0001"}, Reason.TRADE_DIFFERS),
    ({"maker_fee": "--1"}, Reason.TRADE_DIFFERS),
    ({"fee_asset": "ABC"}, Reason.TRADE_DIFFERS),
    ({"quantity": "0", "quote_quantity": "0"}, Reason.TRADE_DIFFERS),
    ({"taker_fee": "5.01"}, Reason.TRADE_DIFFERS),
    ({"symbol": "NO-USD"}, Reason.UNKNOWN_SYMBOL),
]
"""What makes of a trade one that never was, and why a bust of it is refused."""


class MarketPlay:
    """Alice and Bob have funds; the halter is authorised."""

    def __init__(self, engine_version: int = 2, **genesis: Any) -> None:
        self.exchange = Exchange(engine_version=engine_version, **genesis)
        self.operator, self.halter = self.exchange.operator, Signer(10**8)
        self.alice = self.exchange.open_account(USD="100000", ABC="1000")
        self.bob = self.exchange.open_account(USD="100000", ABC="1000")
        self.authorise(1, self.halter.key)

    # --- what goes in

    def everywhere(self, signer: Signer, command: Command) -> None:
        """Puts it on the market's partition of `orders` and on all of `accounts`, as the operator does."""
        signed = signer.sign(command)
        self.exchange.submit_to("orders", 0, signed)
        for partition in range(self.exchange.account_partitions):
            self.exchange.submit_to("accounts", partition, signed)
        self.exchange.run()

    def authorise(self, revision: int, key: str | None, signer: Signer | None = None) -> None:
        command = AuthoriseHalter(exchange=EXCHANGE, revision=revision, halter_key=key, time_ms=1)
        self.everywhere(signer or self.operator, command)

    def halt_command(self, halt_id: str = "alert-1", **changes: Any) -> HaltMarket:
        fields: dict[str, Any] = {
            "exchange": EXCHANGE,
            "symbol": SYMBOL,
            "partition": 0,
            "halt_id": halt_id,
            "reason": "a divergence",
        }
        return HaltMarket(**(fields | {"evidence": [], "time_ms": 1} | changes))

    def halt(self, halt_id: str = "alert-1", signer: Signer | None = None, **changes: Any) -> None:
        self.everywhere(signer or self.halter, self.halt_command(halt_id, **changes))

    def resume_command(self, *halt_ids: str, **changes: Any) -> ResumeMarket:
        fields: dict[str, Any] = {
            "exchange": EXCHANGE,
            "symbol": SYMBOL,
            "partition": 0,
            "halt_ids": list(halt_ids),
            "time_ms": 1,
        }
        return ResumeMarket(**(fields | {"reason": "looked into"} | changes))

    def resume(self, *halt_ids: str, signer: Signer | None = None, **changes: Any) -> None:
        self.everywhere(signer or self.operator, self.resume_command(*halt_ids, **changes))

    def buy(self, quantity: str = "10", price: str = "5", **more: Any) -> str:
        return self.exchange.place(self.alice, "BUY", quantity, price, **more)

    def sell(self, quantity: str = "10", price: str = "5", **more: Any) -> str:
        return self.exchange.place(self.bob, "SELL", quantity, price, **more)

    def trade(self, quantity: str = "10", price: str = "5") -> Trade:
        """Bob sells to Alice, who takes."""
        self.sell(quantity, price)
        self.buy(quantity, price)
        trade: Trade = self.exchange.trades()[-1]
        return trade

    def bust_command(self, trade: Trade, **changes: Any) -> BustTrade:
        published = msgspec.structs.replace(trade.published(), **changes)
        return BustTrade(exchange=EXCHANGE, partition=0, trade=published, reason="a wrong price", time_ms=1)

    def bust(self, trade: Trade, signer: Signer | None = None, **changes: Any) -> None:
        signed = (signer or self.operator).sign(self.bust_command(trade, **changes))
        self.exchange.submit_to("orders", 0, signed)
        self.exchange.run()

    # --- what comes out

    def refusals(self) -> list[Reason]:
        """Of what the operator or the halter asked, by the ledger's first partition and by the matcher."""
        records = self.exchange.read("ledger", 0, ledger_decoder())
        letters = self.exchange.read("dead-letters", 0, msgspec.json.Decoder(DeadLetter))
        found = [record.reason for record in records if isinstance(record, OperatorRefused)]
        return found + [letter.reason for letter in letters]

    def journal(self, kind: type) -> list[Any]:
        return [record for record in self.exchange.read("ledger", 0, ledger_decoder()) if isinstance(record, kind)]

    def reasons(self, signer: Signer) -> list[Reason]:
        """Of an account's commands that were refused, and orders that were rejected."""
        events = self.exchange.events(signer)
        found = [getattr(event, "reason", None) or getattr(event, "cause", None) for event in events]
        return [reason for reason in found if reason is not None]

    def busts(self) -> list[TradeBusted]:
        records = self.exchange.read("trades", 0, trades_decoder())
        return [record for record in records if isinstance(record, TradeBusted)]

    def entries_with(self, kind: type) -> list[LedgerEntry]:
        return [entry for entry in self.exchange.entries() if any(isinstance(event, kind) for event in entry.events)]

    def is_halted(self) -> list[bool]:
        """In the matcher, then in each partition of the ledger."""
        cores = [self.exchange.ledger_core(number) for number in range(self.exchange.account_partitions)]
        book = self.exchange.matcher_core(0).books[SYMBOL]
        return [bool(halts.standing) for halts in (book.halts, *(core.halts[SYMBOL] for core in cores))]

    def book_sum(self, book: str, asset: str) -> int:
        """What one of the exchange's books holds over all partitions, in minor units."""
        cores = [self.exchange.ledger_core(number) for number in range(self.exchange.account_partitions)]
        return sum(core.books.amounts.get(book, {}).get(asset, 0) for core in cores)

"""A registry of refusals: for each reason, ways to get it by putting records straight on the log."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from schemas.codec import ledger_decoder
from schemas.commands import Command, DelegateKey, NewOrder, encode_command
from schemas.journal import CommandRefused, LedgerEntry, OperatorRefused, OrderClosed
from schemas.market import Market
from schemas.reasons import Reason
from schemas.records import DeadLetter, Delegation, SignedCommand
from schemas.signing import encode_bytes
from tests.exchange import Exchange, Signer, market

Case = Callable[["Scene"], None]
CASES: list[tuple[Reason, Case]] = []


def gives(reason: Reason) -> Callable[[Case], Case]:
    """Registers a case: after it, the log must tell this reason."""

    def register(case: Case) -> Case:
        CASES.append((reason, case))
        return case

    return register


class Scene:
    """An exchange with two funded accounts. `listed` and `genesis` say what differs from the usual one."""

    def __init__(self) -> None:
        self.start()

    def start(self, listed: Market | None = None, **genesis: Any) -> None:
        self.exchange = Exchange([listed or market()], **genesis)
        self.alice = self.exchange.open_account(USD="1000000", ABC="10000")
        self.bob = self.exchange.open_account(USD="1000000", ABC="10000")

    def order(self, side: str = "BUY", quantity: str | None = "1", price: str | None = "5", **more: Any) -> NewOrder:
        return self.exchange.order(self.alice, side, quantity, price, **more)

    def submit(self, signed: SignedCommand) -> str:
        """Puts it on alice's partition of `accounts`, and lets everything settle."""
        command_id = self.exchange.submit(signed, self.alice.account)
        self.exchange.run()
        return command_id

    def place(self, side: str = "BUY", quantity: str | None = "1", price: str | None = "5", **more: Any) -> str:
        return self.submit(self.alice.sign(self.order(side, quantity, price, **more)))

    def submit_bytes(self, raw: bytes) -> str:
        """Alice's signature over any bytes at all."""
        return self.submit(sign_bytes(self.alice, raw))

    def changed(self, old: bytes, new: bytes) -> str:
        """An order of alice's in which she changed some bytes before she signed."""
        raw = encode_command(self.order())
        assert old in raw
        return self.submit_bytes(raw.replace(old, new))

    def delegated(self, valid_for_ms: int = 60_000) -> tuple[Signer, Delegation]:
        """A trade key of alice's, registered, and its delegation."""
        trader = Signer(10**6)
        until = self.exchange.cluster.now_ms + valid_for_ms
        command = DelegateKey(**self.exchange.window(self.alice), trade_key=trader.key, valid_until_ms=until)
        signed = self.alice.sign(command)
        self.submit(signed)
        return trader, Delegation(signed.command, signed.key, signed.signature)

    def by_trader(self, trader: Signer, delegation: Delegation, command: Command) -> str:
        return self.submit(msgspec.structs.replace(trader.sign(command), delegation=delegation))

    # --- what the log tells

    def reasons(self) -> list[Reason]:
        return self.refusals() + [letter.reason for letter in self.dead_letters()]

    def refusals(self) -> list[Reason]:
        found: list[Reason] = []
        for partition in range(self.exchange.account_partitions):
            for record in self.exchange.read("ledger", partition, ledger_decoder()):
                if isinstance(record, OperatorRefused):
                    found.append(record.reason)
                elif isinstance(record, LedgerEntry):
                    found += [reason for event in record.events if (reason := reason_of(event)) is not None]
        return found

    def dead_letters(self) -> list[DeadLetter]:
        return list(self.exchange.read("dead-letters", 0, msgspec.json.Decoder(DeadLetter)))


def reason_of(event: object) -> Reason | None:
    if isinstance(event, CommandRefused):
        return event.reason
    return event.cause if isinstance(event, OrderClosed) else None


def sign_bytes(signer: Signer, raw: bytes) -> SignedCommand:
    return SignedCommand(Raw(raw), signer.key, encode_bytes(signer._key.sign(raw).signature))

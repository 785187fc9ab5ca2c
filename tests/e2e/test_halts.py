"""A running exchange stops trading where it was tampered with, or where its operator says so, and takes trades back."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner

from glassbook.canary_key import canary_key
from glassbook.cli import app_of_commands
from glassbook.client import calls
from glassbook.client.answers import Balances, Markets, Order, Receipt
from glassbook.client.calls import Account, AnswerT, Call, Operator
from glassbook.client.history import Alert, Alerts
from glassbook.client.keys import Key
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import Signer
from glassbook.cluster import Cluster
from glassbook.errors import GlassbookError
from glassbook.operator import OperatorFolder
from schemas.commands import MAX_WINDOW_MS, Side

SYMBOL, BASE = "GOOG-USD", "GOOG"
PATIENCE_S = 60.0
BUSY = frozenset({"LOG_UNAVAILABLE", "NOT_READY"})


class Desk:
    """Two traders, and the operator's command line."""

    def __init__(self, exchange: Cluster, client: Client) -> None:
        self._environment = os.environ | exchange.settings.environment()
        self._client = client
        self._domain = client.exchange()
        self.operator = Operator(OperatorFolder(exchange.settings.data_dir).key(), self._domain)
        self.buyer, self.seller = self._trader("USD"), self._trader(BASE)

    def send(self, call: Call[AnswerT]) -> AnswerT:
        """Sent again, the very same bytes, until there is an answer: the machine may be busy."""
        answers: list[AnswerT] = []

        def answered() -> bool:
            try:
                answer = self._client.send(call)
            except Refusal as refusal:
                if refusal.code not in BUSY:
                    raise
                return False
            answers.append(answer)
            return not isinstance(answer, Receipt)

        until(answered, call.target)
        return answers[-1]

    def _trader(self, asset: str) -> Account:
        account = Account(Signer(Key.new(), self._domain, window_ms=MAX_WINDOW_MS))
        self.send(account.register())
        self.send(self.operator.deposit(account.id, asset, "1000"))
        return account

    def order(self, account: Account, side: Side, quantity: int, price: str) -> Order:
        placed = self.send(account.place(account.signer.limit_order(SYMBOL, side, quantity, price)))
        assert isinstance(placed, Order)
        return placed

    def trade(self) -> None:
        """The seller sells two at 100 to the buyer."""
        self.order(self.seller, Side.SELL, 2, "100")
        assert self.order(self.buyer, Side.BUY, 2, "100").status == "FILLED"

    def balance(self, account: Account, asset: str) -> str:
        found = self.send(account.balances())
        assert isinstance(found, Balances)
        return next(each.free for each in found.balances if each.asset == asset)

    def refusal(self) -> Refusal | None:
        """Why the market takes no order; None if it does."""
        try:
            placed = self.order(self.buyer, Side.BUY, 1, "50")
        except Refusal as refusal:
            return refusal
        self.send(self.buyer.cancel(self.buyer.signer.cancel_order(placed.order_id)))
        return None

    def alerts(self) -> list[Alert]:
        found = self.send(calls.alerts(symbol=SYMBOL))
        assert isinstance(found, Alerts)
        return found.alerts

    def halts(self) -> list[str]:
        """The reasons for which the market stands still."""
        found = self.send(calls.markets())
        assert isinstance(found, Markets)
        (market,) = [each for each in found.markets if each.market.symbol == SYMBOL]
        assert (market.state == "HALTED") == bool(market.halts)
        return [halt.reason for halt in market.halts]

    def run(self, line: str, *more: str) -> str:
        """Runs a command; what it said."""
        done = CliRunner().invoke(app_of_commands, [*line.split(), *more], env=self._environment)
        if isinstance(done.exception, GlassbookError):
            return f"error: {done.exception}"
        assert done.exit_code == 0, (line, done.output, done.exception)
        return done.output


@pytest.fixture(scope="module")
def desk(exchange: Cluster) -> Iterator[Desk]:
    with Client(exchange.settings.gateway_url) as client:
        yield Desk(exchange, client)


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.02)


def test_what_was_tampered_with_is_halted_by_itself_until_the_operator_resumes_it(desk: Desk) -> None:
    desk.trade()
    resting = desk.order(desk.buyer, Side.BUY, 1, "60")
    assert desk.halts() == []

    assert "TAMPERING" in desk.run(f"tamper altered-price --symbol {SYMBOL} --yes")
    until(desk.halts, "a halt")
    until(desk.alerts, "the alert for everybody to read")
    (alert,) = desk.alerts()
    assert (alert.severity, alert.kind) == ("WRONG", "COPIES_DIFFER")
    refusal = desk.refusal()
    assert refusal is not None
    assert (refusal.status, refusal.code) == (503, "MARKET_HALTED")
    assert refusal.detail.startswith("COPIES_DIFFER: expected the bytes at ")
    desk.send(desk.buyer.cancel(desk.buyer.signer.cancel_order(resting.order_id)))

    assert alert.alert_id in desk.run(f"resume {SYMBOL} --reason", "looked into")
    until(lambda: desk.halts() == [], "the end of the halt")
    until(lambda: desk.refusal() is None, "an order that is taken")
    desk.trade()
    assert desk.alerts() == [alert], "of halts and resumptions nothing is wrong"


def test_the_operator_halts_and_resumes(desk: Desk, exchange: Cluster) -> None:
    assert desk.run("halter").strip() == canary_key(exchange.folder.canary_key).public
    assert "halted (mine)" in desk.run(f"halt {SYMBOL} --id mine --reason", "prices look odd")
    until(lambda: desk.halts() == ["prices look odd"], "a halt")
    refusal = desk.refusal()
    assert refusal is not None and (refusal.status, refusal.detail) == (503, "prices look odd")
    assert "id halts once" in desk.run(f"halt {SYMBOL} --id mine --reason again")
    assert "prices look odd" in desk.run(f"resume {SYMBOL} --reason", "they are right")
    until(lambda: desk.refusal() is None, "an order that is taken")
    assert "no halt" in desk.run(f"resume {SYMBOL} --reason again")
    assert "no public key" in desk.run("halter --authorise nonsense")


def test_a_trade_is_taken_back(desk: Desk) -> None:
    before = desk.balance(desk.buyer, "USD"), desk.balance(desk.seller, BASE)
    desk.trade()
    assert desk.balance(desk.buyer, "USD") != before[0]
    trade_id = desk.send(calls.trades(SYMBOL)).trades[-1].trade_id
    assert "bought 2 at 100" in desk.run(f"bust {trade_id} --yes --reason", "a wrong price")
    until(lambda: (desk.balance(desk.buyer, "USD"), desk.balance(desk.seller, BASE)) == before, "the reversal")
    assert "was busted already" in desk.run(f"bust {trade_id} --yes --reason again")
    assert "there is no trade" in desk.run("bust 0-999999-0 --yes --reason none")
    assert "is no trade id" in desk.run("bust nonsense --yes --reason none")
    assert "printable" in desk.run(f"bust {trade_id} --yes --reason", "\n")

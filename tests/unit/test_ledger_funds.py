"""What is free and what is reserved, to the minor unit, along the life of orders and withdrawals.

USD has four decimals, ABC none; makers pay 0.02%, takers 0.1%, unless a test says otherwise.
"""

from decimal import Decimal
from typing import Any

import pytest

from schemas.commands import AmendOrder, SelfTrade, SettleWithdrawal, TimeInForce, Withdraw
from schemas.journal import OrderClosed, WithdrawalClosed, WithdrawalOpened
from schemas.records import CloseStatus
from simulator.verdict import check_reserved
from tests.exchange import Exchange, Signer, market

USD = 10_000


class Funds:
    """Alice has 1,000 USD, bob 100 ABC."""

    def __init__(self, **terms: Any) -> None:
        self.exchange = Exchange([market(**terms)])
        self.alice = self.exchange.open_account(USD="1000")
        self.bob = self.exchange.open_account(ABC="100")

    def buy(self, quantity: str | None, price: str | None, **more: Any) -> str:
        return self.exchange.place(self.alice, "BUY", quantity, price, **more)

    def sell(self, quantity: str, price: str | None, **more: Any) -> str:
        return self.exchange.place(self.bob, "SELL", quantity, price, **more)

    @property
    def usd(self) -> tuple[int, int]:
        return self.exchange.balance(self.alice, "USD")

    @property
    def abc(self) -> tuple[int, int]:
        return self.exchange.balance(self.bob, "ABC")

    def check_sums(self) -> None:
        totals: dict[str, int] = {}
        for partition in range(self.exchange.account_partitions):
            core = self.exchange.ledger_core(partition)
            for account in core.accounts.values():
                check_reserved(core, account)
                for asset, balance in account.balances.items():
                    totals[asset] = totals.get(asset, 0) + balance.free + balance.reserved
            for book, amounts in core.books.amounts.items():
                for asset, amount in amounts.items():
                    for name in (asset, f"{book} {asset}") if book.startswith("clearing:") else (asset,):
                        totals[name] = totals.get(name, 0) + amount
        assert not any(totals.values()), totals


@pytest.fixture
def funds() -> Funds:
    return Funds()


# --- reserve and release


def test_a_buy_reserves_its_notional_and_the_higher_fee(funds):
    funds.buy("10", "5.01")
    assert funds.usd == (1000 * USD - 501_501, 501_501)  # 50.10 and 0.1% of it, 0.0501


def test_a_sell_reserves_its_quantity(funds):
    funds.sell("10", "5.01")
    assert funds.abc == (90, 10)


def test_a_cancel_releases_all_of_it(funds):
    funds.exchange.cancel(funds.alice, funds.buy("10", "5.01"))
    funds.exchange.cancel(funds.bob, funds.sell("10", "6"))
    assert funds.usd == (1000 * USD, 0)
    assert funds.abc == (100, 0)


def test_a_rejected_order_releases_all_of_it(funds):
    funds.sell("10", "5")
    funds.buy("10", "5", post_only=True)
    assert funds.usd == (1000 * USD, 0)


def test_an_expired_order_releases_all_of_it(funds):
    funds.buy("10", "5", time_in_force=TimeInForce.GTD, valid_until_ms=funds.exchange.cluster.now_ms + 500)
    assert funds.usd[1] > 0
    funds.exchange.tick()
    funds.exchange.run()
    assert funds.usd == (1000 * USD, 0)


# --- settle


def test_price_improvement_is_free_at_once(funds):
    """A buy at 6 takes 4 of its 10 at 5: it paid 20 and a fee of 0.02, and holds what the other 6 can cost at 6."""
    funds.sell("4", "5")
    funds.buy("10", "6")
    held = 360_360  # 36 and 0.1% of it
    assert funds.usd == (1000 * USD - 200_200 - held, held)
    assert funds.exchange.balance(funds.alice, "ABC") == (4, 0)
    assert funds.exchange.balance(funds.bob, "USD") == (200_000 - 40, 0)  # the maker's fee is 0.02%
    funds.check_sums()


def test_a_maker_that_reserved_for_the_takers_fee_gets_the_difference(funds):
    funds.buy("10", "5")
    funds.sell("10", "5")
    assert funds.usd == (1000 * USD - 500_000 - 100, 0)
    assert funds.exchange.balance(funds.bob, "USD") == (500_000 - 500, 0)
    funds.check_sums()


def test_a_rebate_is_paid_to_the_maker():
    funds = Funds(maker_fee="-0.0002", taker_fee="0.001")
    funds.buy("10", "5")
    funds.sell("10", "5")
    assert funds.usd == (1000 * USD - 500_000 + 100, 0)
    assert funds.exchange.balance(funds.bob, "USD") == (500_000 - 500, 0)
    funds.check_sums()


def test_fees_of_many_small_fills_never_exceed_what_was_reserved():
    funds = Funds(tick="0.0001", price_low="0.0001", min_notional="0", taker_fee="0.0999", maker_fee="0")
    order_id = funds.buy("100", "0.0123")
    for _ in range(100):
        funds.sell("1", "0.0123")
    assert funds.usd[1] == 0 and funds.exchange.balance(funds.alice, "ABC") == (100, 0)
    assert funds.exchange.events(funds.alice)[-1] == OrderClosed(order_id, CloseStatus.FILLED, None, None)
    funds.check_sums()


def test_a_market_buy_gives_back_what_it_did_not_spend(funds):
    funds.sell("3", "5")
    funds.buy(None, None, max_quote="100")
    assert funds.usd == (1000 * USD - 150_000 - 150, 0)
    funds.check_sums()


def test_a_market_buy_by_budget_spends_no_more_than_it(funds):
    funds.sell("100", "7")
    funds.buy(None, None, max_quote="100")
    assert funds.exchange.balance(funds.alice, "ABC") == (14, 0)  # 98 and 0.098
    assert funds.usd == (1000 * USD - 980_000 - 980, 0)


def test_a_decrement_releases_what_it_took_off(funds):
    funds.exchange.deposit(funds.alice.account, "ABC", "10")
    funds.exchange.run()
    funds.exchange.place(funds.alice, "SELL", "4", "5")
    funds.buy("10", "5", self_trade=SelfTrade.DECREMENT)
    assert funds.usd == (1000 * USD - 300_300, 300_300)  # 6 are left
    assert funds.exchange.balance(funds.alice, "ABC") == (10, 0)
    funds.check_sums()


# --- amends


def amend(funds: Funds, order_id: str, quantity: str, price: str | None = None) -> None:
    fields = funds.exchange.window(funds.alice)
    signed = funds.alice.sign(AmendOrder(**fields, order_id=order_id, quantity=quantity, price=price))
    funds.exchange.submit(signed, funds.alice.account)


def ledger_only(funds: Funds) -> None:
    """Lets the ledger work, so that what it passed on waits for the matcher."""
    while funds.exchange.ledger.step():
        pass


def test_an_amend_reserves_at_once_and_releases_when_it_is_done(funds):
    order_id = funds.buy("10", "5")
    amend(funds, order_id, "20")
    ledger_only(funds)
    assert funds.usd[1] == 1_001_000
    amend(funds, order_id, "5", "4")
    ledger_only(funds)
    assert funds.usd[1] == 1_001_000  # nothing is free before the matcher has said so
    funds.exchange.run()
    assert funds.usd == (1000 * USD - 200_200, 200_200)


def test_a_declined_amend_gives_back_what_it_reserved(funds):
    order_id = funds.buy("10", "5", post_only=True)
    funds.sell("10", "6")
    amend(funds, order_id, "10", "6")
    ledger_only(funds)
    assert funds.usd[1] == 600_600
    funds.exchange.run()
    assert funds.usd[1] == 500_500


def test_an_amend_that_the_account_cannot_pay_changes_nothing(funds):
    order_id = funds.buy("10", "5")
    amend(funds, order_id, "1000")
    funds.exchange.run()
    assert funds.usd[1] == 500_500
    partition, offset = map(int, order_id.split("-"))
    assert not funds.exchange.ledger_core(partition).accounts[funds.alice.account].orders[offset].pending


def test_fills_at_the_old_price_and_the_rest_at_the_new_are_both_paid_for(funds):
    """10 at 50 are amended to 20 at 40. While that is under way 9 fill at 50, and then 11 rest at 40."""
    order_id = funds.buy("10", "50")
    funds.exchange.submit(funds.bob.sign(funds.exchange.order(funds.bob, "SELL", "9", "50")), funds.bob.account)
    ledger_only(funds)
    amend(funds, order_id, "20", "40")
    ledger_only(funds)
    assert funds.usd[1] == 500 * USD + 400 * USD + 9000  # ten may fill at 50, ten more at 40, and 0.1%
    funds.exchange.run()
    assert funds.usd[1] == 4_400_000 + 4400
    funds.check_sums()


def test_an_amend_without_a_price_behind_one_with_a_dearer_price(funds):
    """The second keeps the price that the first will have given: the ledger must hold enough for that."""
    order_id = funds.buy("10", "5")
    amend(funds, order_id, "10", "40")
    amend(funds, order_id, "20")
    ledger_only(funds)
    assert funds.usd[1] == 800 * USD + 8000
    funds.exchange.run()
    assert funds.usd == (1000 * USD - 8_008_000, 8_008_000)


def test_an_amend_without_a_price_behind_a_dearer_one_that_the_account_cannot_pay(funds):
    order_id = funds.buy("10", "5")
    amend(funds, order_id, "10", "40")
    amend(funds, order_id, "30")
    funds.exchange.run()
    assert funds.usd[1] == 400 * USD + 4000
    funds.check_sums()


def test_an_order_that_fills_while_an_amend_is_under_way_releases_all(funds):
    order_id = funds.buy("10", "5")
    signed = funds.bob.sign(funds.exchange.order(funds.bob, "SELL", "10", "5"))
    funds.exchange.submit(signed, funds.bob.account)
    ledger_only(funds)
    amend(funds, order_id, "30")
    funds.exchange.run()
    assert funds.usd == (1000 * USD - 500_000 - 100, 0)
    funds.check_sums()


# --- withdrawals


def settle(funds: Funds, withdrawal_id: str, paid: bool) -> None:
    command = SettleWithdrawal(
        exchange="test", account=funds.alice.account, withdrawal_id=withdrawal_id, paid=paid, time_ms=1
    )
    funds.exchange.submit(funds.exchange.operator.sign(command), funds.alice.account)
    funds.exchange.run()


@pytest.mark.parametrize(("paid", "left"), [(True, 600), (False, 1000)])
def test_a_withdrawal_is_reserved_until_the_operator_settles_it(funds, paid, left):
    withdrawal_id = funds.exchange.send(funds.alice, Withdraw, asset="USD", amount="400", destination="bank")
    assert funds.usd == (600 * USD, 400 * USD)
    assert funds.exchange.events(funds.alice)[-1] == WithdrawalOpened(withdrawal_id, "USD", "400", "bank")
    settle(funds, withdrawal_id, paid)
    assert funds.usd == (left * USD, 0)
    event = funds.exchange.events(funds.alice)[-1]
    assert isinstance(event, WithdrawalClosed) and (event.withdrawal_id, event.paid) == (withdrawal_id, paid)
    funds.check_sums()


def test_what_is_reserved_for_an_order_cannot_be_withdrawn(funds):
    funds.buy("100", "9")
    funds.exchange.send(funds.alice, Withdraw, asset="USD", amount="400", destination="bank")
    assert funds.usd == (1000 * USD - 9_009_000, 9_009_000)


# --- large


def test_amounts_up_to_the_limit_are_exact():
    """A balance of 2^63 - 1, traded whole, and a snapshot of books that hold as much below zero."""
    exchange = Exchange([market(max_quantity=str(2**63 - 1), maker_fee="0", taker_fee="0", min_notional="0")])
    most = 2**63 - 1
    rich = [exchange.open_account(ABC=str(most)) for _ in range(3)]
    for signer in rich:
        assert exchange.balance(signer, "ABC") == (most, 0)
    worlds = [exchange.ledger_core(p).books.amounts["world"].get("ABC", 0) for p in (0, 1)]
    assert sum(worlds) == -3 * most
    restarted = exchange.start(type(exchange.ledger_core(0)), ("ledger",), [0, 1])
    assert [restarted.partitions[p].dump() for p in (0, 1)] == [exchange.ledger.partitions[p].dump() for p in (0, 1)]


def test_every_entry_sums_to_zero_and_says_the_balances_after(funds):
    funds.sell("40", "5")
    funds.buy("30", "5.5")
    for entry in funds.exchange.entries():
        sums: dict[str, Decimal] = {}
        for posting in entry.postings:
            sums[posting.asset] = sums.get(posting.asset, Decimal(0)) + Decimal(posting.amount)
        assert not any(sums.values())
    sequences: dict[str, int] = {}
    for entry in funds.exchange.entries():
        sequences[entry.account] = sequences.get(entry.account, 0) + 1
        assert entry.sequence == sequences[entry.account]
    last = funds.exchange.entries()[-1]
    for balance in last.balances:
        owner = next(s for s in (funds.alice, funds.bob) if s.account == last.account)
        free, reserved = funds.exchange.balance(owner, balance.asset)
        unit = USD if balance.asset == "USD" else 1
        assert (Decimal(balance.free) * unit, Decimal(balance.reserved) * unit) == (free, reserved)


def test_an_account_of_another_partition_is_settled_there():
    """Legs of one trade on two partitions: each sums to zero where it is, the clearing book over both."""
    exchange = Exchange(account_partitions=4)
    signers: dict[int, Signer] = {}
    while len(signers) < 2:
        signer = exchange.open_account(USD="1000", ABC="100")
        signers.setdefault(int(signer.account[:8], 16) % 4, signer)
    (first, seller), (second, buyer) = signers.items()
    exchange.place(seller, "SELL", "5", "10")
    exchange.place(buyer, "BUY", "5", "10")
    books = [exchange.ledger_core(p).books.amounts["clearing:ABC-USD"] for p in (first, second)]
    assert books[0] == {"ABC": 5, "USD": -500_000}
    assert books[1] == {"USD": 500_000, "ABC": -5}

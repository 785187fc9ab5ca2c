"""An example of each endpoint's body and answer. The bodies are signed for real, by keys that everybody knows.

Made with the very structs that are read and written, so that they can't drift; tests send the bodies through `intake`.
"""

from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct
from nacl.signing import SigningKey

from producers import answers, history_answers
from producers.alert_routes import AlertsAnswer
from producers.books import Quote
from producers.csv_answers import csv_bytes, csv_of
from producers.demonstration import FundedAnswer, FundsRequest, OfferAnswer
from producers.intake import Batch
from producers.orders import Fill, OrderStatus
from producers.problems import problem
from producers.proofs import ProofAnswer, ProofRecord
from producers.public_routes import QuoteRequest
from schemas.alerts import Evidence, Kind, Severity
from schemas.candles import Interval
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    Deposit,
    NewOrder,
    OrderType,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    Side,
    TimeInForce,
    Withdraw,
    encode_command,
)
from schemas.documents import AlertAnswer, CandleAnswer, TradeAnswer
from schemas.halts import Halt
from schemas.journal import (
    AccountRegistered,
    BalanceAfter,
    Deposited,
    KeyDelegated,
    KeyRevoked,
    MandateArmed,
    OrderRested,
    Posting,
    WithdrawalClosed,
    WithdrawalOpened,
)
from schemas.market import Market, MarketState
from schemas.reasons import Reason
from schemas.records import Role, SignedCommand
from schemas.signing import BATCH_PREFIX, account_of, encode_bytes, merkle_tree

EXCHANGE = "glassbook.local"
TIME_MS = 1_800_000_000_000
OWNER = SigningKey(bytes(range(32)))
OPERATOR = SigningKey(bytes(range(32, 64)))
TRADER = SigningKey(bytes(range(64, 96)))


class Example(NamedTuple):
    body: Any
    answer: Any
    csv: str = ""


def key_text(key: SigningKey) -> str:
    return f"ed25519:{encode_bytes(bytes(key.verify_key))}"


ACCOUNT = account_of(key_text(OWNER))


def sign(key: SigningKey, message: bytes) -> str:
    return encode_bytes(key.sign(message).signature)


def signed(key: SigningKey, command: Command) -> Any:
    raw = encode_command(command)
    return _plain(SignedCommand(Raw(raw), key_text(key), sign(key, raw)))


def signed_batch(key: SigningKey, commands: list[Command]) -> Any:
    leaves = [encode_command(command) for command in commands]
    root, _ = merkle_tree(leaves)
    return _plain(Batch([Raw(leaf) for leaf in leaves], key_text(key), sign(key, BATCH_PREFIX + root)))


def _plain(document: object) -> Any:
    """As it looks on the wire."""
    return msgspec.json.decode(msgspec.json.encode(document))


def _owned(nonce: int) -> dict[str, Any]:
    times = {"time_ms": TIME_MS, "deadline_ms": TIME_MS + 30_000}
    return {"exchange": EXCHANGE, "account": ACCOUNT, "nonce": nonce} | times


@cache
def examples() -> dict[str, Example]:
    """By method and path; `receipt` and `problem` are what any command may be answered with."""
    shown = _orders() | _account() | _markets() | _history() | _service()
    receipt = answers.Receipt(
        outcome="PENDING", command_id="2-1041", order_id="2-1041", client_order_id="first-1", topic="accounts",
        partition=2, offset=1041, ask="/api/v1/orders/2-1041",
    )  # fmt: skip
    refusal = problem(Reason.INSUFFICIENT_FUNDS, "USD is short", "/api/v1/orders", stage="ledger", command_id="2-1041")
    shown["receipt"], shown["problem"] = Example(None, _plain(receipt)), Example(None, _plain(refusal))
    return shown


def _orders() -> dict[str, Example]:
    placed = NewOrder(
        **_owned(1), client_order_id="first-1", symbol="AMZN", side=Side.BUY, type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC, price="223.81", quantity="100",
    )  # fmt: skip
    cancel = CancelOrder(**_owned(2), order_id="2-1041")
    amend = AmendOrder(**_owned(3), order_id="2-1041", quantity="80")
    cancel_all = CancelAll(**_owned(4), symbol="AMZN")
    order = _order(OrderStatus.OPEN)
    cancelled, amended = _order(OrderStatus.CANCELLED, "2-1042"), _order(OrderStatus.OPEN, "2-1043", quantity="80")
    all_cancelled = answers.CancelAllAnswer("2-1044", [answers.OrderBrief("2-1041", OrderStatus.CANCELLED)])
    batch = answers.BatchAnswer([answers.BatchResult(200, order), answers.BatchResult(200, cancelled)])
    quote = Quote(
        symbol="AMZN", side=Side.BUY, quantity="100", quote_quantity="22381", average_price="223.81",
        worst_price="223.81", fee="22.381", fee_asset="USD", book_sequence=812, book_time_ms=TIME_MS,
    )  # fmt: skip
    after, armed = CancelAllAfter(**_owned(8), timeout_ms=30_000), MandateArmed("2-1060", TIME_MS + 30_000)
    open_orders = answers.OpenOrdersAnswer([_order(OrderStatus.OPEN, None)], None, answers.standing_mandate(armed))
    by_id, wire = "/api/v1/orders/{order_id}", _plain
    return {
        "POST /api/v1/orders": Example(signed(OWNER, placed), wire(order)),
        "POST /api/v1/orders/batch": Example(signed_batch(OWNER, [placed, cancel]), wire(batch)),
        "POST /api/v1/orders/test": Example(
            signed(OWNER, placed), wire(answers.AcceptanceAnswer(True, "22403.381", "USD", "100000"))
        ),
        "POST /api/v1/orders/quote": Example(wire(QuoteRequest("AMZN", Side.BUY, "100")), wire(quote)),
        "GET /api/v1/orders": Example(None, wire(open_orders)),
        f"GET {by_id}": Example(None, wire(order)),
        "GET /api/v1/orders/by-client-id/{client_order_id}": Example(None, wire(order)),
        f"PUT {by_id}": Example(signed(OWNER, amend), wire(amended)),
        f"POST {by_id}/amend": Example(signed(OWNER, amend), wire(amended)),
        f"DELETE {by_id}": Example(signed(OWNER, cancel), wire(cancelled)),
        f"POST {by_id}/cancel": Example(signed(OWNER, cancel), wire(cancelled)),
        "DELETE /api/v1/orders": Example(signed(OWNER, cancel_all), wire(all_cancelled)),
        "POST /api/v1/orders/cancel": Example(signed(OWNER, cancel_all), wire(all_cancelled)),
        "POST /api/v1/orders/cancel-all-after": Example(signed(OWNER, after), _did("2-1060", armed)),
    }


def _order(status: OrderStatus, command_id: str | None = "2-1041", quantity: str = "100") -> answers.OrderAnswer:
    fill = Fill("0-88-0", 17, TIME_MS, Role.TAKER, "223.81", "40", "8952.4", "8.9524", "USD")
    return answers.OrderAnswer(
        order_id="2-1041", client_order_id="first-1", account=ACCOUNT, symbol="AMZN", side=Side.BUY, type="LIMIT",
        time_in_force="GTC", status=status, filled="40", filled_quote="8952.4", price="223.81", quantity=quantity,
        remaining="0" if status.is_closed else str(int(quantity) - 40), average_price="223.81", fee="8.9524",
        fee_asset="USD", created_ms=TIME_MS, updated_ms=TIME_MS, trades=[fill], command_id=command_id,
    )  # fmt: skip


def _account() -> dict[str, Example]:
    root, trade_key, wire = key_text(OWNER), key_text(TRADER), _plain
    register = RegisterAccount(exchange=EXCHANGE, root_key=root, time_ms=TIME_MS)
    deposit = Deposit(
        exchange=EXCHANGE, account=ACCOUNT, asset="USD", amount="100000", transfer_id="wire-7", time_ms=TIME_MS
    )
    withdraw = Withdraw(**_owned(5), asset="USD", amount="500", destination="DE02 1203 0000 0000 2020 51")
    settle = SettleWithdrawal(exchange=EXCHANGE, account=ACCOUNT, withdrawal_id="2-1050", paid=True, time_ms=TIME_MS)
    until = TIME_MS + 86_400_000
    delegate = DelegateKey(**_owned(6), trade_key=trade_key, valid_until_ms=until)
    revoke = RevokeKey(**_owned(7), trade_key=trade_key)
    usd = BalanceAfter("USD", "100000", "0")
    revoked = Example(signed(OWNER, revoke), _did("2-1052", KeyRevoked("2-1052", trade_key)))
    rested = OrderRested("2-1041", "60")
    postings = [Posting(f"free:{ACCOUNT}", "USD", "-22403.381"), Posting(f"reserved:{ACCOUNT}", "USD", "22403.381")]
    execution = answers.Execution(9120, 3, TIME_MS, [rested], postings, [BalanceAfter("USD", "77596.619", "22403.381")])
    opened = WithdrawalOpened("2-1050", "USD", "500", withdraw.destination)
    closed = WithdrawalClosed("2-1050", "2-1051", "USD", "500", True)
    waiting = answers.WithdrawalWaiting("2-1050", "USD", "500", withdraw.destination)
    return {
        "POST /api/v1/accounts": Example(signed(OWNER, register), _did("2-7", AccountRegistered("2-7", root))),
        "POST /api/v1/deposits": Example(
            signed(OPERATOR, deposit), _did("2-8", Deposited("2-8", "USD", "100000", "wire-7"), usd)
        ),
        "POST /api/v1/withdrawals": Example(
            signed(OWNER, withdraw), _did("2-1050", opened, BalanceAfter("USD", "99500", "500"))
        ),
        "POST /api/v1/withdrawals/{withdrawal_id}/settlement": Example(
            signed(OPERATOR, settle), _did("2-1051", closed, BalanceAfter("USD", "99500", "0"))
        ),
        "POST /api/v1/keys": Example(signed(OWNER, delegate), _did("2-9", KeyDelegated("2-9", trade_key, until))),
        "DELETE /api/v1/keys": revoked,
        "POST /api/v1/keys/revoke": revoked,
        "GET /api/v1/executions": Example(None, wire(answers.ExecutionsAnswer([execution], 9120, False))),
        "GET /api/v1/balances": Example(None, wire(answers.BalancesAnswer(ACCOUNT, [usd], [waiting]))),
    }


def _did(command_id: str, event: Struct, balance: BalanceAfter | None = None) -> Any:
    return _plain(answers.CommandAnswer(command_id, ACCOUNT, event, [balance] if balance else None))  # type: ignore[arg-type]


def _markets() -> dict[str, Example]:
    market = Market(
        symbol="AMZN", base="AMZN", quote="USD", base_decimals=0, quote_decimals=6, tick="0.01", lot="1",
        min_quantity="1", max_quantity="1000000", min_notional="1", price_low="1", price_high="1000",
        maker_fee="0.0005", taker_fee="0.001", partition=0, state=MarketState.OPEN,
    )  # fmt: skip
    halted = answers.MarketAnswer(1, market, MarketState.HALTED, [Halt("trades-0-812", "a price differs", TIME_MS)])
    listed, wire = answers.MarketsAnswer(EXCHANGE, [halted]), _plain
    book = answers.BookAnswer("AMZN", 812, TIME_MS, [("223.80", "300")], [("223.81", "100"), ("223.82", "250")])
    return {
        "GET /api/v1/markets": Example(None, wire(listed)),
        "GET /api/v1/markets/{symbol}/book": Example(None, wire(book)),
        "GET /api/v1/markets/{symbol}/price": Example(
            None, wire(answers.PriceAnswer("AMZN", "223.81", "223.795", 17, TIME_MS))
        ),
    }


def _history() -> dict[str, Example]:
    candle = CandleAnswer(
        open_time_ms=TIME_MS, closed=True, open="223.81", high="223.95", low="223.8", close="223.9", volume="140",
        quote_volume="31345.4", trades=3, taker_buy_volume="100", taker_buy_quote_volume="22390", first_sequence=15,
        last_sequence=17,
    )  # fmt: skip
    trade = TradeAnswer(
        sequence=17, trade_id="0-88-0", time_ms=TIME_MS, price="223.81", quantity="40", quote_quantity="8952.4",
        aggressor_side=Side.BUY, taker_order_id="2-1041", taker_account=ACCOUNT, taker_fee="8.9524",
        maker_order_id="3-977", maker_account=account_of(key_text(TRADER)), maker_fee="4.4762", fee_asset="USD",
    )  # fmt: skip
    own = history_answers.AccountTrade(
        cursor="4-0", order_id="2-1041", symbol="AMZN", side=Side.BUY, role=Role.TAKER, price="223.81", quantity="40",
        quote_quantity="8952.4", fee="8.9524", fee_asset="USD", trade_id="0-88-0", trade_sequence=17, time_ms=TIME_MS,
    )  # fmt: skip
    line = history_answers.StatementLine(
        cursor="4-3", entry_sequence=4, time_ms=TIME_MS, book="free", asset="AMZN", amount="40", balance="40",
        cause="order_filled,order_rested", reference="2-1041",
    )  # fmt: skip
    market, account = "GET /api/v1/markets/{symbol}", "GET /api/v1/account"
    candles = history_answers.CandlesAnswer("AMZN", Interval.M1, [candle], True, False, 17)
    trades = history_answers.TradesAnswer("AMZN", [trade], True, False)
    own_trades = history_answers.AccountTradesAnswer(ACCOUNT, [own], False, 4)
    statement = history_answers.StatementAnswer(ACCOUNT, [line], True, 4)
    taker = ProofRecord(Role.TAKER, "accounts", 2, 1041, '{"record":"submitted","signed":{…}}')
    proof = ProofAnswer("AMZN", trade, [taker], True)
    return {
        f"{market}/trades/{{sequence}}/proof": Example(None, _plain(proof)),
        f"{market}/candles": _rows(candles, candle),
        f"{market}/trades": _rows(trades, trade),
        f"{account}/trades": _rows(own_trades, own),
        f"{account}/statement": _rows(statement, line),
    }


def _rows(answer: Struct, row: Struct) -> Example:
    return Example(None, _plain(answer), csv_bytes(csv_of(answer, type(row), [row])).decode())


def _alert() -> AlertAnswer:
    return AlertAnswer(
        cursor=f"{TIME_MS}-orders-0-88", alert_id="orders-0-88", kind=Kind.PRICE_ALTERED, severity=Severity.WRONG,
        symbol="AMZN", time_ms=TIME_MS, expected="40 at 223.81", found="40 at 223.82",
        evidence=[Evidence("trades", 0, 17), Evidence("orders", 0, 88)],
    )  # fmt: skip


def _service() -> dict[str, Example]:
    given = Deposited("2-8", "USD", "100000", "demonstration-USD")
    funded = FundedAnswer(ACCOUNT, [answers.CommandAnswer("2-8", ACCOUNT, given, [BalanceAfter("USD", "100000", "0")])])
    return {
        "GET /api/v1/demonstration": Example(None, _plain(OfferAnswer(True))),
        "POST /api/v1/demonstration": Example(_plain(FundsRequest(key_text(OWNER), "AMZN")), _plain(funded)),
        "GET /api/v1/alerts": Example(None, _plain(AlertsAnswer([_alert()], False))),
        "GET /api/v1/time": Example(None, _plain(answers.TimeAnswer(TIME_MS, TIME_MS - 3))),
        "GET /healthz": Example(None, _plain(answers.AliveAnswer(True))),
        "GET /readyz": Example(None, _plain(answers.ReadyAnswer(True, {"ledger-0": 9120, "ledger-1": 8804}, []))),
    }

"""Every endpoint in a line or two of words: what it takes and gives. `openapi.py` makes the description of it."""

from typing import NamedTuple

from producers import answers, history_answers
from producers.alert_routes import AlertsAnswer
from producers.books import Quote
from producers.demonstration import FundedAnswer, FundsRequest, OfferAnswer
from producers.proofs import ProofAnswer
from producers.public_routes import QuoteRequest
from schemas import commands


class Operation(NamedTuple):
    """One endpoint in words. `command` is the kind that it takes, `answer` what 200 carries, and `csv` says that it can
    be had as CSV too. `body` is taken unsigned. `query` are names in the description's table of parameters."""

    method: str
    path: str
    tag: str
    summary: str
    answer: type
    command: type | None = None
    signed_read: bool = False
    query: tuple[str, ...] = ()
    csv: bool = False
    body: type | None = None


_WAIT = ("wait", "timeout_ms")
_JOURNAL_PAGE = ("cursor_after", "cursor_before", "from", "to", "limit", "format")
OPERATIONS = (
    Operation(
        "POST", "/api/v1/orders", "orders", "Place an order", answers.OrderAnswer, commands.NewOrder, query=_WAIT
    ),
    Operation(
        "POST",
        "/api/v1/orders/batch",
        "orders",
        "Place, cancel and amend many under one signature",
        answers.BatchAnswer,
        commands.NewOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/test",
        "orders",
        "All checks of an order, and no order",
        answers.AcceptanceAnswer,
        commands.NewOrder,
    ),
    Operation(
        "POST",
        "/api/v1/orders/quote",
        "orders",
        "What a market order of this size would pay now",
        Quote,
        body=QuoteRequest,
    ),
    Operation(
        "GET",
        "/api/v1/orders",
        "orders",
        "Open orders, oldest first",
        answers.OpenOrdersAnswer,
        signed_read=True,
        query=("status", "symbol", "after", "limit"),
    ),
    Operation(
        "GET", "/api/v1/orders/{order_id}", "orders", "An order, with its trades", answers.OrderAnswer, signed_read=True
    ),
    Operation(
        "GET",
        "/api/v1/orders/by-client-id/{client_order_id}",
        "orders",
        "The same by its client order id",
        answers.OrderAnswer,
        signed_read=True,
    ),
    Operation(
        "PUT",
        "/api/v1/orders/{order_id}",
        "orders",
        "Amend: less quantity keeps priority, all else loses it",
        answers.OrderAnswer,
        commands.AmendOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/{order_id}/amend",
        "orders",
        "The same",
        answers.OrderAnswer,
        commands.AmendOrder,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/orders/{order_id}",
        "orders",
        "Cancel",
        answers.OrderAnswer,
        commands.CancelOrder,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/orders/{order_id}/cancel",
        "orders",
        "The same",
        answers.OrderAnswer,
        commands.CancelOrder,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/orders",
        "orders",
        "Cancel all open orders, or those of one market",
        answers.CancelAllAnswer,
        commands.CancelAll,
        query=_WAIT,
    ),
    Operation(
        "POST", "/api/v1/orders/cancel", "orders", "The same", answers.CancelAllAnswer, commands.CancelAll, query=_WAIT
    ),
    Operation(
        "POST",
        "/api/v1/orders/cancel-all-after",
        "orders",
        "Cancel all open orders once so much log time has gone by, unless this is sent again before; 0 ends it",
        answers.CommandAnswer,
        commands.CancelAllAfter,
        query=_WAIT,
    ),
    Operation(
        "GET",
        "/api/v1/executions",
        "account",
        "The account's journal in order, to resume from",
        answers.ExecutionsAnswer,
        signed_read=True,
        query=("after", "limit"),
    ),
    Operation(
        "GET", "/api/v1/balances", "account", "Free and reserved balances", answers.BalancesAnswer, signed_read=True
    ),
    Operation(
        "POST",
        "/api/v1/accounts",
        "account",
        "Register an account with its root key",
        answers.CommandAnswer,
        commands.RegisterAccount,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/deposits",
        "account",
        "Book a deposit (operator)",
        answers.CommandAnswer,
        commands.Deposit,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/withdrawals",
        "account",
        "Reserve an amount for withdrawal",
        answers.CommandAnswer,
        commands.Withdraw,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/withdrawals/{withdrawal_id}/settlement",
        "account",
        "Settle a withdrawal (operator)",
        answers.CommandAnswer,
        commands.SettleWithdrawal,
        query=_WAIT,
    ),
    Operation(
        "POST",
        "/api/v1/keys",
        "account",
        "Let a trade key trade",
        answers.CommandAnswer,
        commands.DelegateKey,
        query=_WAIT,
    ),
    Operation(
        "DELETE",
        "/api/v1/keys",
        "account",
        "Revoke a trade key for good",
        answers.CommandAnswer,
        commands.RevokeKey,
        query=_WAIT,
    ),
    Operation(
        "POST", "/api/v1/keys/revoke", "account", "The same", answers.CommandAnswer, commands.RevokeKey, query=_WAIT
    ),
    Operation(
        "GET",
        "/api/v1/account/trades",
        "account",
        "The account's own trades, those of closed orders too",
        history_answers.AccountTradesAnswer,
        signed_read=True,
        query=("symbol", *_JOURNAL_PAGE),
        csv=True,
    ),
    Operation(
        "GET",
        "/api/v1/account/statement",
        "account",
        "Every posting onto the account's books, with the balance behind it",
        history_answers.StatementAnswer,
        signed_read=True,
        query=("asset", *_JOURNAL_PAGE),
        csv=True,
    ),
    Operation("GET", "/api/v1/markets", "markets", "All markets with their terms", answers.MarketsAnswer),
    Operation(
        "GET",
        "/api/v1/markets/{symbol}/book",
        "markets",
        "The best price levels",
        answers.BookAnswer,
        query=("levels",),
    ),
    Operation("GET", "/api/v1/markets/{symbol}/price", "markets", "Last price and moving average", answers.PriceAnswer),
    Operation(
        "GET",
        "/api/v1/markets/{symbol}/candles",
        "markets",
        "Candles, the forming one included",
        history_answers.CandlesAnswer,
        query=("interval", "from", "to", "candles", "fill", "format"),
        csv=True,
    ),
    Operation(
        "GET",
        "/api/v1/markets/{symbol}/trades",
        "markets",
        "Trades by their sequence or time",
        history_answers.TradesAnswer,
        query=("sequence_after", "sequence_before", "from", "to", "limit", "format"),
        csv=True,
    ),
    Operation(
        "GET",
        "/api/v1/alerts",
        "markets",
        "What the canary found wrong, newest last",
        AlertsAnswer,
        query=("alert_after", "alert_before", "from", "to", "symbol", "severity", "limit"),
    ),
    Operation("GET", "/api/v1/time", "service", "The gateway's clock and the log's", answers.TimeAnswer),
    Operation("GET", "/healthz", "service", "The process is up", answers.AliveAnswer),
    Operation("GET", "/readyz", "service", "The view is fresh and the log answers", answers.ReadyAnswer),
    Operation(
        "GET",
        "/api/v1/markets/{symbol}/trades/{sequence}/proof",
        "markets",
        "The signed orders that a trade was made of, as they stand on the log",
        ProofAnswer,
    ),
    Operation("GET", "/api/v1/demonstration", "service", "Whether there is play money here", OfferAnswer),
    Operation(
        "POST",
        "/api/v1/demonstration",
        "service",
        "Play money of a market's two assets, once each, on a local system",
        FundedAnswer,
        body=FundsRequest,
    ),
)

"""An account's own trades and its statement: whole, in order, and with balances that hold, wherever they come from."""

import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import pytest

from producers.account_history import lines_of
from producers.limits import Rates
from schemas.commands import DelegateKey, SettleWithdrawal, Withdraw
from schemas.entry_summary import cause_of, reference_of
from schemas.journal import LedgerEntry, OrderFilled
from sinks.ledger_rows import postings as rows_of_postings
from tests.exchange import EXCHANGE, Signer
from tests.unit.gateway_world import GatewayWorld
from tests.unit.history_world import SYMBOL, Market

TRADES = "/api/v1/account/trades"
STATEMENT = "/api/v1/account/statement"


@pytest.fixture
def market() -> Market:
    """The taker buys, sells, has orders open, cancels, withdraws, and has entries that post nothing."""
    made = Market()
    me, other = made.taker, made.maker
    made.trades(8, apart_ms=1000)
    made.exchange.place(me, "BUY", "3", "9.50")
    made.exchange.cancel(me, made.exchange.place(me, "SELL", "2", "11"))
    made.exchange.place(me, "SELL", "5", "10.10")
    made.exchange.place(other, "BUY", "4", "10.10")
    made.exchange.send(me, DelegateKey, trade_key=Signer(77).key, valid_until_ms=made.cluster.now_ms + 10**9)
    withdrawal = made.exchange.send(me, Withdraw, asset="USD", amount="25", destination="bank")
    command = SettleWithdrawal(
        exchange=EXCHANGE, account=me.account, withdrawal_id=withdrawal, paid=True, time_ms=1
    )  # fmt: skip
    made.exchange.submit(made.exchange.operator.sign(command), me.account)
    made.exchange.run()
    made.trades(4, apart_ms=1000)
    made.exchange.place(me, "BUY", "1", "10", client_order_id="c1")  # refused: the id was used
    return made


def read(world: GatewayWorld, signer: Signer, path: str, query: str = "") -> httpx.Response:
    return world.read(signer, f"{path}?{query}" if query else path)


def entries(market: Market, signer: Signer) -> list[LedgerEntry]:
    """Each once, whatever copies stand on the topic."""
    found = {entry.sequence: entry for entry in market.exchange.entries() if entry.account == signer.account}
    return [found[sequence] for sequence in sorted(found)]


def own_trades(market: Market, signer: Signer) -> list[str]:
    return [
        event.trade_id for entry in entries(market, signer) for event in entry.events if isinstance(event, OrderFilled)
    ]


def own_lines(market: Market, signer: Signer) -> list[dict[str, Any]]:
    """The statement by hand: each posting onto an own book, and the sum so far."""
    found: list[tuple[Any, ...]] = []
    sums: dict[tuple[str, str], Decimal] = {}
    for entry in entries(market, signer):
        for index, posting in enumerate(entry.postings):
            book, _, owner = posting.book.partition(":")
            if owner == signer.account:
                key = (book, posting.asset)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(posting.amount)
                balance = sums[key].quantize(Decimal("0.0001"))
                found.append((f"{entry.sequence}-{index}", book, posting.asset, posting.amount, balance))
    return [dict(zip(("cursor", "book", "asset", "amount", "balance"), line, strict=True)) for line in found]


def told_lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.json()
    lines = answer.json()["lines"]
    return [
        {name: line[name] for name in ("cursor", "book", "asset", "amount")}
        | {"balance": Decimal(line["balance"]).quantize(Decimal("0.0001"))}
        for line in lines
    ]


def told_trades(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [trade["trade_id"] for trade in answer.json()["trades"]]


SIZES = (1, 10, 25, 60, 1000)


@pytest.mark.parametrize("max_entries", SIZES)
@pytest.mark.parametrize("late", [False, True])
def test_a_statement_is_every_posting_with_its_balance(market, max_entries, late):
    for signer in (market.taker, market.maker):
        world = market.seen_late(max_entries=max_entries) if late else market.seen(max_entries=max_entries)
        answer = read(world, signer, STATEMENT, "limit=1000")
        assert told_lines(answer) == own_lines(market, signer)
        assert answer.json()["through_sequence"] == entries(market, signer)[-1].sequence
        assert answer.json()["more"] is False
        final = {(line["book"], line["asset"]): line["balance"] for line in answer.json()["lines"]}
        for balance in world.read(signer, "/api/v1/balances").json()["balances"]:
            asset = balance["asset"]
            assert final["free", asset] == balance["free"]
            assert final.get(("reserved", asset), "0") == balance["reserved"]


@pytest.mark.parametrize("max_entries", SIZES)
@pytest.mark.parametrize("limit", [1, 7])
def test_pages_in_both_directions(market, max_entries, limit):
    world, me = market.seen(max_entries=max_entries), market.taker
    for path, told, whole in (
        (STATEMENT, told_lines, own_lines(market, me)),
        (TRADES, told_trades, own_trades(market, me)),
    ):
        up: list[Any] = []
        query, more = "after=0-0", True
        while more:
            answer = read(world, me, path, f"{query}&limit={limit}")
            up += told(answer)
            more = answer.json()["more"]
            query = f"after={rows(answer)[-1]['cursor']}" if rows(answer) else query
        down: list[Any] = []
        query, more = "", True
        while more:
            answer = read(world, me, path, f"limit={limit}{query}")
            down = told(answer) + down
            more = answer.json()["more"]
            query = f"&before={rows(answer)[0]['cursor']}" if rows(answer) else query
        assert up == down == whole
        assert rows(read(world, me, path, f"{query[1:]}&limit=5")) == []


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    document = answer.json()
    found: list[dict[str, Any]] = document["trades"] if "trades" in document else document["lines"]
    return found


@pytest.mark.parametrize("max_entries", SIZES)
def test_by_time_and_by_what_it_is_of(market, max_entries):
    world, me = market.seen(max_entries=max_entries), market.taker
    whole = rows(read(world, me, STATEMENT, "limit=1000"))
    times = sorted({line["time_ms"] for line in whole})
    for first, end in ((times[0], times[-1]), (times[5], times[-5]), (times[-3], times[-1] + 1), (times[3], times[3])):
        expected = [line for line in whole if first <= line["time_ms"] < end]
        assert rows(read(world, me, STATEMENT, f"from={first}&to={end}&limit=1000")) == expected
        assert rows(read(world, me, STATEMENT, f"from={first}&to={end}&limit=3")) == expected[:3]
        assert (
            rows(read(world, me, STATEMENT, f"to={end}&limit=4")) == [one for one in whole if one["time_ms"] < end][-4:]
        )
    for asset in ("USD", "ABC"):
        expected = [line for line in whole if line["asset"] == asset]
        assert rows(read(world, me, STATEMENT, f"asset={asset}&limit=1000")) == expected
        assert rows(read(world, me, STATEMENT, f"asset={asset}&limit=2")) == expected[-2:]
    assert rows(read(world, me, STATEMENT, "asset=XYZ")) == []
    assert len(rows(read(world, me, TRADES, f"symbol={SYMBOL}"))) == len(own_trades(market, me))
    assert rows(read(world, me, TRADES, "symbol=XYZ-USD")) == []


def test_a_trade_says_what_the_journal_says(market):
    answer = read(market.seen_late(), market.taker, TRADES)
    first = answer.json()["trades"][0]
    assert (first["side"], first["role"], first["price"], first["quantity"]) == ("BUY", "TAKER", "10", "1")
    assert (first["fee"], first["fee_asset"], first["symbol"]) == ("0.01", "USD", SYMBOL)
    roles = [trade["role"] for trade in answer.json()["trades"]]
    events = [event for entry in entries(market, market.taker) for event in entry.events]
    assert roles == [event.role for event in events if isinstance(event, OrderFilled)]
    assert "MAKER" in roles, "of an order that is still open"
    assert read(market.seen(), market.taker, TRADES).json() == answer.json()


def test_cause_and_reference_are_the_sinks(market):
    """What ClickHouse has of an entry is what memory says of it."""
    for entry in market.exchange.entries():
        if entry.postings:
            causes, references = rows_of_postings([entry], [0])[7:9]
            assert (causes[0], references[0]) == (cause_of(entry.events), reference_of(entry.events))
    told = {line.cause: line.reference for entry in entries(market, market.taker) for _, line in lines_of(entry)}
    assert told["deposited"] == "t-ABC"
    assert told["withdrawal_opened"] == told["withdrawal_closed"]


# --- the seam


def test_a_fill_that_was_just_seen_is_in_the_statement(market):
    """The sink hasn't heard of it yet, and memory begins in the middle."""
    world = market.seen(max_entries=30)
    market.trade("10.5")
    world.pump()
    assert told_lines(read(world, market.taker, STATEMENT, "limit=1000")) == own_lines(market, market.taker)
    assert told_trades(read(world, market.taker, TRADES)) == own_trades(market, market.taker)


def test_what_lies_between_the_sink_and_memory_is_read_back(market):
    world = market.seen(max_entries=20)
    market.trades(15, apart_ms=1000)
    world.pump()
    for signer in (market.taker, market.maker):
        assert told_lines(read(world, signer, STATEMENT, "limit=1000")) == own_lines(market, signer)
        assert told_trades(read(world, signer, TRADES)) == own_trades(market, signer)
    assert world.stretches.read_records > 0


def test_copies_on_the_topic_change_nothing(market):
    """A stage that woke up late has written some entries again: in front of what a gateway reads first."""
    me = market.taker
    partition = next(p for p in range(2) if me.account.encode() in b"".join(market.cluster.values("ledger", p)))
    sunk = GatewayWorld(exchange=market.exchange)
    sunk.store.sink()
    for value in market.cluster.values("ledger", partition)[-6:]:
        market.cluster.append("ledger", partition, b"", value)
    world = GatewayWorld(exchange=market.exchange, restored=True)
    world.store.positions = sunk.store.positions
    assert world.entries.floor(partition) == len(market.cluster.values("ledger", partition))
    assert told_lines(read(world, me, STATEMENT, "limit=1000")) == own_lines(market, me)
    market.trade()
    world.pump()
    assert told_lines(read(world, me, STATEMENT, "limit=1000")) == own_lines(market, me)


@pytest.mark.parametrize("path", [TRADES, STATEMENT])
def test_a_gap_is_told(market, path, monkeypatch):
    monkeypatch.setattr("producers.stretches.MAX_STRETCH_RECORDS", 5)
    world = market.seen(max_entries=12)
    market.trades(10, apart_ms=1000)
    world.pump()
    answer = read(world, market.taker, path, "limit=1000")
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "more than 5 records between them" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"
    assert read(world, market.taker, path, "limit=1").status_code == 200, "memory has the newest"


@pytest.mark.parametrize("path", [TRADES, STATEMENT])
def test_without_clickhouse_memory_answers_what_it_can(market, path):
    world = market.seen(max_entries=30)
    world.store.problem = "ClickHouse does not answer: refused"
    newest = rows(read(market.seen(), market.taker, path, "limit=2"))
    assert rows(read(world, market.taker, path, "limit=2")) == newest
    assert rows(read(world, market.taker, path, f"after={newest[0]['cursor']}")) == newest[1:]
    assert rows(read(world, market.taker, path, f"from={newest[1]['time_ms']}"))[-1] == newest[1]
    for query in ("limit=1000", "after=0-0", "from=0", "before=3-0"):
        answer = read(world, market.taker, path, query)
        assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE"), query
        assert "from " in answer.json()["detail"] and answer.json()["detail"].endswith("refused")
    whole = market.seen()
    whole.store.problem = "ClickHouse does not answer"
    assert read(whole, market.taker, path, "after=0-0").status_code == 200, "all of it is in memory"


def test_entries_that_are_not_contiguous_are_told(market):
    world = market.seen()
    kept = world.entries.of(market.taker.account)
    del kept[3]
    answer = read(world, market.taker, STATEMENT)
    assert (answer.status_code, answer.json()["code"]) == (503, "HISTORY_UNAVAILABLE")
    assert "are not contiguous" in answer.json()["detail"]


def test_a_table_that_is_not_there_yet_is_an_empty_one():
    market = Market()
    world = market.seen()
    world.store.positions = {}
    fresh = market.exchange.open_account(USD="5")
    world.pump()
    assert told_lines(read(world, fresh, STATEMENT)) == own_lines(market, fresh)
    assert told_trades(read(world, fresh, TRADES)) == []


# --- forms and refusals


@pytest.mark.parametrize("path", [TRADES, STATEMENT])
def test_the_same_as_csv(market, path):
    world = market.seen(max_entries=10)
    answer = read(world, market.taker, path, "format=csv&limit=4")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (answer.headers["glassbook-more"], int(answer.headers["glassbook-through-sequence"])) == (
        "true", entries(market, market.taker)[-1].sequence,
    )  # fmt: skip
    assert "glassbook-position" in answer.headers
    told = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    expected = rows(read(world, market.taker, path, "limit=4"))
    assert told == [{name: str(value) for name, value in row.items()} for row in expected]
    accepted = world.read(market.taker, f"{path}?limit=4", accept="text/csv")
    assert accepted.text == answer.text


@pytest.mark.parametrize("path", [TRADES, STATEMENT])
@pytest.mark.parametrize(
    "query, code",
    [
        ("after=1-0&before=5-0", "BAD_RANGE"),
        ("from=5&to=4", "BAD_RANGE"),
        ("after=5", "BAD_PARAMETER"),
        ("before=-1-0", "BAD_PARAMETER"),
        ("after=1-0-0", "BAD_PARAMETER"),
        ("after=9999999999999999999-0", "BAD_PARAMETER"),
        ("limit=0", "BAD_PARAMETER"),
        ("limit=1001", "BAD_PARAMETER"),
        ("from=x", "BAD_PARAMETER"),
        ("format=pdf", "BAD_PARAMETER"),
        ("status=open", "BAD_PARAMETER"),
    ],
)
def test_refusals(market, path, query, code):
    answer = read(market.seen(), market.taker, path, query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_names_that_are_none_and_reads_that_are_not_signed(market):
    world = market.seen()
    for query in (f"{TRADES}?symbol=a'b", f"{STATEMENT}?asset=%27%20OR%201", f"{STATEMENT}?asset="):
        answer = world.read(market.taker, query)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_PARAMETER")
    for path in (TRADES, STATEMENT):
        answer = world.request("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (401, "NO_SIGNATURE")


def test_rates_hold_here_too(market):
    world = market.seen(rates=Rates(account=2, address=1000))
    codes = [read(world, market.taker, path).status_code for path in (TRADES, STATEMENT, TRADES, STATEMENT) * 3]
    assert 429 in codes
    world = market.seen(rates=Rates(account=1000, address=2))
    answers = [world.request("GET", f"/api/v1/markets/{SYMBOL}/trades") for _ in range(12)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert {answer.json()["code"] for answer in limited} == {"RATE_LIMITED"}


def test_nobody_sees_anothers(market):
    stranger = market.exchange.open_account(USD="5")
    world = market.seen(max_entries=1)
    assert {line["cause"] for line in rows(read(world, stranger, STATEMENT))} == {"deposited"}
    assert rows(read(world, stranger, TRADES)) == []
    headers = world.read_headers(stranger, STATEMENT, account=market.taker.account)
    answer = world.request("GET", STATEMENT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "KEY_REVOKED")

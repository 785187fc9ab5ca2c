"""The analytics queries on the real engine: over a made-up history, each is compared with its answer by pandas."""

import itertools
import math
from decimal import Decimal

import pandas as pd
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from glassbook.report_questions import ORDER
from glassbook.settings import Settings
from tests.integration.analyst import QUESTIONS, Analyst
from tests.integration.made_up_history import SECONDS, History

SYMBOLS, ACCOUNTS = ["AAA-USD", "BBB-USD", "CCC-BTC"], ["ann", "bob", "cho", "dee"]


@pytest.fixture(scope="module")
def history() -> History:
    made = History(seed=7)
    made.trade_at_random(400, SYMBOLS, ACCOUNTS)
    return made


@pytest.fixture(scope="module")
def analyst(clickhouse: Settings, history: History) -> Analyst:
    return Analyst(clickhouse).show(history)


@pytest.fixture
def trades(history: History) -> pd.DataFrame:
    return pd.DataFrame(history.trades)


@pytest.fixture
def events(history: History) -> pd.DataFrame:
    return pd.DataFrame(history.tables()["order_events"])


def test_vwap(analyst: Analyst, trades: pd.DataFrame) -> None:
    for answer, (symbol, group) in zip(analyst.ask("vwap"), trades.groupby("symbol"), strict=True):
        assert (answer["symbol"], answer["trades"], answer["volume"]) == (symbol, len(group), group.quantity.sum())
        exact = (group.price * group.quantity).sum() / group.quantity.sum()
        assert abs(answer["vwap"] - exact) < Decimal("0.00000001")


def test_a_period_holds_its_beginning_and_not_its_end(analyst: Analyst, trades: pd.DataFrame) -> None:
    first, last = trades.time.iloc[100], trades.time.iloc[300]
    inside = trades[(trades.time >= first) & (trades.time < last) & (trades.symbol == "BBB-USD")]
    period = {"from": f"{first:%Y-%m-%d %H:%M:%S.%f}"[:-3], "to": f"{last:%Y-%m-%d %H:%M:%S.%f}"[:-3]}
    (answer,) = analyst.ask("vwap", symbol="BBB-USD", **period)
    assert (answer["trades"], answer["quote_volume"]) == (len(inside), inside.quote_quantity.sum())


@pytest.mark.parametrize("name", ORDER)
def test_one_market_alone_can_be_asked_for(analyst: Analyst, name: str) -> None:
    one = analyst.ask(name, symbol="BBB-USD")
    if "symbol" not in {parameter.name for parameter in QUESTIONS[name].parameters}:
        assert one == analyst.ask(name)
    elif "symbol" in one[0]:
        assert one == [row for row in analyst.ask(name) if row["symbol"] == "BBB-USD"]
    else:
        assert one != analyst.ask(name)


def test_traded_range(analyst: Analyst, trades: pd.DataFrame) -> None:
    days = trades.groupby(["symbol", trades.time.dt.date])
    assert len(days) > len(SYMBOLS)  # the history is longer than a day
    for answer, ((symbol, day), group) in zip(analyst.ask("traded_range"), days, strict=True):
        prices = list(group.sort_values("sequence").price)
        assert (answer["symbol"], answer["day"]) == (symbol, day)
        assert (answer["open"], answer["close"]) == (prices[0], prices[-1])
        assert (answer["high"], answer["low"]) == (max(prices), min(prices))
        assert answer["range"] == max(prices) - min(prices)
        assert answer["range_percent"] == pytest.approx(float(100 * (max(prices) / min(prices) - 1)))


def test_top_symbols(analyst: Analyst, trades: pd.DataFrame) -> None:
    volumes = trades.groupby(["fee_asset", "symbol"]).quote_quantity.sum()
    expected = []
    for asset in ("BTC", "USD"):
        ranked = sorted(volumes[asset].items(), key=lambda item: -item[1])
        expected += [(asset, place, *item) for place, item in enumerate(ranked, 1)]
    answers = analyst.ask("top_symbols")
    assert [(a["quote_asset"], a["rank"], a["symbol"], a["quote_volume"]) for a in answers] == expected
    for answer in answers:
        share = answer["quote_volume"] / volumes[answer["quote_asset"]].sum()
        assert answer["share_percent"] == pytest.approx(float(100 * share))
    assert [a["rank"] for a in analyst.ask("top_symbols", limit="1")] == [1, 1]


@pytest.mark.parametrize("interval", ["1m", "1h"])
def test_volatility(analyst: Analyst, trades: pd.DataFrame, interval: str) -> None:
    answers = {answer["symbol"]: answer for answer in analyst.ask("volatility", interval=interval)}
    assert list(answers) == SYMBOLS
    for symbol, group in trades.groupby("symbol"):
        closes = group.groupby(group.time.dt.floor(f"{SECONDS[interval]}s")).price.last().astype(float)
        returns = closes.map(math.log).diff().dropna()
        realised = math.sqrt((returns**2).sum())
        seconds = (closes.index[-1] - closes.index[0]).total_seconds()
        answer = answers[symbol]
        assert (answer["candles"], answer["returns"], answer["seconds"]) == (len(closes), len(returns), seconds)
        assert answer["realised_percent"] == pytest.approx(100 * realised)
        assert answer["annualised_percent"] == pytest.approx(100 * realised * math.sqrt(365 * 86400 / seconds))
        assert answer["largest_move_percent"] == pytest.approx(100 * (math.exp(returns.abs().max()) - 1))


def test_order_to_trade_ratio(analyst: Analyst, trades: pd.DataFrame, events: pd.DataFrame) -> None:
    market = events[events.event == "order_opened"].set_index("order_id").symbol
    of = events.order_id.map(market)
    for answer in analyst.ask("order_to_trade_ratio"):
        mine = events[of == answer["symbol"]]
        orders, amends = (mine.event == "order_opened").sum(), (mine.event == "order_amended").sum()
        cancels, count = (mine.status == "CANCELLED").sum(), (trades.symbol == answer["symbol"]).sum()
        assert (answer["orders"], answer["amends"], answer["cancels"]) == (orders, amends, cancels)
        assert amends and cancels and answer["trades"] == count
        assert answer["messages_per_trade"] == pytest.approx((orders + amends + cancels) / count)
        assert answer["orders_per_trade"] == pytest.approx(orders / count)
    assert [answer["symbol"] for answer in analyst.ask("order_to_trade_ratio")] == SYMBOLS


def test_fill_ratio(analyst: Analyst, events: pd.DataFrame) -> None:
    orders = events[events.event == "order_opened"].set_index("order_id")[["account", "quantity"]]
    fills = events[events.event == "order_filled"].groupby("order_id").quantity.sum()
    orders["part"] = (fills / orders.quantity).reindex(orders.index).fillna(0).astype(float)
    answers = analyst.ask("fill_ratio")
    assert sorted(answer["account"] for answer in answers) == ACCOUNTS
    for answer in answers:
        part = orders[orders.account == answer["account"]].part
        assert answer["orders"] == len(part)
        counts = (part == 1).sum(), ((part > 0) & (part < 1)).sum(), (part == 0).sum()
        assert (answer["filled"], answer["partly_filled"], answer["not_filled"]) == counts
        assert answer["orders_with_a_fill_percent"] == pytest.approx(100 * (part > 0).mean())
        assert answer["filled_percent"] == pytest.approx(100 * part.mean())
    assert [answer["account"] for answer in analyst.ask("fill_ratio", account="cho")] == ["cho"]


def test_maker_taker_share(analyst: Analyst, trades: pd.DataFrame) -> None:
    answers = analyst.ask("maker_taker_share")
    assert len(answers) == len(ACCOUNTS) * 2  # of two quote assets
    for answer in answers:
        asset = trades[trades.fee_asset == answer["quote_asset"]]
        made, taken = (asset[asset[f"{role}_account"] == answer["account"]] for role in ("maker", "taker"))
        assert (answer["made"], answer["taken"]) == (made.quote_quantity.sum(), taken.quote_quantity.sum())
        assert answer["fees"] == made.maker_fee.sum() + taken.taker_fee.sum()
        assert answer["fills"] == len(made) + len(taken)
        share = answer["made"] / (answer["made"] + answer["taken"])
        assert answer["maker_percent"] == pytest.approx(float(100 * share))


def test_wash_trade_suspects(analyst: Analyst, trades: pd.DataFrame) -> None:
    settings = {"min_trades": "3", "min_matched_percent": "60", "min_volume_percent": "15"}
    expected = {}
    for symbol, market in trades.groupby("symbol"):
        everybody = pd.concat([market.taker_account, market.maker_account])
        volume = pd.concat([market.quantity, market.quantity]).groupby(everybody).sum()
        for one, other in itertools.combinations_with_replacement(ACCOUNTS, 2):
            sides = zip(market.taker_account, market.maker_account, strict=True)
            pair = market[[{one, other} == set(accounts) for accounts in sides]]
            if pair.empty:
                continue
            buyer = pair.taker_account.where(pair.aggressor_side == "BUY", pair.maker_account)
            bought = pair.quantity[buyer == one].sum()
            matched = 100 if one == other else 200 * min(bought, pair.quantity.sum() - bought) / pair.quantity.sum()
            both = volume[one] if one == other else volume[one] + volume[other]
            share = 200 * pair.quantity.sum() / both
            if one == other or (len(pair) >= 3 and matched >= 60 and share >= 15):
                expected[symbol, one, other] = (len(pair), float(matched), float(share))
    answers = analyst.ask("wash_trade_suspects", **settings)
    found = {
        (a["symbol"], a["first_account"], a["second_account"]): (
            a["trades"], a["matched_percent"], a["of_their_volume_percent"]
        )
        for a in answers
    }  # fmt: skip
    assert set(found) == set(expected) and len(expected) > len(SYMBOLS)
    assert len({one == other for _, one, other in expected}) == 2  # self-trades and pairs
    for key, figures in found.items():
        assert figures == pytest.approx(expected[key])


@pytest.mark.parametrize("interval", list(SECONDS))
def test_candle_gaps_of_a_sound_history_are_quiet(analyst: Analyst, trades: pd.DataFrame, interval: str) -> None:
    empty = 0
    for _, group in trades.groupby("symbol"):
        buckets = group.time.dt.floor(f"{SECONDS[interval]}s").drop_duplicates()
        steps = buckets.diff().dropna().dt.total_seconds() / SECONDS[interval]
        empty += int((steps - 1).sum())
    answers = analyst.ask("candle_gaps", interval=interval)
    assert sum(answer["empty_buckets"] for answer in answers) == empty
    assert {answer["verdict"] for answer in answers} <= {"QUIET"}


def test_balance_sheet(analyst: Analyst, history: History) -> None:
    postings = pd.DataFrame(history.postings)
    kind = postings.book.str.partition(":")[0].replace({"free": "accounts"})
    sums = postings.groupby([postings.asset, kind]).amount.sum()
    sheet = pd.DataFrame(analyst.ask("balance_sheet"))
    found = sheet[sheet.section != "sum"].groupby(["asset", "section"]).amount.sum()
    assert found.to_dict() == sums.to_dict()
    assert list(sheet[sheet.section == "sum"].amount) == [0] * postings.asset.nunique()
    usd = sheet[(sheet.asset == "USD") & (sheet.section == "accounts")]
    assert sorted(usd.of) == ACCOUNTS and list(usd.amount) == sorted(usd.amount, reverse=True)
    clearing = sheet[sheet.section == "clearing"]
    assert set(clearing.of) == set(SYMBOLS) and set(clearing.amount) == {0}


def test_the_smaller_accounts_are_one_line_of_the_balance_sheet(analyst: Analyst) -> None:
    whole = [a for a in analyst.ask("balance_sheet", asset="USD") if a["section"] == "accounts"]
    short = [a for a in analyst.ask("balance_sheet", asset="USD", accounts="1") if a["section"] == "accounts"]
    assert [a["of"] for a in short] == [whole[0]["of"], "3 other accounts"]
    assert short[1]["amount"] == sum(a["amount"] for a in whole[1:])


@pytest.mark.parametrize("name", ["volatility", "candle_gaps"])
def test_an_interval_that_is_not_there_is_an_error(analyst: Analyst, name: str) -> None:
    with pytest.raises(DatabaseError, match="there is no such interval"):
        analyst.ask(name, interval="2m")


def test_a_value_never_becomes_sql(analyst: Analyst) -> None:
    assert analyst.ask("vwap", symbol="' OR 1 = 1 --") == []

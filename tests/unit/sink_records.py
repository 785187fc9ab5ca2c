"""Records of the topics that a sink reads, made by hand, and a log partition of them."""

from typing import Any

from schemas.alerts import Alert, Evidence, Severity
from schemas.candles import Candle, FormingCandle, Interval
from schemas.codec import encode
from schemas.commands import Side
from schemas.journal import AccountEvent, LedgerEntry, MarketListed, Posting
from schemas.records import Source, Trade, TradeBusted, TradesTick
from sinks.records import Stretch
from tests.exchange import market

NOON_MS = 1_763_726_400_000  # 2025-11-21 12:00 UTC
ALICE, BOB = "a" * 40, "b" * 40


def source(offset: int = 0, partition: int = 0) -> Source:
    return Source(partition, offset, 0, "A" * 43)


def trade(edge: int, symbol: str = "ABC-USD", sequence: int | None = None, **changes: Any) -> Trade:
    said: dict[str, Any] = dict(
        edge_sequence=edge, source=source(edge), symbol=symbol, sequence=edge if sequence is None else sequence,
        trade_id=f"0-{edge}-0", time_ms=NOON_MS + edge, price="9.5", quantity="3", quote_quantity="28.5",
        aggressor_side=Side.BUY, taker_order_id="0-7", taker_account=ALICE, taker_fee="0.0285", maker_order_id="1-8",
        maker_account=BOB, maker_fee="-0.0057", fee_asset="USD",
    )  # fmt: skip
    return Trade(**(said | changes))


def tick(edge: int) -> TradesTick:
    return TradesTick(edge_sequence=edge, source=source(edge), time_ms=NOON_MS + edge)


def busted(edge: int, of: Trade) -> TradeBusted:
    return TradeBusted(
        edge_sequence=edge, source=source(edge), symbol=of.symbol, time_ms=NOON_MS + edge, reason="a wrong price",
        trade=of.published(),
    )  # fmt: skip


def candle(edge: int, open_time_ms: int = NOON_MS, closed: bool = True, **changes: Any) -> Candle:
    said: dict[str, Any] = dict(
        edge_sequence=edge, source=source(edge), symbol="ABC-USD", interval=Interval.M1, open_time_ms=open_time_ms,
        closed=closed, open="1", high="4", low="0.5", close="2", volume="10", quote_volume="20", trades=3,
        taker_buy_volume="6", taker_buy_quote_volume="12", first_sequence=1, last_sequence=3,
    )  # fmt: skip
    return (Candle if closed else FormingCandle)(**(said | changes))


def entry(edge: int, *events: AccountEvent, account: str = ALICE, sequence: int | None = None, **more: Any) -> Any:
    return LedgerEntry(
        edge_sequence=edge, source=source(edge), account=account, sequence=edge if sequence is None else sequence,
        time_ms=NOON_MS + edge, events=list(events), **more,
    )  # fmt: skip


def posting(account: str = ALICE, amount: str = "1.5") -> list[Posting]:
    return [Posting(f"free:{account}", "USD", amount), Posting("world", "USD", f"-{amount}")]


def listed(edge: int, revision: int = 1) -> MarketListed:
    terms = market()
    return MarketListed(edge_sequence=edge, source=source(edge), revision=revision, time_ms=NOON_MS, market=terms)


def alert(name: str, found: str = "x") -> Alert:
    return Alert(
        alert_id=name, kind="PRICE_ALTERED", severity=Severity.WRONG, symbol="ABC-USD", time_ms=NOON_MS,
        expected="y", found=found, evidence=[Evidence("trades", 3, 77), Evidence("orders", 3, 70)],
    )  # fmt: skip


def stretch(topic: str, records: list[Any], first: int = 0, partition: int = 0) -> Stretch:
    """Records as they lie on the log from an offset on; what is bytes or None lies there as it is."""
    values = [record if record is None or isinstance(record, bytes) else encode(record) for record in records]
    return Stretch(topic, partition, list(range(first, first + len(values))), values)

"""Edits of trades, in the light of the books as they stood: other makers, dead ones, another order, one more."""

from collections.abc import Callable
from random import Random

from matcher.book import Order
from matcher.core import MatcherCore
from schemas.topics import ACCOUNTS, ORDERS, TRADES
from simulator.canary_edits import Edit, Json, appended, chosen, decoded, encoded, is_trade, with_record
from simulator.canary_log import Log
from stage.partition import StagePartition


def flip_side(content: Json, random: Random) -> None:
    content["aggressor_side"] = "SELL" if content["aggressor_side"] == "BUY" else "BUY"


def other_time(content: Json, random: Random) -> None:
    content["time_ms"] += random.choice([-1, 1, 1000])


def books_before(log: Log, partition: int, offset: int) -> MatcherCore:
    """The books as they stood before the input at this offset."""
    core = MatcherCore(partition)
    stage = StagePartition(core, partition)
    for record in log[(ORDERS, partition)][:offset]:
        stage.feed(record.offset, record.log_time_ms, record.value)
    return core


def swapped_maker(choose: Callable[[Json, Order, list[Order]], Order | None]) -> Edit:
    """A trade that names another maker, of those that stood in the book."""

    def edit(log: Log, random: Random) -> Log | None:
        places = [
            (place, number) for place, records in sorted(log.items()) if place[0] == TRADES
            for number, record in enumerate(records) if is_trade(decoded(record))
        ]  # fmt: skip
        random.shuffle(places)
        for place, number in places[:8]:
            record = log[place][number]
            content = decoded(record)
            book = books_before(log, place[1], content["source"]["offset"]).books[content["symbol"]]
            orders = list(book.engine.book)
            maker = next((order for order in orders if order.order_id == content["maker_order_id"]), None)
            other = choose(content, maker, orders) if maker is not None else None
            if other is not None:
                content |= {"maker_order_id": other.order_id, "maker_account": other.account}
                content["price"] = book.terms.price_text(other.price_ticks)
                return with_record(log, place, number, encoded(record, content))
        return None

    return edit


def younger(content: Json, maker: Order, orders: list[Order]) -> Order | None:
    behind = [o for o in orders[orders.index(maker) + 1 :] if o.price_ticks == maker.price_ticks]
    return next((o for o in behind if o.is_buy == maker.is_buy and o.account != content["taker_account"]), None)


def worse(content: Json, maker: Order, orders: list[Order]) -> Order | None:
    sign = 1 if maker.is_buy else -1
    found = [o for o in orders if o.is_buy == maker.is_buy and (maker.price_ticks - o.price_ticks) * sign > 0]
    return next((o for o in found if o.account != content["taker_account"]), None)


def own(content: Json, maker: Order, orders: list[Order]) -> Order | None:
    return next((o for o in orders if o.is_buy == maker.is_buy and o.account == content["taker_account"]), None)


def dead_maker(log: Log, random: Random) -> Log | None:
    """A trade that names an order which was cancelled or had expired before."""
    at = chosen(log, random, TRADES, is_trade)
    if at is None:
        return None
    place, number = at
    record = log[place][number]
    content = decoded(record)
    gone = [
        event
        for (topic, _), records in sorted(log.items())
        if topic == ACCOUNTS
        for report in map(decoded, (r for r in records if b'"execution_report"' in r.value))
        if report["source"]["partition"] == place[1] and report["source"]["offset"] < content["source"]["offset"]
        for event in report["events"]
        if event["event"] == "closed" and event["status"] in ("CANCELLED", "EXPIRED")
        and event["account"] != content["taker_account"]
    ]  # fmt: skip
    if not gone:
        return None
    dead = random.choice(gone)
    content |= {"maker_order_id": dead["order_id"], "maker_account": dead["account"]}
    return with_record(log, place, number, encoded(record, content))


def swapped_fills(log: Log, random: Random) -> Log | None:
    """Two fills of one order change places, and take each other's numbers."""
    pairs = [
        (place, number)
        for place, records in sorted(log.items()) if place[0] == TRADES
        for number in range(len(records) - 1)
        if is_trade(decoded(records[number])) and is_trade(decoded(records[number + 1]))
        and decoded(records[number])["source"]["offset"] == decoded(records[number + 1])["source"]["offset"]
    ]  # fmt: skip
    if not pairs:
        return None
    place, number = random.choice(pairs)
    first, second = decoded(log[place][number]), decoded(log[place][number + 1])
    for field in ("edge_sequence", "source", "sequence", "trade_id"):
        first[field], second[field] = second[field], first[field]
    log = with_record(log, place, number, encoded(log[place][number], second))
    return with_record(log, place, number + 1, encoded(log[place][number + 1], first))


def invented_fill(log: Log, random: Random) -> Log | None:
    """One more fill at the end, of orders that never were, with the next numbers."""
    at = chosen(log, random, TRADES, is_trade)
    if at is None:
        return None
    content, last = decoded(log[at[0]][at[1]]), decoded(log[at[0]][-1])
    content["edge_sequence"] = last["edge_sequence"] + 1
    content["source"] = last["source"] | {"index": last["source"]["index"] + 1}
    content["sequence"] += 1
    content |= {"taker_order_id": "0-999999", "maker_order_id": "0-999998"}
    return appended(log, at[0], content)


def second_fill(log: Log, random: Random) -> Log | None:
    """A fill comes again at the end, under the next numbers."""
    at = chosen(log, random, TRADES, is_trade)
    if at is None:
        return None
    content, last = decoded(log[at[0]][at[1]]), decoded(log[at[0]][-1])
    content["edge_sequence"] = last["edge_sequence"] + 1
    return appended(log, at[0], content)

"""The baseline's answers, in the gateway's own documents: a client can't tell one from the other."""

from benchmarks.baselines.book import Order
from benchmarks.baselines.exchange import UNLIMITED_LOTS, Exchange
from benchmarks.baselines.state import Account, ListedMarket
from glassbook.client import answers
from glassbook.client.history import Trades
from schemas.decimals import format_decimal
from schemas.market import Terms

AVERAGE_DECIMALS = 8  # beyond the tick's


def order_document(
    order: Order, terms: Terms, with_trades: bool = True, command_id: str | None = None
) -> answers.Order:
    is_open = order.status == "OPEN"
    known = order.remaining_lots if order.quantity is not None and order.remaining_lots < UNLIMITED_LOTS else 0
    return answers.Order(
        order_id=f"0-{order.number}", client_order_id=order.client_order_id, account=order.account,
        symbol=order.symbol, side="BUY" if order.is_buy else "SELL", type=order.type,
        time_in_force=order.time_in_force, status=order.status, filled=terms.quantity_text(order.filled_lots),
        filled_quote=terms.quote_text(order.filled_quote_minor), price=order.price, quantity=order.quantity,
        max_quote=order.max_quote, remaining=terms.quantity_text(known) if is_open else "0",
        average_price=_average(order, terms) if order.filled_lots else None, fee=terms.quote_text(order.fee_minor),
        fee_asset=terms.quote, valid_until_ms=order.valid_until_ms, post_only=order.post_only, cause=order.cause,
        created_ms=order.created_ms, updated_ms=order.updated_ms, trades=order.fills if with_trades else None,
        command_id=command_id,
    )  # fmt: skip


def _average(order: Order, terms: Terms) -> str:
    market = terms.market
    decimals = min(terms.price_decimals + AVERAGE_DECIMALS, 18)
    scaled = order.filled_quote_minor * 10 ** (decimals + market.base_decimals)
    units = scaled // (order.filled_lots * terms.lot_minor * 10**market.quote_decimals)
    return format_decimal(units, decimals)


def markets_document(exchange: Exchange, domain: str) -> answers.Markets:
    listed = [
        answers.ListedMarket(1, market.terms.market, market.terms.state, []) for market in exchange.markets.values()
    ]
    return answers.Markets(domain, listed)


def balances_document(exchange: Exchange, name: str, account: Account) -> answers.Balances:
    decimals = exchange.decimals
    found = [
        answers.Balance(asset, format_decimal(balance.free, decimals[asset]),
                        format_decimal(balance.reserved, decimals[asset]))
        for asset, balance in sorted(account.balances.items())
    ]  # fmt: skip
    return answers.Balances(name, found, [])


def open_orders_document(
    exchange: Exchange, account: Account, symbol: str | None, after: int, limit: int
) -> answers.OpenOrders:
    wanted = [order for order in account.open.values() if order.number > after and symbol in (None, order.symbol)]
    page = [order_document(order, exchange.markets[order.symbol].terms, False) for order in wanted[:limit]]
    return answers.OpenOrders(page, page[-1].order_id if len(wanted) > limit else None)


def depth_document(market: ListedMarket, limit: int, now_ms: int) -> answers.Depth:
    """Without a checksum: that is for those who follow a stream."""
    bids, asks = _texts(market, True, limit), _texts(market, False, limit)
    return answers.Depth(market.terms.symbol, market.changes, now_ms, bids, asks, 0)


def book_document(market: ListedMarket, limit: int, now_ms: int) -> answers.Book:
    bids, asks = _texts(market, True, limit), _texts(market, False, limit)
    return answers.Book(market.terms.symbol, market.changes, now_ms, bids, asks)


def _texts(market: ListedMarket, is_buy: bool, limit: int) -> list[tuple[str, str]]:
    terms = market.terms
    levels = market.book.levels(is_buy, limit)
    return [(terms.price_text(price), terms.quantity_text(lots)) for price, lots in levels]


def trades_document(market: ListedMarket, limit: int) -> Trades:
    newest = [market.trades[at] for at in range(max(0, len(market.trades) - limit), len(market.trades))]
    more = bool(newest) and newest[0].sequence > 1
    return Trades(market.terms.symbol, newest, more, False)


def ticker_document(market: ListedMarket, now_ms: int, since_ms: int) -> answers.Ticker:
    """Since the start, instead of over 24 hours; without the change in per cent."""
    terms = market.terms

    def price(ticks: int) -> str | None:
        return terms.price_text(ticks) if market.lots else None

    bid, ask = _texts(market, True, 1), _texts(market, False, 1)
    return answers.Ticker(
        symbol=terms.symbol, time_ms=now_ms, last=price(market.last), open=price(market.open),
        high=price(market.high), low=price(market.low), change=price(market.last - market.open), change_percent=None,
        volume=terms.quantity_text(market.lots), quote_volume=terms.quote_text(market.notional_minor),
        trades=market.sequence, best_bid=bid[0][0] if bid else None, best_bid_quantity=bid[0][1] if bid else None,
        best_ask=ask[0][0] if ask else None, best_ask_quantity=ask[0][1] if ask else None, since_ms=since_ms,
    )  # fmt: skip

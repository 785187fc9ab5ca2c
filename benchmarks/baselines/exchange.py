"""The baseline's exchange: accounts, markets and orders in memory, one command at a time.

Owns every balance and order. Funds are checked and reserved before an order meets a book, and settled fill by fill,
with the fees of the listing; sums are whole numbers of minor units. Knows no network, clock or storage: `take_changes`
hands over what has changed since it was last called, as it stands at that moment, and `restore_…` takes it back.
"""

import heapq
from collections import deque
from collections.abc import Iterator

from benchmarks.baselines.book import Book, Match, Order
from benchmarks.baselines.funds import Purse, reserve_needed
from benchmarks.baselines.state import Account, Balance, Changes, ListedMarket
from glassbook.client.answers import Fill
from glassbook.client.history import Trade
from schemas.commands import CancelOrder, Deposit, NewOrder, OrderType, SelfTrade, Side, TimeInForce
from schemas.market import Market, Priced, Terms, fee_minor, parse_amount
from schemas.order_rules import price_new_order
from schemas.reasons import Reason
from schemas.refusal import Refused

UNLIMITED_LOTS = 2**63 - 1
FEES = "fees"  # the account that fees go to
FILLS_KEPT = 1_000  # of an order
CLOSED_KEPT = 1_000_000  # orders that are still answered for


class Exchange:
    def __init__(self, markets: list[Market], max_open_orders: int) -> None:
        self.markets = {market.symbol: ListedMarket(market) for market in markets}
        self.decimals = {market.base: market.base_decimals for market in markets}
        self.decimals |= {market.quote: market.quote_decimals for market in markets}
        self.accounts: dict[str, Account] = {FEES: Account()}
        self.orders: dict[int, Order] = {}
        self._max_open_orders = max_open_orders
        self._next_number = 1
        self._closed: deque[int] = deque()
        self._expiries: list[tuple[int, int]] = []
        self._changes = Changes([], [], {}, {}, [])

    # --- accounts

    def register(self, account: str) -> None:
        if account in self.accounts:
            raise Refused(Reason.ACCOUNT_EXISTS)
        self.accounts[account] = Account()
        self._changes.accounts.append(account)

    def deposit(self, command: Deposit) -> None:
        account, decimals = self.account(command.account), self.decimals.get(command.asset)
        if decimals is None:
            raise Refused(Reason.UNKNOWN_ASSET, command.asset)
        if command.transfer_id in account.transfers:
            raise Refused(Reason.DUPLICATE_TRANSFER, command.transfer_id)
        self._balance(command.account, command.asset).free += parse_amount(command.amount, decimals)
        account.transfers.add(command.transfer_id)
        self._changes.transfers.append((command.account, command.transfer_id))

    def account(self, name: str) -> Account:
        found = self.accounts.get(name)
        if found is None:
            raise Refused(Reason.UNKNOWN_ACCOUNT)
        return found

    def _balance(self, account: str, asset: str) -> Balance:
        """To be changed."""
        balance = self.accounts[account].balance(asset)
        self._changes.balances[account, asset] = balance
        return balance

    # --- orders

    def place(self, command: NewOrder, now_ms: int) -> Order:
        """The order as it is after it has met the book."""
        market, account = self.market(command.symbol), self.account(command.account)
        priced = price_new_order(command, market.terms)
        _check_supported(command)
        if command.valid_until_ms is not None and command.valid_until_ms <= now_ms:
            raise Refused(Reason.ALREADY_EXPIRED)
        if command.client_order_id in account.by_client_id:
            raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID, command.client_order_id)
        if len(account.open) >= self._max_open_orders:
            raise Refused(Reason.TOO_MANY_OPEN_ORDERS, f"the limit is {self._max_open_orders}")
        order = _new_order(self._next_number, command, priced, now_ms)
        self._reserve(market.terms, order, priced)
        self._next_number += 1
        self._remember(account, order)
        if order.post_only and self._would_take(market.book, order):
            self._close(market.terms, order, "REJECTED", Reason.WOULD_TAKE, now_ms)
        elif command.time_in_force is TimeInForce.FOK and not market.book.fills_whole(order):
            self._close(market.terms, order, "EXPIRED", Reason.TIME_IN_FORCE, now_ms)
        else:
            self._match(market, order, now_ms)
        return order

    def cancel(self, command: CancelOrder, now_ms: int) -> Order:
        account = self.account(command.account)
        if command.order_id is not None:
            order = self.orders.get(int(command.order_id.partition("-")[2]))
        else:
            order = account.by_client_id.get(command.client_order_id or "")
        if order is None or order.account != command.account:
            raise Refused(Reason.UNKNOWN_ORDER)
        if order.status != "OPEN":
            raise Refused(Reason.ORDER_CLOSED, f"the order is {order.status}")
        return self._take_off(order, "CANCELLED", None, now_ms)

    def cancel_all(self, account: str, symbol: str | None, now_ms: int) -> list[Order]:
        wanted = [order for order in self.account(account).open.values() if symbol in (None, order.symbol)]
        return [self._take_off(order, "CANCELLED", None, now_ms) for order in wanted]

    def expire(self, now_ms: int) -> None:
        """Ends the orders whose time is over."""
        while self._expiries and self._expiries[0][0] <= now_ms:
            order = self.orders.get(heapq.heappop(self._expiries)[1])
            if order is not None and order.status == "OPEN":
                self._take_off(order, "EXPIRED", Reason.VALID_UNTIL, now_ms)

    def market(self, symbol: str) -> ListedMarket:
        found = self.markets.get(symbol)
        if found is None:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol[:40])
        return found

    def _remember(self, account: Account, order: Order) -> None:
        self.orders[order.number] = account.by_client_id[order.client_order_id] = order
        self._changes.orders[order.number] = order
        if order.status == "OPEN":
            account.open[order.number] = order
        else:
            self._forget_later(order)

    def _forget_later(self, order: Order) -> None:
        self._closed.append(order.number)
        if len(self._closed) > CLOSED_KEPT:
            oldest = self.orders.pop(self._closed.popleft())
            del self.accounts[oldest.account].by_client_id[oldest.client_order_id]

    # --- matching

    @staticmethod
    def _would_take(book: Book, order: Order) -> bool:
        best, price = book.best_ticks(not order.is_buy), order.price_ticks
        return best is not None and price is not None and (price >= best if order.is_buy else price <= best)

    def _match(self, market: ListedMarket, order: Order, now_ms: int) -> None:
        terms, book = market.terms, market.book
        afford = Purse(terms, order) if order.type == "MARKET" and order.is_buy else None
        matches, own = book.match(order, afford)
        for match in matches:
            self._settle(market, order, match, now_ms)
        if own:
            self._close(terms, order, "EXPIRED", Reason.SELF_TRADE, now_ms)
        elif not order.remaining_lots or (order.quantity is None and matches and book.side(not order.is_buy)):
            self._close(terms, order, "FILLED", None, now_ms)
        elif order.time_in_force in ("GTC", "GTD"):
            self._rest(market, order)
            self._release(terms, order, reserve_needed(terms, order))
        else:
            self._close(terms, order, "EXPIRED", Reason.TIME_IN_FORCE, now_ms)
        market.changes += 1

    def _rest(self, market: ListedMarket, order: Order) -> None:
        market.book.add(order)
        if order.valid_until_ms is not None:
            heapq.heappush(self._expiries, (order.valid_until_ms, order.number))

    def _settle(self, market: ListedMarket, taker: Order, match: Match, now_ms: int) -> None:
        terms, maker, lots = market.terms, match.maker, match.lots
        notional = terms.notional_minor(match.price_ticks, lots)
        taker_fee, maker_fee = fee_minor(notional, terms.taker_fee_ppm), fee_minor(notional, terms.maker_fee_ppm)
        trade = Trade(
            sequence=market.sequence + 1, trade_id=f"0-{taker.number}-{maker.number}", time_ms=now_ms,
            price=terms.price_text(match.price_ticks), quantity=terms.quantity_text(lots),
            quote_quantity=terms.quote_text(notional), aggressor_side="BUY" if taker.is_buy else "SELL",
            taker_order_id=f"0-{taker.number}", taker_account=taker.account, taker_fee=terms.quote_text(taker_fee),
            maker_order_id=f"0-{maker.number}", maker_account=maker.account, maker_fee=terms.quote_text(maker_fee),
            fee_asset=terms.quote,
        )  # fmt: skip
        market.count(trade, match.price_ticks, lots, notional)
        self._changes.trades.append((terms.symbol, trade))
        self._balance(FEES, terms.quote).free += taker_fee + maker_fee
        for order, role, fee, text in (
            (taker, "TAKER", taker_fee, trade.taker_fee), (maker, "MAKER", maker_fee, trade.maker_fee),
        ):  # fmt: skip
            self._move_money(terms, order, lots * terms.lot_minor, notional, fee)
            order.filled_quote_minor += notional
            order.fee_minor += fee
            order.updated_ms = now_ms
            if len(order.fills) < FILLS_KEPT:
                order.fills.append(
                    Fill(trade.trade_id, trade.sequence, now_ms, role, trade.price, trade.quantity,
                         trade.quote_quantity, text, terms.quote)
                )  # fmt: skip
            self._changes.orders[order.number] = order
        if not maker.remaining_lots:
            self._close(terms, maker, "FILLED", None, now_ms)

    def _move_money(self, terms: Terms, order: Order, base_minor: int, quote_minor: int, fee: int) -> None:
        """One side of a trade, out of what the order has reserved."""
        base, quote = self._balance(order.account, terms.base), self._balance(order.account, terms.quote)
        if order.is_buy:
            order.reserved_minor -= quote_minor + fee
            quote.reserved -= quote_minor + fee
            base.free += base_minor
        else:
            order.reserved_minor -= base_minor
            base.reserved -= base_minor
            quote.free += quote_minor - fee

    # --- reserving and closing

    def _reserve(self, terms: Terms, order: Order, priced: Priced) -> None:
        if order.type == "MARKET" and order.is_buy:
            assert priced.max_quote_minor is not None
            needed = priced.max_quote_minor
        else:
            needed = reserve_needed(terms, order)
        asset = terms.quote if order.is_buy else terms.base
        if self.accounts[order.account].balance(asset).free < needed:
            raise Refused(Reason.INSUFFICIENT_FUNDS, asset)
        balance = self._balance(order.account, asset)
        balance.free -= needed
        balance.reserved += needed
        order.reserved_minor = needed

    def _release(self, terms: Terms, order: Order, needed_minor: int) -> None:
        """Gives back what is reserved beyond this."""
        released = order.reserved_minor - needed_minor
        assert released >= 0, f"order {order.number} has spent more than it reserved"
        if released:
            balance = self._balance(order.account, terms.quote if order.is_buy else terms.base)
            balance.reserved -= released
            balance.free += released
            order.reserved_minor = needed_minor

    def _take_off(self, order: Order, status: str, cause: Reason | None, now_ms: int) -> Order:
        market = self.markets[order.symbol]
        market.book.remove(order)
        market.changes += 1
        self._close(market.terms, order, status, cause, now_ms)
        return order

    def _close(self, terms: Terms, order: Order, status: str, cause: Reason | None, now_ms: int) -> None:
        order.status, order.cause, order.updated_ms = status, cause, now_ms
        self._release(terms, order, 0)
        self.accounts[order.account].open.pop(order.number, None)
        self._changes.orders[order.number] = order
        self._forget_later(order)

    # --- what is stored

    def take_changes(self) -> Changes:
        taken, self._changes = self._changes, Changes([], [], {}, {}, [])
        return taken

    def restore_account(self, name: str, balances: Iterator[tuple[str, int, int]], transfers: Iterator[str]) -> None:
        account = self.accounts.setdefault(name, Account())
        account.balances = {asset: Balance(free, reserved) for asset, free, reserved in balances}
        account.transfers = set(transfers)

    def restore_order(self, order: Order) -> None:
        """Orders come in the order of their numbers: so they stand in line as before."""
        self._next_number = order.number + 1
        self._remember(self.accounts[order.account], order)
        if order.status == "OPEN":
            self._rest(self.markets[order.symbol], order)

    def restore_trade(self, symbol: str, trade: Trade) -> None:
        market = self.markets[symbol]
        terms = market.terms
        price, lots = terms.price_ticks(trade.price), terms.quantity_lots(trade.quantity)
        market.count(trade, price, lots, terms.notional_minor(price, lots))


def _new_order(number: int, command: NewOrder, priced: Priced, now_ms: int) -> Order:
    return Order(
        number=number, account=command.account, client_order_id=command.client_order_id, symbol=command.symbol,
        is_buy=command.side is Side.BUY, type=command.type.value, time_in_force=command.time_in_force.value,
        price=command.price, quantity=command.quantity, max_quote=command.max_quote,
        valid_until_ms=command.valid_until_ms, post_only=command.post_only, price_ticks=priced.price_ticks,
        remaining_lots=UNLIMITED_LOTS if priced.quantity_lots is None else priced.quantity_lots,
        created_ms=now_ms, updated_ms=now_ms,
    )  # fmt: skip


def _check_supported(command: NewOrder) -> None:
    if command.self_trade is not SelfTrade.EXPIRE_TAKER:
        raise Refused(Reason.BAD_COMBINATION, "here an order that meets its own account expires")
    if command.type is OrderType.MARKET and command.side is Side.SELL and command.max_quote is not None:
        raise Refused(Reason.BAD_COMBINATION, "here a sell has no max_quote")
    if command.quantity is None and command.time_in_force is TimeInForce.FOK:
        raise Refused(Reason.BAD_COMBINATION, "here fill-or-kill needs a quantity")

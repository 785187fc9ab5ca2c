"""One market's makers and takers before the gateway: each step reads what is, decides, and sends.

A step remembers nothing of the orders that rest: it asks for them, so that neither an answer that was lost nor a fill
that nobody told of can lead it astray.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from glassbook.client import answers, calls
from glassbook.client.calls import Account
from glassbook.client.rest import AsyncClient, Refusal
from glassbook.client.signer import Signer
from schemas.commands import Command, Side, TimeInForce
from schemas.decimals import parse_decimal
from schemas.market import Market, MarketState, Terms
from schemas.reasons import Reason
from simulator.makers.fair_price import FairPrice
from simulator.makers.funds import TAKER_SHARE
from simulator.makers.quoting import STYLES, Action, Amend, Cancel, Place, Quote, View, requote
from simulator.makers.scale import Scale, ticks_near
from simulator.makers.taking import TakerFlow

BOOK_LEVELS = 20  # more than both makers have, so that somebody else's best is among them
# What may happen to whoever trades with others at the same time.
EXPECTED = {
    Reason.WOULD_TAKE, Reason.ORDER_CLOSED, Reason.UNKNOWN_ORDER, Reason.AMEND_BELOW_FILLED, Reason.NOT_FUNDED,
    Reason.INSUFFICIENT_FUNDS, Reason.TOO_MANY_PENDING_AMENDS,
}  # fmt: skip


class Closed(Exception):
    """The market takes no orders like these now. Says the reason's code."""


class Trader:
    """An account that makes or takes, and what it had when it was last asked."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.balances: list[answers.Balance] = []


class Desk:
    """Its makers quote in turn; its takers take by chance."""

    def __init__(
        self,
        client: AsyncClient,
        listed: answers.ListedMarket,
        last_price: str | None,
        makers: Sequence[Trader],
        takers: Sequence[Trader],
        chance: Random,
    ) -> None:
        terms = Terms(listed.market)
        self.symbol, self.is_open = terms.symbol, listed.state is MarketState.OPEN
        self.makers = makers
        self.scale = Scale(terms, last_price)
        self.refused: Counter[str] = Counter()
        self._client, self._takers, self._chance = client, takers, chance
        last_ticks = None if last_price is None else ticks_near(terms, last_price)
        self._fair = FairPrice(self.scale.reference_ticks, last_ticks, chance)
        self._flow = TakerFlow(chance)
        self._turn = 0

    def revise(self, listed: answers.ListedMarket) -> None:
        """Takes the market's terms and its state as they are now."""
        self.is_open = listed.state is MarketState.OPEN
        self.scale.terms = Terms(listed.market)

    # --- makers

    async def requote(self, passed_s: float) -> None:
        """The maker whose turn it is puts its orders where they should be. `Closed` where it may not."""
        number = self._turn % len(self.makers)
        self._turn += 1
        maker, style, terms = self.makers[number], STYLES[number % len(STYLES)], self.scale.terms
        fair_ticks = self._fair.pass_time(passed_s)
        quotes = [self._quote(o) for o in (await self._client.send(maker.account.open_orders(self.symbol))).orders]
        book = await self._client.send(calls.book(self.symbol, BOOK_LEVELS))
        view = View(
            fair_ticks,
            _total_minor(maker.balances, terms.base, terms.market) // terms.lot_minor,
            _total_minor(maker.balances, terms.quote, terms.market),
            quotes,
            self._best_of_others(Side.BUY, book.bids, quotes),
            self._best_of_others(Side.SELL, book.asks, quotes),
        )
        if actions := requote(view, self.scale, style, self._chance):
            commands = [command_of(action, maker.account.signer, terms) for action in actions]
            self._judge((await self._client.send(maker.account.batch(commands))).results)

    def _quote(self, order: answers.Order) -> Quote:
        market = self.scale.terms.market
        lots = [
            parse_decimal(text, market.base_decimals) // self.scale.terms.lot_minor
            for text in (order.quantity or "0", order.filled)
        ]
        return Quote(order.order_id, Side(order.side), ticks_near(self.scale.terms, order.price or "0"), *lots)

    def _best_of_others(self, side: Side, levels: list[tuple[str, str]], quotes: list[Quote]) -> int | None:
        own: Counter[int] = Counter()
        for quote in quotes:
            if quote.side is side:
                own[quote.price_ticks] += quote.remaining_lots
        terms = self.scale.terms
        for price, quantity in levels:
            ticks = ticks_near(terms, price)
            if parse_decimal(quantity, terms.market.base_decimals) // terms.lot_minor > own[ticks]:
                return ticks
        return None

    def _judge(self, results: Iterable[answers.BatchResult]) -> None:
        for result in results:
            if result.status >= 400:
                self._judge_refusal(str(result.answer.get("code")))

    def _judge_refusal(self, code: str) -> None:
        self.refused[code] += 1
        if code not in EXPECTED:
            raise Closed(code)

    # --- takers

    async def take(self, waited_s: float) -> None:
        """An order of one of the takers. `Closed` where it may not."""
        taker, terms = self._chance.choice(self._takers), self.scale.terms
        base_lots = _total_minor(taker.balances, terms.base, terms.market) // terms.lot_minor // TAKER_SHARE
        quote_minor = _total_minor(taker.balances, terms.quote, terms.market)
        take = self._flow.next(waited_s, self._fair.ticks, base_lots, quote_minor, self.scale)
        if take is None:
            return
        order = taker.account.signer.limit_order(
            self.symbol, take.side, terms.quantity_text(take.quantity_lots), terms.price_text(take.limit_ticks),
            time_in_force=TimeInForce.IOC,
        )  # fmt: skip
        try:
            await self._client.send(taker.account.place(order))
        except Refusal as refusal:
            if refusal.retry_after_s is not None:
                raise
            self._judge_refusal(refusal.code)


def command_of(action: Action, signer: Signer, terms: Terms) -> Command:
    match action:
        case Place(side, price, lots):
            return signer.limit_order(
                terms.symbol, side, terms.quantity_text(lots), terms.price_text(price), post_only=True
            )
        case Amend(order_id, _, price, lots):
            return signer.amend_order(terms.quantity_text(lots), terms.price_text(price), order_id=order_id)
        case Cancel(order_id):
            return signer.cancel_order(order_id=order_id)


def _total_minor(balances: list[answers.Balance], asset: str, market: Market) -> int:
    """Free and reserved, in minor units."""
    decimals = market.base_decimals if asset == market.base else market.quote_decimals
    found = (balance for balance in balances if balance.asset == asset)
    return sum(parse_decimal(text, decimals) for balance in found for text in (balance.free, balance.reserved))

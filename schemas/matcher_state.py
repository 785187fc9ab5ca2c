"""The matcher's state of one partition, as it stands in a snapshot. Gateways restore their books from it."""

from msgspec import Struct

from schemas.commands import Genesis, SelfTrade, Side
from schemas.halts import HaltState
from schemas.ledger_state import Halter
from schemas.market import Market


class RestingOrder(Struct, array_like=True, gc=False):
    """An order on the book. Prices in ticks, quantities in lots."""

    order_id: str
    account: str
    side: Side
    price_ticks: int
    remaining_lots: int
    filled_lots: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    self_trade: SelfTrade
    post_only: bool
    valid_until_ms: int | None
    entered: int  # the offset in `orders` at which it took its present place


class BookState(Struct):
    revision: int
    market: Market
    trade_sequence: int
    depth_sequence: int
    last_price_ticks: int | None
    orders: list[RestingOrder]  # bids, then asks; best price first, oldest first within a price
    halts: HaltState | None = None
    busted: dict[str, int] = {}  # trade id -> trade sequence


class MatcherState(Struct):
    genesis: Genesis | None
    books: list[BookState]
    halter: Halter = Halter()

"""`glassbook order`, `cancel`, `amend`, `orders`, `book` and `executions`."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from glassbook.client import answers, calls
from glassbook.client.calls import Account
from glassbook.client.signer import DEFAULT_WINDOW_MS
from glassbook.errors import GlassbookError
from glassbook.key_folder import DEFAULT_NAME
from glassbook.tables import print_table
from glassbook.trading_session import session
from schemas.commands import MAX_WINDOW_MS, NewOrder, SelfTrade, Side, TimeInForce
from schemas.market import decimals_of

ORDER_HELP = """{Verb} something. With --price a limit order, without one a market order.

{market}

Examples:

{examples}
"""
BUY_HELP = ORDER_HELP.format(
    Verb="Buy",
    market="A market order says with --max-quote the most that it may spend, fee included.",
    examples="""    glassbook order buy AMZN-USD 10 --price 223.81

    glassbook order buy AMZN-USD 10 --price 223.81 --time-in-force IOC

    glassbook order buy BTC-USDT --max-quote 500""",
)
SELL_HELP = ORDER_HELP.format(
    Verb="Sell",
    market="A market order says how much to sell, and may say with --max-quote where to stop.",
    examples="""    glassbook order sell AMZN-USD 10 --price 224 --post-only

    glassbook order sell AMZN-USD 10 --price 224 --valid-for 60

    glassbook order sell AMZN-USD 10""",
)
CANCEL_HELP = """Cancel an order, or all.

Examples:

    glassbook cancel 2-1041

    glassbook cancel --client-order-id my-first

    glassbook cancel --all

    glassbook cancel --all --symbol AMZN-USD

    glassbook cancel --all --after 30
"""
AMEND_HELP = """Change an open order. Less at the same price keeps its place in the queue, everything else loses it.

The quantity is the new total, with what is filled already.

Examples:

    glassbook amend 2-1041 --quantity 5

    glassbook amend 2-1041 --quantity 10 --price 223.90
"""
ORDERS_HELP = """Show your open orders, or one order with its fills.

Examples:

    glassbook orders

    glassbook orders --symbol AMZN-USD

    glassbook orders 2-1041
"""
BOOK_HELP = """Show a market's order book: asks above, bids below.

Examples:

    glassbook book AMZN-USD

    glassbook book AMZN-USD --levels 5
"""
EXECUTIONS_HELP = """Show all that happened to your account, oldest first; the last line says how to go on.

Examples:

    glassbook executions

    glassbook executions --after 120
"""

KeyOption = Annotated[str, typer.Option("--key", envvar="GLASSBOOK_KEY", help="Your key, by its name.")]
SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="AMZN-USD, BTC-USDT...")]
QuantityArgument = Annotated[str | None, typer.Argument(help="In the base asset.")]
PriceOption = Annotated[str | None, typer.Option(help="The limit, in the quote asset. [default: a market order]")]
MaxQuoteOption = Annotated[str | None, typer.Option(help="Of a market order: the most of the quote asset.")]
TimeInForceOption = Annotated[
    TimeInForce | None, typer.Option(help="[default: GTC, IOC for market orders, GTD with --valid-for]")
]
ValidForOption = Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="How long it may rest.")]
PostOnlyOption = Annotated[bool, typer.Option("--post-only", help="Refuse it rather than take liquidity.")]
SelfTradeOption = Annotated[SelfTrade, typer.Option(help="What happens where it would meet your own order.")]
ClientOrderIdOption = Annotated[str | None, typer.Option(help="Your own id for it. [default: a new one]")]
TestOption = Annotated[bool, typer.Option("--test", help="All checks, no order.")]
PrintOption = Annotated[
    bool, typer.Option("--print", help="Print the signed request, good for a minute, instead of sending it.")
]


def add_to(app: typer.Typer) -> None:
    order = typer.Typer(help="Place an order.", no_args_is_help=True)
    order.command("buy", help=BUY_HELP)(buy)
    order.command("sell", help=SELL_HELP)(sell)
    app.add_typer(order, name="order")
    app.command("cancel", help=CANCEL_HELP)(cancel)
    app.command("amend", help=AMEND_HELP)(amend)
    app.command("orders", help=ORDERS_HELP)(orders)
    app.command("book", help=BOOK_HELP)(book)
    app.command("executions", help=EXECUTIONS_HELP)(executions)


def buy(
    symbol: SymbolArgument,
    quantity: QuantityArgument = None,
    price: PriceOption = None,
    max_quote: MaxQuoteOption = None,
    time_in_force: TimeInForceOption = None,
    valid_for: ValidForOption = None,
    post_only: PostOnlyOption = False,
    self_trade: SelfTradeOption = SelfTrade.EXPIRE_TAKER,
    client_order_id: ClientOrderIdOption = None,
    test: TestOption = False,
    only_print: PrintOption = False,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    if price is None and max_quote is None:
        raise GlassbookError("give --price for a limit order, or --max-quote for a market order")
    options: dict[str, Any] = {"client_order_id": client_order_id, "self_trade": self_trade}
    resting = (time_in_force, valid_for, post_only)
    _place(key, Side.BUY, symbol, quantity, price, max_quote, *resting, test, only_print, options)


def sell(
    symbol: SymbolArgument,
    quantity: QuantityArgument = None,
    price: PriceOption = None,
    max_quote: MaxQuoteOption = None,
    time_in_force: TimeInForceOption = None,
    valid_for: ValidForOption = None,
    post_only: PostOnlyOption = False,
    self_trade: SelfTradeOption = SelfTrade.EXPIRE_TAKER,
    client_order_id: ClientOrderIdOption = None,
    test: TestOption = False,
    only_print: PrintOption = False,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    options: dict[str, Any] = {"client_order_id": client_order_id, "self_trade": self_trade}
    resting = (time_in_force, valid_for, post_only)
    _place(key, Side.SELL, symbol, quantity, price, max_quote, *resting, test, only_print, options)


def _place(
    key: str,
    side: Side,
    symbol: str,
    quantity: str | None,
    price: str | None,
    max_quote: str | None,
    time_in_force: TimeInForce | None,
    valid_for: int | None,
    post_only: bool,
    test: bool,
    only_print: bool,
    options: dict[str, Any],
) -> None:
    if quantity is None and (price is not None or side is Side.SELL):
        raise GlassbookError("say how much: QUANTITY is missing")
    if price is not None and max_quote is not None:
        raise GlassbookError("--max-quote goes with market orders: leave out --price")
    if price is None and (post_only or valid_for):
        raise GlassbookError("a market order never rests: --post-only and --valid-for go with --price")
    with session(key) as at:
        account = at.account(MAX_WINDOW_MS if only_print else DEFAULT_WINDOW_MS)
        signer = account.signer
        if price is None:
            default = TimeInForce.IOC
            order = signer.market_order(
                symbol, side, quantity, max_quote, time_in_force=time_in_force or default, **options
            )
        else:
            assert quantity is not None
            default = TimeInForce.GTD if valid_for else TimeInForce.GTC
            until = time.time_ns() // 1_000_000 + valid_for * 1000 if valid_for else None
            order = signer.limit_order(
                symbol, side, quantity, price, time_in_force=time_in_force or default,
                valid_until_ms=until, post_only=post_only, **options,
            )  # fmt: skip
        if only_print:
            typer.echo(msgspec.json.encode(signer.sign(order)))
            return
        if test:
            tested = at.client.send(account.test(order))
            typer.echo(f"acceptable: it would reserve {tested.reserve} of {tested.free} {tested.asset}")
            return
        _say(at.client.send(account.place(order)), order)


def cancel(
    order_id: Annotated[str | None, typer.Argument(help="As `glassbook orders` shows it.")] = None,
    client_order_id: Annotated[str | None, typer.Option(help="Your own id of it.")] = None,
    all_orders: Annotated[bool, typer.Option("--all", help="All open orders.")] = False,
    symbol: Annotated[str | None, typer.Option(help="With --all: only this market's.")] = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, max=86_400, help="With --all: in so many seconds, unless said again before. 0: never."),
    ] = None,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    if (order_id is not None) + (client_order_id is not None) + all_orders != 1:
        raise GlassbookError("say which: an order id, --client-order-id or --all")
    if symbol is not None and not all_orders:
        raise GlassbookError("--symbol goes with --all")
    if after is not None and (not all_orders or symbol is not None):
        raise GlassbookError("--after goes with --all, and is for all markets")
    with session(key) as at:
        account = at.account()
        if not all_orders:
            _say(at.client.send(account.cancel(account.signer.cancel_order(order_id, client_order_id))))
            return
        if after is not None:
            _say_mandate(at.client.send(account.cancel_all_after(after * 1000)))
            return
        gone = at.client.send(account.cancel_all(symbol))
    if isinstance(gone, answers.Receipt):
        typer.echo("sent, but no outcome yet: see `glassbook orders`")
        raise typer.Exit(1)
    for one in gone.orders:
        typer.echo(f"{one.order_id}  {one.status}")
    typer.echo(f"{sum(one.status == 'CANCELLED' for one in gone.orders)} orders cancelled")


def amend(
    quantity: Annotated[str, typer.Option(help="The new total, with what is filled already.")],
    order_id: Annotated[str | None, typer.Argument(help="As `glassbook orders` shows it.")] = None,
    price: Annotated[str | None, typer.Option(help="A new price. [default: as it is]")] = None,
    client_order_id: Annotated[str | None, typer.Option(help="Your own id of it.")] = None,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    if (order_id is None) == (client_order_id is None):
        raise GlassbookError("say which: an order id or --client-order-id")
    with session(key) as at:
        account = at.account()
        command = account.signer.amend_order(quantity, price, order_id, client_order_id)
        _say(at.client.send(account.amend(command)))


def orders(
    order_id: Annotated[str | None, typer.Argument(help="One order, with its fills. [default: the open ones]")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this market's.")] = None,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    with session(key) as at:
        account = at.account()
        if order_id is not None:
            _say(at.client.send(account.order(order_id)))
            return
        table = Table(header_style="bold")
        for name in ("order", "market", "side", "price", "quantity", "filled", "status", "your id"):
            table.add_column(name, justify="right" if name in ("price", "quantity", "filled") else "left")
        after: str | None = None
        while True:
            page = at.client.send(account.open_orders(symbol, after))
            for one in page.orders:
                size = one.quantity or f"for {one.max_quote}"
                row = (one.order_id, one.symbol, one.side, one.price or "market", size, one.filled, one.status)
                table.add_row(*row, one.client_order_id)
            after = page.next_after
            if after is None:
                break
    if table.row_count:
        print_table(table)
    else:
        typer.echo("no open orders")
    if page.mandate is not None:
        typer.echo(f"all open orders are cancelled at {_time(page.mandate.due_ms)}")


def book(
    symbol: SymbolArgument,
    levels: Annotated[int, typer.Option(min=1, max=1000, help="So many price levels of each side.")] = 10,
) -> None:
    with session(DEFAULT_NAME) as at:
        decimals = decimals_of(at.market(symbol).tick)
        found = at.client.send(calls.book(symbol, levels))
        last = at.client.send(calls.price(symbol)).last
    table = Table(title=f"{symbol}, last {last or 'none yet'}", header_style="bold")
    for name in ("bid", "price", "ask"):
        table.add_column(name, justify="right")
    for price, quantity in reversed(found.asks):
        table.add_row("", f"[red]{Decimal(price):.{decimals}f}[/red]", quantity)
    table.add_section()
    for price, quantity in found.bids:
        table.add_row(quantity, f"[green]{Decimal(price):.{decimals}f}[/green]", "")
    print_table(table)


def executions(
    after: Annotated[int | None, typer.Option(min=0, help="Go on behind this cursor.")] = None,
    limit: Annotated[int, typer.Option("-n", min=1, max=1000, help="At most so many entries.")] = 50,
    key: KeyOption = DEFAULT_NAME,
) -> None:
    with session(key) as at:
        account: Account = at.account()
        page = at.client.send(account.executions(after, limit))
    for one in page.executions:
        when = _time(one.time_ms)
        for event in one.events:
            rest = "  ".join(f"{name}={value}" for name, value in event.items() if name != "event" and value != "")
            typer.echo(f"{one.cursor}  {when}  {event['event']}  {rest}")
    more = " (there is more)" if page.more else ""
    typer.echo(f"next: glassbook executions --after {page.next_after}{more}")


def _say(placed: answers.Order | answers.Receipt, order: NewOrder | None = None) -> None:
    """An order as it is now, and its fills."""
    if isinstance(placed, answers.Receipt):
        known = placed.order_id or (order.client_order_id if order else placed.command_id)
        typer.echo(f"sent, but no outcome yet: ask with `glassbook orders {known}`")
        raise typer.Exit(1)
    cause = f" ({placed.cause})" if placed.cause else ""
    size = placed.quantity or f"for at most {placed.max_quote}"
    price = f" at {placed.price}" if placed.price else ""
    typer.echo(f"{placed.order_id}  {placed.side} {size} {placed.symbol}{price}: {placed.status}{cause}")
    if placed.average_price:
        typer.echo(f"filled {placed.filled} at {placed.average_price} on average, fee {placed.fee} {placed.fee_asset}")
    for fill in placed.trades or []:
        typer.echo(f"  {_time(fill.time_ms)}  {fill.quantity} at {fill.price}  {fill.role}  trade {fill.trade_id}")


def _say_mandate(said: answers.Done | answers.Receipt) -> None:
    if isinstance(said, answers.Receipt):
        typer.echo("sent, but no outcome yet: see `glassbook orders`")
        raise typer.Exit(1)
    due_ms = (said.event or {}).get("due_ms")
    typer.echo(f"all open orders are cancelled at {_time(due_ms)}" if due_ms else "nothing is cancelled by itself now")


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

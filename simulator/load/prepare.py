"""What a load needs before it starts, and leaves behind as it was: made-up markets, and brokers with money.

All of it is done as anybody could who has the operator's key: signed listing records, registrations, deposits. At the
end what the brokers have open is cancelled.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import uvloop

from glassbook.client import answers, calls
from glassbook.client.calls import Account, Call, Operator
from glassbook.client.rest import Client, Refusal
from glassbook.client.signer import Signer
from glassbook.errors import GlassbookError
from glassbook.listing import Listing, parse_listing
from glassbook.listing_generate import generate
from glassbook.operator import OperatorFolder, apply_listing, existing_genesis, genesis_of, read_listed
from glassbook.operator_log import OperatorLog
from glassbook.settings import Settings
from schemas.commands import MAX_WINDOW_MS
from schemas.market import Market, MarketState
from simulator.load.brokers import broker_key
from simulator.load.flow import held_symbols
from simulator.load.http import Pool
from simulator.load.replies import BROKEN, RATE_LIMITED, UNKNOWN, Reply, read_reply
from simulator.makers.accounts import is_temporary

SIDE_BY_SIDE = 64
RETRY_S = 0.2
PATIENCE_S = 60.0
QUOTE_AMOUNT = "1000000000000"
BASE_AMOUNT = "1000000000"


class Prepared(msgspec.Struct, frozen=True):
    """Who sends, and where: `markets` from the busiest on."""

    exchange: str
    run: str
    seed: int
    markets: list[Market]
    brokers: int


def prepare(settings: Settings, run: str, seed: int, symbols: int, brokers: int) -> Prepared:
    """Lists what is missing of the markets, opens and funds the brokers' accounts."""
    key, prepared = operator_key(settings), prepare_markets(settings, run, seed, symbols, brokers)
    open_accounts(settings.gateway_url, prepared, Operator(key, prepared.exchange))
    return prepared


def prepare_markets(settings: Settings, run: str, seed: int, symbols: int, brokers: int) -> Prepared:
    """The same without the accounts, for a run that has them."""
    with Client(settings.gateway_url) as client:
        exchange = _markets(client).exchange
        wanted = [market.symbol for market in _list_missing(settings, symbols).markets]
        markets = _open_markets(client, wanted)
    return Prepared(exchange, run, seed, markets, brokers)


def operator_key(settings: Settings) -> Any:
    try:
        return OperatorFolder(settings.data_dir).key()
    except GlassbookError:
        raise GlassbookError(
            f"a load registers and funds brokers of its own, for which it needs the key of the exchange's operator, and"
            f" {settings.data_dir} has none: run it where the exchange was started, with the same GLASSBOOK_DATA_DIR"
        ) from None


# --- markets


def _list_missing(settings: Settings, symbols: int) -> Listing:
    folder, log = OperatorFolder(settings.data_dir), OperatorLog(settings.bootstrap_servers)
    genesis = genesis_of(existing_genesis(log, folder.key()))
    listed = read_listed(folder, log, genesis)
    wanted = parse_listing(generate(symbols))
    missing = [market for market in wanted.markets if market.symbol not in listed]
    if missing:
        terms = msgspec.structs.replace(wanted.exchange, domain=genesis.exchange)
        apply_listing(wanted._replace(exchange=terms, markets=missing), folder, log)
    return wanted


def _open_markets(client: Client, wanted: Sequence[str]) -> list[Market]:
    """The markets as the gateway has them, once it has them all."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = {listed.market.symbol: listed for listed in _markets(client).markets}
        missing = [symbol for symbol in wanted if symbol not in found]
        if not missing:
            break
        if time.monotonic() > deadline:
            raise GlassbookError(f"the gateway doesn't know {missing[0]}, listed {PATIENCE_S:.0f} s ago")
        time.sleep(RETRY_S)
    for symbol in wanted:
        _check_open(found[symbol])
    return [found[symbol].market for symbol in wanted]


def _markets(client: Client) -> answers.Markets:
    """As soon as the gateway is ready to say."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return client.send(calls.markets())
        except Refusal as refusal:
            if not is_temporary(refusal) or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_S)


def _check_open(listed: answers.ListedMarket) -> None:
    if listed.state is not MarketState.OPEN:
        symbol = listed.market.symbol
        why = f" ({listed.halts[0].reason}): look into it, then `glassbook resume {symbol}`" if listed.halts else ""
        raise GlassbookError(f"{symbol} is {listed.state}, and takes no orders{why}")


# --- accounts


def open_accounts(url: str, prepared: Prepared, operator: Operator) -> None:
    """The brokers', with money in all that they trade."""
    uvloop.run(_open_accounts(url, prepared, operator))


async def _open_accounts(url: str, prepared: Prepared, operator: Operator) -> None:
    keys = [broker_key(prepared.seed, prepared.run, number) for number in range(prepared.brokers)]
    held = held_symbols(len(prepared.markets), prepared.brokers)
    await _all_done(url, [operator.register(key.public) for key in keys])
    deposits = []
    for key, symbols in zip(keys, held, strict=True):
        markets = [prepared.markets[symbol] for symbol in symbols]
        amounts = {market.quote: QUOTE_AMOUNT for market in markets} | {market.base: BASE_AMOUNT for market in markets}
        deposits += [operator.deposit(key.account, asset, amount, asset) for asset, amount in amounts.items()]
    await _all_done(url, deposits)


def cancel_all(url: str, prepared: Prepared) -> None:
    """What the brokers have open."""
    keys = (broker_key(prepared.seed, prepared.run, number) for number in range(prepared.brokers))
    accounts = [Account(Signer(key, prepared.exchange, window_ms=MAX_WINDOW_MS)) for key in keys]
    uvloop.run(_all_done(url, (account.cancel_all() for account in accounts)))


async def _all_done(url: str, wanted: Iterable[Call[Any]]) -> None:
    """Sends all of these, some side by side, and again what must wait. Raises with the first refusal."""
    pool, room = Pool(url, SIDE_BY_SIDE), asyncio.Semaphore(SIDE_BY_SIDE)
    deadline = time.monotonic() + PATIENCE_S

    async def one(call: Call[Any]) -> None:
        async with room:
            while True:
                reply = await _answer(pool, call)
                if reply.error in ("", UNKNOWN) and not reply.refused:
                    return
                # The same bytes are done once, however often they come.
                temporary = reply.error in (RATE_LIMITED, BROKEN) or reply.error.startswith("503")
                if not temporary or time.monotonic() > deadline:
                    raise GlassbookError(f"{call.method} {call.target}: {reply.error or reply.refused}")
                await asyncio.sleep(RETRY_S)

    try:
        async with asyncio.TaskGroup() as group:
            for call in wanted:
                group.create_task(one(call))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        pool.close()


async def _answer(pool: Pool, call: Call[Any]) -> Reply:
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def done(status: int, body: bytes) -> None:
        if not answered.done():
            answered.set_result(read_reply(status, body))

    pool.send(call, done)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answered
    except TimeoutError:
        raise GlassbookError(f"{call.method} {call.target}: no answer within {PATIENCE_S:.0f} s") from None

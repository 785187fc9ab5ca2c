"""The signed reads: what an account may see of itself."""

import asyncio
import re

import msgspec
from starlette.requests import Request

from producers.answers import (
    BalancesAnswer,
    Execution,
    ExecutionsAnswer,
    OpenOrdersAnswer,
    WithdrawalWaiting,
    order_answer,
    standing_mandate,
)
from producers.executions import Page
from producers.gateway import Gateway
from producers.health import Part
from producers.lookup import find_order
from producers.reads import reader
from producers.stored_past import order_id_of_old
from producers.web import READ_AFTER_HEADER, Answer, query, target_of, whole_number
from schemas.journal import BalanceAfter, LedgerEntry
from schemas.reasons import Reason
from schemas.refusal import Refused

PLACE_ID = re.compile(r"[0-9]{1,6}-[0-9]{1,19}", re.ASCII)
READ_AFTER_S = 5.0
MAX_PAGE = 1000
DEFAULT_PAGE = 200
MAX_SEQUENCE = 2**63 - 1

_entry_decoder = msgspec.json.Decoder(LedgerEntry)


async def order_by_id(gateway: Gateway, request: Request) -> Answer:
    query(request)
    account = await signed_reader(gateway, request)
    order_id = request.path_params["order_id"]
    if PLACE_ID.fullmatch(order_id) is None:
        raise Refused(Reason.BAD_PARAMETER, "an order id is PARTITION-OFFSET")
    order = await find_order(gateway, account, order_id, gateway.stored_past)
    return Answer(200, order_answer(order), gateway.position_of(account))


async def order_by_client_id(gateway: Gateway, request: Request) -> Answer:
    query(request)
    account = await signed_reader(gateway, request)
    client_order_id = request.path_params["client_order_id"]
    order_id = gateway.order_id_of(account, client_order_id)
    if order_id is None:
        order_id = await order_id_of_old(gateway, account, client_order_id)
    if order_id is None:
        raise Refused(Reason.UNKNOWN_ORDER, "no order of the account has this client order id")
    order = await find_order(gateway, account, order_id, gateway.stored_past)
    return Answer(200, order_answer(order), gateway.position_of(account))


async def open_orders(gateway: Gateway, request: Request) -> Answer:
    params = query(request, "status", "symbol", "after", "limit")
    if params.get("status", "open") != "open":
        raise Refused(Reason.BAD_PARAMETER, "status is open; executions tell of closed orders")
    limit = whole_number(params, "limit", DEFAULT_PAGE, 1, MAX_PAGE)
    after, symbol = params.get("after"), params.get("symbol")
    if after is not None and PLACE_ID.fullmatch(after) is None:
        raise Refused(Reason.BAD_PARAMETER, "after is an order id")
    account = await signed_reader(gateway, request)
    behind = -1 if after is None else int(after.partition("-")[2])
    found = []
    known = gateway.view.accounts[account]
    for order_id, order in known.open_orders.items():
        if int(order_id.partition("-")[2]) > behind and symbol in (None, order.symbol):
            found.append(order_answer(order, trades=False))
            if len(found) > limit:
                break
    page = found[:limit]
    next_after = page[-1].order_id if len(found) > limit else None
    answered = OpenOrdersAnswer(page, next_after, standing_mandate(known.mandate))
    return Answer(200, answered, gateway.position_of(account))


async def executions(gateway: Gateway, request: Request) -> Answer:
    """From memory where it reaches back so far, else from the log, as much at once as its bound allows."""
    params = query(request, "after", "limit")
    after = whole_number(params, "after", 0, 0, MAX_SEQUENCE)
    limit = whole_number(params, "limit", DEFAULT_PAGE, 1, MAX_PAGE)
    account = await signed_reader(gateway, request)
    partition = gateway.partition_of(account)
    position = gateway.view.partition(partition).edge_sequence
    page: Page | None = gateway.entries.page(partition, account, after, limit, position)
    if page is None:
        page = await gateway.past.page(partition, account, after, limit, position)
    entries = [_entry_decoder.decode(value) for value in page.values]
    found = [
        Execution(entry.edge_sequence, entry.sequence, entry.time_ms, entry.events, entry.postings, entry.balances)
        for entry in entries
        if entry.account == account
    ]
    return Answer(200, ExecutionsAnswer(found, page.next_after, page.more), gateway.position_of(account))


async def balances(gateway: Gateway, request: Request) -> Answer:
    query(request)
    account = await signed_reader(gateway, request)
    known = gateway.view.accounts[account]
    found = [BalanceAfter(asset, free, reserved) for asset, (free, reserved) in sorted(known.balances.items())]
    waiting = [
        WithdrawalWaiting(one.withdrawal_id, one.asset, one.amount, one.destination)
        for one in known.withdrawals.values()
    ]
    return Answer(200, BalancesAnswer(account, found, waiting), gateway.position_of(account))


async def signed_reader(gateway: Gateway, request: Request) -> str:
    """Who asks, once this gateway's view is as far as they want it to be."""
    gateway.health.check_read(Part.LEDGER, gateway.now())
    await _read_after(gateway, request.headers.get(READ_AFTER_HEADER))
    headers, target = request.headers, target_of(request)
    account = reader(headers, target, gateway.facts.exchange, gateway.view, gateway.now_ms())
    gateway.limiter.count_account(account)
    return account


async def _read_after(gateway: Gateway, wanted: str | None) -> None:
    """Waits until this gateway has read what another has answered from."""
    if wanted is None:
        return
    if PLACE_ID.fullmatch(wanted) is None:
        raise Refused(Reason.BAD_PARAMETER, "Glassbook-Read-After is what Glassbook-Position said")
    partition, edge_sequence = (int(text) for text in wanted.split("-"))
    if partition >= gateway.facts.account_partitions:
        raise Refused(Reason.BAD_PARAMETER, f"there is no ledger partition {partition}")
    if gateway.view.partition(partition).edge_sequence >= edge_sequence:
        return
    try:
        async with asyncio.timeout(READ_AFTER_S):
            await gateway.waiting.position(partition, edge_sequence)
    except TimeoutError:
        raise Refused(Reason.NOT_READY, f"this gateway has not read {wanted} yet") from None

"""A verified command's way: checked, onto the log, and its outcome awaited.

Before the log has it every refusal is certain: nothing was accepted. From then on nothing that happens here may hide an
accepted order: whatever is not known in time is answered 202, with the id to ask for.
"""

import asyncio
from typing import NamedTuple

import structlog

from producers.answers import CancelAllAnswer, CommandAnswer, OrderBrief, Receipt, order_answer
from producers.checks import ENDING, check_command
from producers.gateway import Gateway, Place
from producers.intake import Submission
from producers.lookup import find_named, find_order
from producers.orders import OrderStatus
from producers.outcomes import Done, Refusal, outcome
from producers.problems import Problem, problem
from producers.web import Answer
from schemas.commands import AmendOrder, CancelAll, CancelOrder, Command, NewOrder
from schemas.journal import BalanceAfter
from schemas.reasons import Reason
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS

logger = structlog.get_logger()


class Wait(NamedTuple):
    """What the client waits for, and until when on the event loop's clock."""

    log_only: bool
    until: float
    instance: str


class Sent(NamedTuple):
    """A command that was handed to the log."""

    submission: Submission
    place: "asyncio.Future[Place | None]"


async def submit(gateway: Gateway, submission: Submission, wait: Wait) -> Answer:
    """`Refused` where the gateway itself refuses; an answer from there on."""
    return await answer(gateway, await send(gateway, submission, wait), wait)


async def send(gateway: Gateway, submission: Submission, wait: Wait) -> Sent:
    """Checks the command and hands it over; `Refused` means that it was not sent."""
    command, account = submission.command, submission.account
    gateway.health.check_command(gateway.now(), not isinstance(command, ENDING))
    partition = gateway.partition_of(account)
    check_command(submission, gateway.view, gateway.facts, partition, gateway.now_ms())
    try:
        async with asyncio.timeout_at(wait.until):
            place = await gateway.log.append(partition, account.encode(), submission.record)
    except TimeoutError:
        raise Refused(Reason.LOG_UNAVAILABLE, "the log takes no more for now") from None
    return Sent(submission, place)


async def answer(gateway: Gateway, sent: Sent, wait: Wait) -> Answer:
    """The command's outcome, or 202 where it is not known in time. Never raises."""
    submission = sent.submission
    command, account = submission.command, submission.account
    place: Place | None = None
    try:
        async with asyncio.timeout_at(wait.until):
            # Shielded: the acknowledgement is still of use when this request has given up.
            place = await asyncio.shield(sent.place)
            if place is not None:
                _remember(gateway, command, place)
                if not wait.log_only:
                    result = await _outcome(gateway, command, place.command_id)
                    status, body = await _document(gateway, submission, result, wait.instance)
                    return Answer(status, body, gateway.position_of(account))
    except TimeoutError:
        pass
    except Exception:
        logger.exception("an outcome could not be told", account=account, place=place)
    if place is None:
        sent.place.add_done_callback(lambda done: _remember_late(gateway, command, done))
    position = gateway.position_of(account)
    return Answer(202, _receipt(command, place, wait.log_only, position), position)


async def _outcome(gateway: Gateway, command: Command, command_id: str) -> Refusal | Done:
    """Looks first and waits second: the journal may have been faster than the acknowledgement."""
    while isinstance(found := outcome(gateway.view, command, command_id), str):
        await gateway.waiting.touched(found)
    return found


def _remember(gateway: Gateway, command: Command, place: Place) -> None:
    if isinstance(command, NewOrder):
        gateway.remember_sent(command.account, command.client_order_id, place.command_id)


def _remember_late(gateway: Gateway, command: Command, done: "asyncio.Future[Place | None]") -> None:
    """The acknowledgement came after its answer: the order can be asked for by its client order id now."""
    if not done.cancelled() and (place := done.result()) is not None:
        _remember(gateway, command, place)


# --- answers


def _receipt(command: Command, place: Place | None, log_only: bool, position: str) -> Receipt:
    client_order_id = command.client_order_id if isinstance(command, NewOrder) else None
    settled = "PENDING" if log_only and place is not None else "UNKNOWN"
    if place is None:
        ask = f"/api/v1/orders/by-client-id/{client_order_id}" if client_order_id else None
        return Receipt(outcome=settled, client_order_id=client_order_id, ask=ask)
    order_id = place.command_id if isinstance(command, NewOrder) else None
    return Receipt(
        outcome=settled, command_id=place.command_id, order_id=order_id, client_order_id=client_order_id,
        topic=ACCOUNTS, partition=place.partition, offset=place.offset,
        # What the journal will say of another command lies behind what has been read of it now.
        ask=f"/api/v1/orders/{order_id}" if order_id else f"/api/v1/executions?after={position.partition('-')[2]}",
    )  # fmt: skip


async def _document(
    gateway: Gateway, submission: Submission, result: Refusal | Done, instance: str
) -> tuple[int, Problem | object]:
    if isinstance(result, Refusal):
        document = _refusal(result, instance)
        return document.status, document
    command, account = submission.command, submission.account
    match command:
        case NewOrder():
            order_id = result.order_ids[0] if result.order_ids else result.original_id or result.command_id
            order = await find_order(gateway, account, order_id)
            if order.status is OrderStatus.REJECTED:
                document = problem(order.cause or Reason.NOT_FUNDED, order.detail, instance, order_id=order_id)
                return document.status, document
        case CancelOrder() | AmendOrder():
            named = result.order_ids[0] if result.order_ids else None
            order = await (find_order(gateway, account, named) if named else find_named(gateway, command))
        case CancelAll():
            return 200, _cancelled(gateway, result)
        case _:
            return 200, _command_answer(gateway, submission, result)
    return 200, order_answer(order, command_id=result.command_id, original_id=result.original_id)


def _refusal(result: Refusal, instance: str) -> Problem:
    order = None if result.order is None else order_answer(result.order)
    return problem(
        result.reason, result.detail, instance, stage=result.stage, command_id=result.command_id,
        order_id=result.order_id, original_id=result.original_id, order=order,
    )  # fmt: skip


def _cancelled(gateway: Gateway, result: Done) -> CancelAllAnswer:
    known = [gateway.view.orders.get(order_id) for order_id in result.order_ids]
    briefs = [OrderBrief(order.order_id, order.status) for order in known if order is not None]
    return CancelAllAnswer(result.command_id, briefs, result.original_id)


def _command_answer(gateway: Gateway, submission: Submission, result: Done) -> CommandAnswer:
    event = result.event
    known = gateway.view.accounts.get(submission.account)
    asset = getattr(event, "asset", None)
    balances = None
    if known is not None and asset in known.balances:
        balances = [BalanceAfter(asset, *known.balances[asset])]
    return CommandAnswer(result.command_id, submission.account, event, balances, result.original_id)

"""The endpoints that take signed commands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from starlette.requests import Request

from producers.answers import AcceptanceAnswer, BatchAnswer, BatchResult
from producers.checks import check_trial
from producers.gateway import Gateway
from producers.intake import Submission, take_batch, take_command
from producers.submit import Sent, Wait, answer, send, submit
from producers.web import Answer, Handler, query, read_body, refusal_answer, whole_number
from schemas.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    DelegateKey,
    Deposit,
    NewOrder,
    RegisterAccount,
    RevokeKey,
    SettleWithdrawal,
    Withdraw,
)
from schemas.reasons import Reason
from schemas.refusal import Refused

BATCH_KINDS = (NewOrder, CancelOrder, AmendOrder)
NO_PATH: Mapping[str, str] = MappingProxyType({})


def takes(*kinds: type[Command]) -> Handler:
    """An endpoint for one kind of command, which must agree with what the path names."""

    async def handle(gateway: Gateway, request: Request) -> Answer:
        wait = _wait(gateway, request)
        return await take_one(gateway, *kinds, path=request.path_params)(await read_body(request), wait)

    return handle


def take_one(
    gateway: Gateway, *kinds: type[Command], path: Mapping[str, str] = NO_PATH
) -> Callable[[bytes, Wait], Awaitable[Answer]]:
    """What takes a body with a command of one of these kinds, wherever it comes from."""

    async def take(body: bytes, wait: Wait) -> Answer:
        submission = take_command(body, kinds, gateway.facts.exchange)
        _check_path(submission.command, path)
        gateway.limiter.count_account(submission.account)
        return await submit(gateway, submission, wait)

    return take


register_account = takes(RegisterAccount)
deposit = takes(Deposit)
withdraw = takes(Withdraw)
settle_withdrawal = takes(SettleWithdrawal)
delegate_key = takes(DelegateKey)
revoke_key = takes(RevokeKey)
place_order = takes(NewOrder)
cancel_order = takes(CancelOrder)
amend_order = takes(AmendOrder)
cancel_all = takes(CancelAll)
cancel_all_after = takes(CancelAllAfter)


async def place_batch(gateway: Gateway, request: Request) -> Answer:
    wait = _wait(gateway, request)
    return await take_many(gateway, await read_body(request), wait)


async def take_many(gateway: Gateway, body: bytes, wait: Wait) -> Answer:
    """Every command in order; each has its own result, as if it had come alone."""
    submissions = take_batch(body, BATCH_KINDS, gateway.facts.exchange)
    account = submissions[0].account
    gateway.limiter.count_account(account, len(submissions))
    with gateway.admission.more(len(submissions) - 1):
        sent = [await _try_send(gateway, submission, wait) for submission in submissions]
        answers = await asyncio.gather(*(_result(gateway, one, wait) for one in sent))
    results = [BatchResult(one.status, one.body) for one in answers]
    return Answer(200, BatchAnswer(results), gateway.position_of(account))


async def try_order(gateway: Gateway, request: Request) -> Answer:
    """All checks of a new order, funds included, and no order."""
    query(request)
    submission = take_command(await read_body(request), (NewOrder,), gateway.facts.exchange)
    gateway.limiter.count_account(submission.account)
    gateway.health.check_command(gateway.now(), grows=True)
    order, account = submission.command, submission.account
    assert isinstance(order, NewOrder)
    partition = gateway.partition_of(account)
    reserve = check_trial(order, gateway.view, gateway.facts, partition, gateway.now_ms())
    answered = AcceptanceAnswer(True, reserve.amount, reserve.asset, reserve.free)
    return Answer(200, answered, gateway.position_of(account))


async def _try_send(gateway: Gateway, submission: Submission, wait: Wait) -> Sent | Answer:
    try:
        return await send(gateway, submission, wait)
    except Refused as refused:
        return refusal_answer(refused, wait.instance)


async def _result(gateway: Gateway, sent: Sent | Answer, wait: Wait) -> Answer:
    return sent if isinstance(sent, Answer) else await answer(gateway, sent, wait)


def _wait(gateway: Gateway, request: Request) -> Wait:
    params = query(request, "wait", "timeout_ms")
    limits = gateway.limits
    timeout_ms = whole_number(params, "timeout_ms", limits.default_timeout_ms, 1, limits.max_timeout_ms)
    return make_wait(params.get("wait"), timeout_ms, request.scope["path"])


def make_wait(wait: str | None, timeout_ms: int, instance: str) -> Wait:
    """`wait` is for the matcher's report, or for no more than the log's word."""
    if wait not in (None, "report", "log"):
        raise Refused(Reason.BAD_PARAMETER, "wait is report or log")
    return Wait(wait == "log", asyncio.get_running_loop().time() + timeout_ms / 1000, instance)


def _check_path(command: Command, path: Mapping[str, str]) -> None:
    """What was signed counts; a path that says something else is a mistake to tell, not to guess about."""
    named = path.get("order_id") or path.get("withdrawal_id")
    if named is None:
        return
    match command:
        case CancelOrder() | AmendOrder():
            signed = command.order_id or command.client_order_id
        case SettleWithdrawal():
            signed = command.withdrawal_id
        case _:
            signed = None
    if named != signed:
        raise Refused(Reason.BAD_PARAMETER, f"the path names {named[:64]}, the signed command {signed}")

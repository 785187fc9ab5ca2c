"""Accounts with play money, for who tries the exchange on his own machine: one request, no command line.

Offered only where the operator's key was handed to the gateway, which `__main__` does on a loopback address alone, and
only to who asks from one. The operator signs as for any other deposit, and an asset is given to an account once: its
transfer id says so on the log.
"""

import ipaddress

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request

from producers.answers import CommandAnswer
from producers.command_routes import make_wait
from producers.gateway import Gateway, OperatorKey
from producers.intake import take_command, take_struct
from producers.problems import Problem
from producers.public_routes import market_of
from producers.submit import submit
from producers.web import Answer, query, read_body
from schemas.commands import Command, Deposit, RegisterAccount, encode_command
from schemas.market import Market
from schemas.reasons import Reason
from schemas.records import SignedCommand
from schemas.refusal import Refused
from schemas.signing import account_of

QUOTE_AMOUNT = "100000"
BASE_AMOUNT = "10"
BASE_AMOUNT_OF_WHOLE_UNITS = "1000"
DONE_BEFORE = (Reason.ACCOUNT_EXISTS, Reason.DUPLICATE_TRANSFER)


class FundsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose account, and the market whose two assets it is to have."""

    root_key: str
    symbol: str


class OfferAnswer(Struct, frozen=True):
    """Whether there are demonstration accounts here."""

    offered: bool


class FundedAnswer(Struct, frozen=True):
    """The account, and what the deposits were answered; those made before are left out."""

    account: str
    done: list[CommandAnswer]


async def offer(gateway: Gateway, request: Request) -> Answer:
    query(request)
    return Answer(200, OfferAnswer(gateway.operator is not None and _is_near(request)))


async def give_funds(gateway: Gateway, request: Request) -> Answer:
    """Opens the account if it isn't there, and deposits what it hasn't had yet."""
    query(request)
    if gateway.operator is None or not _is_near(request):
        raise Refused(Reason.NO_DEMONSTRATION)
    wanted = take_struct(await read_body(request), FundsRequest)
    _, listed = market_of(gateway, wanted.symbol)
    account, exchange, now_ms = account_of(wanted.root_key), gateway.facts.exchange, gateway.now_ms()
    gateway.limiter.count_account(account)
    commands: list[Command] = []
    if account not in gateway.view.accounts:
        commands.append(RegisterAccount(exchange=exchange, root_key=wanted.root_key, time_ms=now_ms))
    for asset, amount in _play_money(listed.terms.market):
        commands.append(
            Deposit(
                exchange=exchange, account=account, asset=asset, amount=amount, transfer_id=f"demonstration-{asset}",
                time_ms=now_ms,
            )
        )  # fmt: skip
    done = []
    for command in commands:
        answer = await _submit(gateway, gateway.operator, command, request)
        if isinstance(answer.body, CommandAnswer):
            done.append(answer.body)
        elif not (isinstance(answer.body, Problem) and answer.body.code in DONE_BEFORE):
            return answer
    return Answer(200, FundedAnswer(account, done), gateway.position_of(account))


async def _submit(gateway: Gateway, operator: OperatorKey, command: Command, request: Request) -> Answer:
    raw = encode_command(command)
    body = msgspec.json.encode(SignedCommand(Raw(raw), operator.public, operator.sign(raw)))
    wait = make_wait(None, gateway.limits.default_timeout_ms, request.scope["path"])
    return await submit(gateway, take_command(body, (type(command),), gateway.facts.exchange), wait)


def _play_money(market: Market) -> list[tuple[str, str]]:
    base = BASE_AMOUNT if market.base_decimals else BASE_AMOUNT_OF_WHOLE_UNITS
    return [(market.base, base), (market.quote, QUOTE_AMOUNT)]


def _is_near(request: Request) -> bool:
    """Whether the one who asks is on this machine."""
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False

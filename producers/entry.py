"""Order entry without HTTP: what a connection's messages ask for goes the same way as a request's body.

The documents are those of REST, with the same statuses. Whoever has the connection brings a body, how long to wait, and
the client's address.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec
import structlog

from producers.admission import Urgency
from producers.command_routes import make_wait, take_many, take_one
from producers.gateway import Gateway
from producers.submit import Wait
from producers.web import Answer, refusal_answer
from schemas.commands import AmendOrder, CancelAll, CancelAllAfter, CancelOrder, NewOrder
from schemas.reasons import Reason
from schemas.refusal import Refused

logger = structlog.get_logger()


class Asked(Protocol):
    @property
    def body(self) -> bytes: ...
    @property
    def wait(self) -> str | None: ...
    @property
    def timeout_ms(self) -> int | None: ...
    @property
    def address(self) -> str: ...


Method = Callable[[Asked], Awaitable[tuple[int, bytes]]]
Take = Callable[[bytes, Wait], Awaitable[Answer]]


def order_entry(gateway: Gateway) -> Mapping[str, Method]:
    """The methods by name."""

    async def take_batch(body: bytes, wait: Wait) -> Answer:
        return await take_many(gateway, body, wait)

    takes: dict[str, tuple[Take, Urgency]] = {
        "order.place": (take_one(gateway, NewOrder), Urgency.USUAL),
        "order.cancel": (take_one(gateway, CancelOrder), Urgency.ENDS_ORDERS),
        "order.cancel_all": (take_one(gateway, CancelAll), Urgency.ENDS_ORDERS),
        "order.cancel_all_after": (take_one(gateway, CancelAllAfter), Urgency.ENDS_ORDERS),
        "order.amend": (take_one(gateway, AmendOrder), Urgency.USUAL),
        "order.batch": (take_batch, Urgency.USUAL),
    }
    return {name: _method(gateway, name, take, urgency) for name, (take, urgency) in takes.items()}


def _method(gateway: Gateway, name: str, take: Take, urgency: Urgency) -> Method:
    async def answer(asked: Asked) -> tuple[int, bytes]:
        try:
            with gateway.admission.request(gateway.now(), urgency):
                gateway.limiter.count_address(asked.address)
                wait = make_wait(asked.wait, _timeout_ms(gateway, asked.timeout_ms), name)
                found = await take(asked.body, wait)
        except Refused as refused:
            found = refusal_answer(refused, name)
        except Exception:
            # As over HTTP: before anything was sent, for `submit.answer` raises nothing from there on.
            logger.exception("a message could not be answered", method=name)
            found = refusal_answer(Refused(Reason.INTERNAL_ERROR), name)
        return found.status, _encode(found.body)

    return answer


def _timeout_ms(gateway: Gateway, asked: int | None) -> int:
    limits = gateway.limits
    if asked is None:
        return limits.default_timeout_ms
    if not 1 <= asked <= limits.max_timeout_ms:
        raise Refused(Reason.BAD_PARAMETER, f"timeout_ms is a whole number from 1 to {limits.max_timeout_ms}")
    return asked


_encode = msgspec.json.Encoder().encode

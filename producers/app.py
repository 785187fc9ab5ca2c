"""The gateway's routes, and FastAPI around them.

Handlers are plain Starlette endpoints: what they take is bytes under a signature, so that nothing between the socket
and `intake.py` may parse or rewrite them. FastAPI carries the routes, the OpenAPI description and its pages.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from producers import (
    account_routes,
    alert_routes,
    command_routes,
    demonstration,
    history_routes,
    proofs,
    public_routes,
)
from producers.admission import Urgency
from producers.gateway import Gateway
from producers.openapi import describe
from producers.page import page_routes
from producers.problems import REFUSALS_PATH, refusals_page
from producers.web import Handler, endpoint, refusal_answer, respond
from schemas.reasons import Reason
from schemas.refusal import Refused

logger = structlog.get_logger()
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


class Route(NamedTuple):
    method: str
    path: str
    handler: Handler
    urgency: Urgency = Urgency.USUAL


ROUTES = (
    Route("POST", "/api/v1/accounts", command_routes.register_account),
    Route("POST", "/api/v1/deposits", command_routes.deposit),
    Route("POST", "/api/v1/withdrawals", command_routes.withdraw),
    Route("POST", "/api/v1/withdrawals/{withdrawal_id}/settlement", command_routes.settle_withdrawal),
    Route("POST", "/api/v1/keys", command_routes.delegate_key),
    Route("DELETE", "/api/v1/keys", command_routes.revoke_key),
    Route("POST", "/api/v1/keys/revoke", command_routes.revoke_key),
    Route("POST", "/api/v1/orders", command_routes.place_order),
    Route("POST", "/api/v1/orders/test", command_routes.try_order),
    Route("POST", "/api/v1/orders/quote", public_routes.quote),
    Route("POST", "/api/v1/orders/batch", command_routes.place_batch),
    Route("DELETE", "/api/v1/orders", command_routes.cancel_all, Urgency.ENDS_ORDERS),
    Route("POST", "/api/v1/orders/cancel", command_routes.cancel_all, Urgency.ENDS_ORDERS),
    Route("POST", "/api/v1/orders/cancel-all-after", command_routes.cancel_all_after, Urgency.ENDS_ORDERS),
    Route("DELETE", "/api/v1/orders/{order_id}", command_routes.cancel_order, Urgency.ENDS_ORDERS),
    Route("POST", "/api/v1/orders/{order_id}/cancel", command_routes.cancel_order, Urgency.ENDS_ORDERS),
    Route("PUT", "/api/v1/orders/{order_id}", command_routes.amend_order),
    Route("POST", "/api/v1/orders/{order_id}/amend", command_routes.amend_order),
    Route("GET", "/api/v1/orders", account_routes.open_orders),
    Route("GET", "/api/v1/orders/by-client-id/{client_order_id}", account_routes.order_by_client_id),
    Route("GET", "/api/v1/orders/{order_id}", account_routes.order_by_id),
    Route("GET", "/api/v1/executions", account_routes.executions),
    Route("GET", "/api/v1/balances", account_routes.balances),
    Route("GET", "/api/v1/account/trades", history_routes.account_trades),
    Route("GET", "/api/v1/account/statement", history_routes.statement),
    Route("GET", "/api/v1/markets", public_routes.markets),
    Route("GET", "/api/v1/markets/{symbol}/book", public_routes.book),
    Route("GET", "/api/v1/markets/{symbol}/price", public_routes.price),
    Route("GET", "/api/v1/markets/{symbol}/candles", history_routes.candles),
    Route("GET", "/api/v1/markets/{symbol}/trades", history_routes.trades),
    Route("GET", "/api/v1/markets/{symbol}/trades/{sequence}/proof", proofs.proof),
    Route("GET", "/api/v1/alerts", alert_routes.alerts),
    Route("GET", "/api/v1/demonstration", demonstration.offer),
    Route("POST", "/api/v1/demonstration", demonstration.give_funds),
    Route("GET", "/api/v1/time", public_routes.time),
    Route("GET", "/healthz", public_routes.healthz, Urgency.ALWAYS),
    Route("GET", "/readyz", public_routes.readyz, Urgency.ALWAYS),
)


@asynccontextmanager
async def nothing_to_run(app: FastAPI) -> AsyncIterator[None]:
    yield


def build_app(gateway: Gateway, lifespan: Lifespan = nothing_to_run, page: Path | None = None) -> FastAPI:
    """`page` is the folder that the build of the trading page has made, if there is one."""
    app = FastAPI(title="Glassbook order gateway", version="1", lifespan=lifespan, redirect_slashes=False)
    for route in ROUTES:
        serve = endpoint(gateway, route.handler, route.urgency)
        app.router.add_route(route.path, serve, [route.method], include_in_schema=False)
    app.router.routes.extend(page_routes(page))
    app.router.add_route(REFUSALS_PATH, _refusals, ["GET"], include_in_schema=False)
    app.openapi = describe  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _internal_problem)
    return app


async def _refusals(request: Request) -> Response:
    return HTMLResponse(refusals_page())


async def _http_problem(request: Request, error: Exception) -> Response:
    """What Starlette itself would answer: no such path, no such method."""
    assert isinstance(error, HTTPException)
    known = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}
    reason = known.get(error.status_code, Reason.BAD_PARAMETER)
    detail = "" if error.status_code in known else error.detail
    response = respond(refusal_answer(Refused(reason, detail), request.scope["path"]))
    response.headers.update(error.headers or {})
    return response


async def _internal_problem(request: Request, error: Exception) -> Response:
    """A programmer's error, before anything was sent: `submit.answer` raises nothing from there on."""
    return respond(refusal_answer(Refused(Reason.INTERNAL_ERROR), request.scope["path"]))

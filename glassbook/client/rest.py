"""Sends calls to a gateway and reads its answers: `Client`, and `AsyncClient` for asyncio.

    client = Client("http://127.0.0.1:8000")
    me = Account(Signer(load_key(path), client.exchange()))
    order = client.send(me.place(me.signer.limit_order("AMZN-USD", "BUY", 1, "223.81")))

A refusal is raised as `Refusal`, with the gateway's stable reason code. Nothing is ever sent again by itself: the same
bytes can be sent again at any time and give the first one's result, but whether to is the caller's choice.
"""

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from glassbook.client import answers, calls
from glassbook.client.calls import Call
from glassbook.client.pages import Pages
from glassbook.errors import GlassbookError

AnswerT = TypeVar("AnswerT")
PageT = TypeVar("PageT")
ItemT = TypeVar("ItemT")
TIMEOUT_S = 40  # above the longest that a gateway waits for an outcome
POSITION = "Glassbook-Position"
READ_AFTER = "Glassbook-Read-After"


class Refusal(GlassbookError):
    """The exchange said no. `code` is the stable reason; `retry_after_s` is set where asking again later may help."""

    def __init__(self, problem: answers.Problem, retry_after_s: float | None = None) -> None:
        detail = f" ({problem.detail})" if problem.detail else ""
        super().__init__(f"{problem.code or problem.status}: {problem.title}{detail}")
        self.problem = problem
        self.code, self.status, self.detail = problem.code, problem.status, problem.detail
        self.retry_after_s = retry_after_s


class Unreachable(GlassbookError):
    """No answer came. A command may have been taken all the same: ask, or send the same bytes again."""


class _Positions:
    """How far the gateway had read each account's journal when it last answered. Sent along with private reads, so that
    another gateway of the same exchange never answers with less."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def headers(self, call: Call[Any]) -> dict[str, str]:
        headers = call.all_headers()
        if call.reader is not None and (position := self._of.get(call.reader.account)):
            headers[READ_AFTER] = position
        return headers

    def read(self, call: Call[AnswerT], response: httpx.Response) -> AnswerT:
        if call.account is not None and (position := response.headers.get(POSITION)):
            self._of[call.account] = position
        if response.status_code >= 400:
            raise refusal_of(response)
        try:
            return call.read(response.status_code, response.content)
        except msgspec.DecodeError as error:
            raise GlassbookError(f"{call.method} {call.target}: the answer can't be read: {error}") from None


def refusal_of(response: httpx.Response) -> Refusal:
    try:
        problem = msgspec.json.decode(response.content, type=answers.Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = answers.Problem(title=response.text[:200] or response.reason_phrase, status=response.status_code)
    after = response.headers.get("Retry-After", "")
    return Refusal(problem, float(after) if after.isdigit() else None)


def _unreachable(url: httpx.URL | str, error: httpx.HTTPError) -> Unreachable:
    why = str(error) or type(error).__name__
    return Unreachable(f"no answer from the gateway on {url} ({why}): is it running? `glassbook status` tells")


class Client:
    """A connection to a gateway that is used by one thread."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, transport=transport)
        self._positions = _Positions()

    def send(self, call: Call[AnswerT]) -> AnswerT:
        """The answer; `Refusal` if it is one, `Unreachable` if there is none."""
        try:
            response = self._http.request(
                call.method, call.target, content=call.body, headers=self._positions.headers(call)
            )
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error
        return self._positions.read(call, response)

    def walk(self, pages: Pages[PageT, ItemT]) -> Iterator[ItemT]:
        """Everything on the pages, in order; each page is asked for when it is reached."""
        call: Call[PageT] | None = pages.first
        while call is not None:
            page = self.send(call)
            yield from pages.items(page)
            call = pages.next(page)

    def exchange(self) -> str:
        """The exchange's domain, which is part of everything that is signed."""
        return self.send(calls.markets()).exchange

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()


class AsyncClient:
    """The same for asyncio; any number of calls side by side."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits, transport=transport)
        self._positions = _Positions()

    async def send(self, call: Call[AnswerT]) -> AnswerT:
        try:
            response = await self._http.request(
                call.method, call.target, content=call.body, headers=self._positions.headers(call)
            )
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error
        return self._positions.read(call, response)

    async def walk(self, pages: Pages[PageT, ItemT]) -> AsyncIterator[ItemT]:
        call: Call[PageT] | None = pages.first
        while call is not None:
            page = await self.send(call)
            for item in pages.items(page):
                yield item
            call = pages.next(page)

    async def exchange(self) -> str:
        return (await self.send(calls.markets())).exchange

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

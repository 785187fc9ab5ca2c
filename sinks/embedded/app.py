"""ClickHouse's HTTP interface: each request from its admission to its answer.

1. Who asks, from headers and URL alone. 2. A place among those of that user: nobody waits for another's statements.
3. The body, under a limit. 4. The work, in a thread, its rows coming back through a pipe. 5. The answer: whole if it is
small or was asked for whole, else streamed. A client that goes away takes its query with it.
"""

import asyncio
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from glassbook.clickhouse_keys import Role, TokenVerifier
from sinks.embedded.ask import Ask, ask, credentials
from sinks.embedded.codings import too_large
from sinks.embedded.engine import Engine, Session, Stats
from sinks.embedded.errors import ClickHouseError, Code
from sinks.embedded.named_sessions import NamedSession, NamedSessions
from sinks.embedded.pipe import Pipe
from sinks.embedded.reply import SMALL_BYTES, STALL_S, Headers, Stream, whole
from sinks.embedded.rows import IN_MEMORY_BYTES, Rows, of_file
from sinks.embedded.rules import Rules
from sinks.embedded.slots import Slots
from sinks.embedded.statement import Planner
from sinks.embedded.users import User, recognise
from sinks.embedded.work import Done, Running, Worker

logger = structlog.get_logger()
OK = "Ok.\n"
NO_HANDLE = """There is no handle {path}

Use / or /ping for health checks.
Or /replicas_status for more sophisticated health checks.
Send queries from your program with POST method or GET /?query=...
"""
_QUERY_ID = re.compile(r"[!-~ ]{1,200}")
BUFFER_BYTES = 1 << 20  # an answer that isn't longer has the right status, whatever happens
READER_BODY_BYTES = 64 << 20
KILL_AGAIN_S = 0.25
EXPIRE_S = 5


class Limits(NamedTuple):
    body_bytes: int
    whole_bytes: int  # the longest answer that is kept back until it is complete
    seconds: int  # of a reader's query; what the engine doesn't notice is stopped a little later
    places: int = 4  # statements at once, for analysts together and for each program
    queue: int = 64
    patience_s: float = 60
    grace_s: float = 10


class Server:
    def __init__(self, engine: Engine, rules: Rules, verifier: TokenVerifier, limits: Limits) -> None:
        self._engine, self._verifier, self._limits = engine, verifier, limits
        self._worker = Worker(engine, Planner(rules), rules)
        self._slots = defaultdict[str, Slots](lambda: Slots(limits.places, limits.queue, limits.patience_s))
        self._threads = ThreadPoolExecutor(16 * limits.places, "statement")
        self._helpers = ThreadPoolExecutor(2, "helper")  # never behind a statement
        self._sessions = NamedSessions(lambda: uuid4().hex)
        self._running: dict[str, Running] = {}

    async def serve(self, request: Request) -> Response:
        query_id = request.query_params.get("query_id") or request.headers.get("x-clickhouse-query-id") or str(uuid4())
        if not _QUERY_ID.fullmatch(query_id):  # it goes into a header
            query_id = str(uuid4())
        about = Headers(self._engine.facts, query_id)
        try:
            user = recognise(credentials(request.headers, request.query_params), self._verifier)
            slots = self._slots[user.name]
            await slots.take()
            with ExitStack() as held:
                held.callback(slots.give_back)
                asked = await self._asked(request, user)
                if not asked.sql.strip() and not asked.external:
                    return PlainTextResponse(OK, headers=about.common)
                running, named = self._admit(asked, user, query_id, held)
                return await self._answer(request, asked, user, about, running, named, held)
        except ClickHouseError as error:
            if error.code == Code.AUTHENTICATION_FAILED:
                logger.warning("refused", why=error.message)
            return about.refusal(error)
        except ClientDisconnect:
            return Response(status_code=499)

    async def _asked(self, request: Request, user: User) -> Ask:
        most = self._limits.body_bytes if user.role is Role.WRITER else min(READER_BODY_BYTES, self._limits.body_bytes)
        body = await read_body(request, most)
        query_string = request.scope["query_string"].decode("latin-1")
        taking_apart = partial(ask, request.method, request.headers, query_string, body, most)
        # Unpacking is work: not for the event loop.
        asked = taking_apart() if len(body) < SMALL_BYTES else await asyncio.to_thread(taking_apart)
        if strange := [role for role in asked.roles if role != user.role]:
            raise ClickHouseError(
                Code.SET_NON_GRANTED_ROLE, f"Role {strange[0][:60]} should be granted to set as a current"
            )
        return asked

    def _admit(self, asked: Ask, user: User, query_id: str, held: ExitStack) -> tuple[Running, NamedSession | None]:
        """Takes the statement's name, and its session if it names one; both are given back when `held` is closed."""
        if query_id in self._running:
            raise ClickHouseError(
                Code.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, f"Query with id = {query_id[:100]} is already running"
            )
        named, wanted = None, asked.session
        if wanted is not None:
            named, ended = self._sessions.take(user.name, wanted)
            self._close(ended)
            held.callback(lambda: self._close(self._sessions.give_back(user.name, wanted)))
        running = self._running[query_id] = Running(named.token if named else uuid4().hex)
        held.callback(self._running.pop, query_id)
        return running, named

    async def _answer(
        self,
        request: Request,
        asked: Ask,
        user: User,
        about: Headers,
        running: Running,
        named: NamedSession | None,
        held: ExitStack,
    ) -> Response:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[str | None] = loop.create_future()

        def begins(form: str | None) -> None:
            loop.call_soon_threadsafe(begun.set_result, form)

        pipe = await Pipe.open()
        job = loop.run_in_executor(
            self._threads, self._worker.carry_out, asked, user.role, running, named, pipe.writing_end, begins
        )
        # Until it has ended, whoever waits for it.
        work = held.pop_all()
        guard = asyncio.create_task(self._guard(request, running, job, user.role, begun))
        work.callback(guard.cancel)
        work.callback(lambda: job.cancelled() or job.exception())  # seen, even where nobody waits for it
        job.add_done_callback(lambda _: work.close())
        rows = Rows(pipe, job, running)
        try:
            if asked.wait_end_of_query:
                return await self._whole(rows, asked, about)
            first, complete = await rows.up_to(asked.buffer_bytes or BUFFER_BYTES)
            if complete:
                return await _small(first, await rows.done(), asked, about)
            form = await begun
            return Stream(rows.rest(first), about.of_result(form, asked, Stats()), asked, form, about)
        except BaseException:
            rows.give_up()
            raise

    async def _whole(self, rows: Rows, asked: Ask, about: Headers) -> Response:
        file = await rows.all(self._limits.whole_bytes)
        try:
            done = await rows.done()
        except ClickHouseError:
            file.close()
            raise
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size > IN_MEMORY_BYTES:
            headers = about.of_result(done.format, asked, done.stats)
            return Stream(of_file(file), headers, asked, done.format, about)
        with file:
            return await _small(file.read(), done, asked, about)

    async def _guard(
        self,
        request: Request,
        running: Running,
        job: "asyncio.Future[Done]",
        role: Role,
        begun: "asyncio.Future[str | None]",
    ) -> None:
        """Stops the statement when nobody waits for it any more, or it goes on for too long."""
        seconds = self._limits.seconds + self._limits.grace_s if role is Role.READER else None
        try:
            async with asyncio.timeout(seconds):
                await _until_gone(request)
        except TimeoutError:
            running.timed_out = True
        if role is Role.WRITER and not begun.done():
            return  # no rows are on their way: what it changes is better done than half done
        running.give_up()
        loop = asyncio.get_running_loop()
        while not job.done():
            # Again and again: the engine may not have begun yet.
            await loop.run_in_executor(self._helpers, self._engine.kill, running.token)
            await asyncio.wait([job], timeout=KILL_AGAIN_S)

    def _close(self, ended: list[Session]) -> None:
        for session in ended:
            self._helpers.submit(session.close)

    async def expire_sessions(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_S)
            self._close(self._sessions.expire())

    def stop(self) -> None:
        """What still runs is stopped. Blocks until it is."""
        for running in list(self._running.values()):
            running.give_up()
            self._engine.kill(running.token)
        self._threads.shutdown()
        self._helpers.shutdown()
        self._engine.close()


async def _small(data: bytes, done: Done, asked: Ask, about: Headers) -> Response:
    return await whole(data + done.data, about.of_result(done.format, asked, done.stats), asked, done.format)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def read_body(request: Request, most: int) -> bytes:
    """Raises ClickHouseError while reading, not after, if it is longer; or if the sender stalls."""
    parts, size = list[bytes](), 0
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > most:
        raise too_large(most)
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                part = await anext(stream, None)
        except TimeoutError:
            raise ClickHouseError(Code.SOCKET_TIMEOUT, f"Nothing came for {STALL_S} s") from None
        if part is None:
            return b"".join(parts)
        size += len(part)
        if size > most:
            raise too_large(most)
        parts.append(part)


def build_app(server: Server) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        expiry = asyncio.create_task(server.expire_sessions())
        yield
        expiry.cancel()
        with suppress(asyncio.CancelledError):
            await expiry
        await asyncio.get_running_loop().run_in_executor(None, server.stop)

    routes = [
        Route("/", server.serve, methods=["GET", "POST"]),
        Route("/ping", _ok),
        Route("/replicas_status", _ok),
        Route("/{path:path}", _no_handle, methods=["GET", "POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _ok(request: Request) -> Response:
    return PlainTextResponse(OK)


async def _no_handle(request: Request) -> Response:
    return PlainTextResponse(NO_HANDLE.format(path=request.url.path), 404)

"""Sessions that clients name, so that SET, USE and a writer's temporary tables outlast a request.

One statement at a time in each. One that isn't used for its time-out ends; there are at most so many, and for one more
the idle one goes that would end first.
"""

import time
from collections.abc import Callable

from sinks.embedded import ask
from sinks.embedded.engine import Session
from sinks.embedded.errors import ClickHouseError, Code

MOST = 1000


class NamedSession:
    """Who holds it may use it. A reader's has no connection: what it said by SET and USE is said again each time."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.settings: dict[str, str] = {}
        self.database = ""
        self.connection: Session | None = None
        self.busy = False
        self.ends = 0.0


class NamedSessions:
    """Used by one thread, the one that takes requests."""

    def __init__(self, new_token: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._new_token, self._clock = new_token, clock
        self._sessions: dict[tuple[str, str], NamedSession] = {}

    def take(self, user: str, wanted: ask.Session) -> tuple[NamedSession, list[Session]]:
        """The session, for this caller alone until `give_back`; and connections that are to be closed now."""
        ended = self.expire()
        key = (user, wanted.id)
        session = self._sessions.get(key)
        if session is None:
            if wanted.must_exist:
                raise ClickHouseError(Code.SESSION_NOT_FOUND, f"Session {wanted.id} not found")
            if len(self._sessions) >= MOST:
                ended += self._drop(self._first_to_end())
            session = self._sessions[key] = NamedSession(self._new_token())
        if session.busy:
            raise ClickHouseError(Code.SESSION_IS_LOCKED, f"Session {wanted.id} is locked by a concurrent client")
        session.busy = True
        return session, ended

    def give_back(self, user: str, wanted: ask.Session) -> list[Session]:
        session = self._sessions[user, wanted.id]
        session.busy, session.ends = False, self._clock() + wanted.timeout_s
        if wanted.close:
            session.ends = 0.0
        return self.expire()

    def expire(self) -> list[Session]:
        """Forgets the ones whose time is over. Their connections are to be closed, by a thread that may wait."""
        now = self._clock()
        over = [key for key, session in self._sessions.items() if not session.busy and session.ends <= now]
        return [connection for key in over for connection in self._drop(key)]

    def _drop(self, key: tuple[str, str]) -> list[Session]:
        connection = self._sessions.pop(key).connection
        return [] if connection is None else [connection]

    def _first_to_end(self) -> tuple[str, str]:
        idle = [(session.ends, key) for key, session in self._sessions.items() if not session.busy]
        if not idle:
            raise ClickHouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"{MOST} sessions are in use")
        return min(idle)[1]

"""A line to Postgres that is dialled again when it breaks, for acts that may be sent twice.

Every act of a worker is a fenced compare-and-set that names its run, so sending it again after
an unknown answer is safe and is the way to learn the answer.

What a repeated act finds done may be known to this server alone: a commit that waited for its
standby was cut short. So after any doubt a durable write of no meaning follows. Its commit waits
for the standby, and with it for everything before.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from time import monotonic, sleep
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import errors

from fcs.database.connect import (
    ANSWER_WITHIN,
    Connection,
    answering_within,
    connect,
    connect_sync,
    explained,
    unavailable,
)
from fcs.domain.backoff import PAUSE_MAX, full_jitter, is_worth_a_line
from fcs.domain.errors import DatabaseUnavailable, InDoubt, OnHold

log = logging.getLogger(__name__)

T = TypeVar("T")

SyncConnection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

# By SQLSTATE class: connection, rollback, resources, operator (shutdown, cancel), system.
_PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# Read-only, lock or idle time over, and a notification queue that is full just now.
_PASSING = frozenset({"25006", "55P03", "25P03", "54000"})
_WARNING = "01000"

CONFIRM: Final = """
    select fcs.durably(), pg_logical_emit_message(true, 'fcs', 'confirm')
     where not pg_is_in_recovery()
"""


def is_passing(error: Exception) -> bool:
    """Whether a failure says something about this moment, not about the act itself."""
    if isinstance(error, DatabaseUnavailable | OnHold | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _PASSING or state[:2] in _PASSING_CLASSES


def is_refusal(error: Exception) -> bool:
    """Whether Postgres found a value wrong, so that the same act would fail again."""
    return isinstance(error, psycopg.DataError | psycopg.IntegrityError)


class Line:
    """One connection at a time, made when needed.

    `rng` spreads the attempts to reconnect, with at most `pause_max` seconds between two. What is
    not answered within `answer_within` seconds is sent again over a new connection, and then given
    twice as long, up to `answer_max`: the server may be slow, and what is under way holds its
    locks. `on_dialled` is awaited before anything is done by a new connection.
    """

    def __init__(
        self,
        url: str,
        *,
        part: str,
        rng: Random,
        keys_only: bool = True,
        pause_max: float = PAUSE_MAX,
        answer_within: float = ANSWER_WITHIN,
        answer_max: float = ANSWER_WITHIN,
        on_dialled: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._url = url
        self._on_dialled = on_dialled
        self._part = part
        self._rng = rng
        self._keys_only = keys_only
        self._pause_max = pause_max
        self._answer_within = self._patience = answer_within
        self._answer_max = max(answer_within, answer_max)
        self._db: Connection | None = None
        self._warnings = 0
        self._dialling = asyncio.Lock()

    async def carry_out(
        self,
        act: Callable[[Connection], Awaitable[T]],
        *,
        give_up: Callable[[], bool] | None = None,
    ) -> T:
        """Carry out an act that may be sent twice, and keep at it while the database is away.

        `give_up` is asked after each failure; when it says yes, `DatabaseUnavailable` is raised,
        or `InDoubt` if the act was sent.
        """
        tries, is_doubtful = 0, False
        while True:
            db = None
            try:
                db = await self._dial()
                answer = await self._act(db, act, is_doubtful)
                if tries:
                    log.info("database back: part=%s tries=%d", self._part, tries)
                return answer
            except Exception as error:
                await self._drop(db)
                if not is_passing(error):
                    raise explained(error) from error
                is_doubtful = is_doubtful or db is not None
                if give_up is not None and give_up():
                    raise _as_unavailable(self._url, error, is_doubtful) from error
                tries += 1
                if is_worth_a_line(tries):
                    log.warning("database away, trying again: part=%s reason=%s", self._part, error)
                await asyncio.sleep(full_jitter(tries, self._rng, cap=self._pause_max))

    async def close(self) -> None:
        await self._drop(self._db)

    async def _act(
        self, db: Connection, act: Callable[[Connection], Awaitable[T]], is_doubtful: bool
    ) -> T:
        warnings = self._warnings
        with self._being_patient(db):
            answer = await act(db)
            while is_doubtful or self._warnings != warnings:
                log.warning("commit in doubt, confirming it by another write: part=%s", self._part)
                is_doubtful, warnings = False, self._warnings
                await db.execute(CONFIRM)
        return answer

    @contextmanager
    def _being_patient(self, db: Connection) -> Iterator[None]:
        """Cut a connection off that does not answer; be more patient while answers are late."""
        clock = asyncio.get_running_loop().time
        patience, asked_at = self._patience, clock()
        try:
            with answering_within(patience, db):
                yield
        finally:
            took = clock() - asked_at
            if took >= patience:
                self._patience = min(2 * patience, self._answer_max)
            elif took < self._answer_within:
                self._patience = self._answer_within

    async def _dial(self) -> Connection:
        if self._db is not None and not self._db.closed:
            return self._db
        async with self._dialling:
            if self._db is None or self._db.closed:
                db = await connect(self._url, part=self._part, keys_only=self._keys_only)
                try:
                    if self._on_dialled is not None:
                        await self._on_dialled(db)
                except BaseException:
                    await db.close()
                    raise
                db.add_notice_handler(self._hear_notice)
                self._db = db
            return self._db

    def _hear_notice(self, notice: errors.Diagnostic) -> None:
        # Thus a server tells that it has cut short the wait for its standby.
        if notice.sqlstate == _WARNING:
            self._warnings += 1

    async def _drop(self, db: Connection | None) -> None:
        """Let go of a broken connection, unless somebody else has dialled anew by now."""
        if db is not None and db is self._db:
            self._db = None
        if db is not None:
            with suppress(Exception):
                await db.close()

    def abandon(self) -> None:
        """Close the connection of an event loop that will not run any more."""
        if self._db is not None:
            self._db.pgconn.finish()


class SyncLine:
    """The twin of `Line` for code without an event loop. Threads that share it take turns."""

    def __init__(self, *, part: str, rng: Random) -> None:
        self._part = part
        self._rng = rng
        self._turn = threading.Lock()
        self._url = ""
        self._db: SyncConnection | None = None
        self._warnings = 0

    def carry_out(self, url: str, act: Callable[[SyncConnection], T], *, patience: float) -> T:
        """Carry out an act that may be sent twice; keep at it for `patience` seconds.

        Raises `DatabaseUnavailable` when they are over, or `InDoubt` if the act was sent.
        """
        give_up_at = monotonic() + patience
        if not self._turn.acquire(timeout=patience):
            raise DatabaseUnavailable(
                f"other threads have waited for the database for longer than {patience:g} s",
                hint="It is slow or away, or they have much to write. Try again in a while.",
            )
        try:
            return self._keep_at(url, act, give_up_at)
        finally:
            self._turn.release()

    def _keep_at(self, url: str, act: Callable[[SyncConnection], T], give_up_at: float) -> T:
        tries, is_doubtful = 0, False
        while True:
            db = None
            try:
                db = self._dial(url)
                return self._act(db, act, is_doubtful)
            except Exception as error:
                self.close()
                if not is_passing(error):
                    raise explained(error) from error
                is_doubtful = is_doubtful or db is not None
                if monotonic() >= give_up_at:
                    raise _as_unavailable(url, error, is_doubtful) from error
                tries += 1
                sleep(full_jitter(tries, self._rng))

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(Exception):
                db.close()

    def _act(self, db: SyncConnection, act: Callable[[SyncConnection], T], is_doubtful: bool) -> T:
        warnings = self._warnings
        answer = act(db)
        while is_doubtful or self._warnings != warnings:
            is_doubtful, warnings = False, self._warnings
            db.execute(CONFIRM)
        return answer

    def _dial(self, url: str) -> SyncConnection:
        if url != self._url:
            self.close()
        if self._db is None or self._db.closed:
            self._url, self._db = url, connect_sync(url, part=self._part)
            self._db.add_notice_handler(self._hear_notice)
        return self._db

    def _hear_notice(self, notice: errors.Diagnostic) -> None:
        if notice.sqlstate == _WARNING:
            self._warnings += 1


def _as_unavailable(url: str, error: Exception, is_doubtful: bool) -> DatabaseUnavailable:
    told = error if isinstance(error, DatabaseUnavailable) else unavailable(url, error)
    return InDoubt(str(told), hint=told.hint) if is_doubtful else told

"""A line to Postgres that is dialled again when it breaks, for acts that may be sent twice.

Every act of a worker is a fenced compare-and-set that names its run, so sending it again after
an unknown answer is safe and is the way to learn the answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import TypeVar

import psycopg
from psycopg import errors

from fcs.database.connect import Connection, connect
from fcs.domain.backoff import full_jitter
from fcs.domain.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

# By SQLSTATE class: connection, rollback, resources, operator (shutdown, cancel), system.
_PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
_PASSING = frozenset({"25006", "55P03", "25P03"})
_WARNING = "01000"


def is_passing(error: Exception) -> bool:
    """Whether a failure says something about this moment, not about the act itself."""
    if isinstance(error, DatabaseUnavailable | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _PASSING or state[:2] in _PASSING_CLASSES


class Line:
    """One connection at a time, made when needed. `rng` spreads the attempts to reconnect."""

    def __init__(self, url: str, *, part: str, rng: Random, keys_only: bool = True) -> None:
        self._url = url
        self._part = part
        self._rng = rng
        self._keys_only = keys_only
        self._db: Connection | None = None
        self._in_doubt = False
        self._dialling = asyncio.Lock()

    async def carry_out(
        self,
        act: Callable[[Connection], Awaitable[T]],
        *,
        give_up: Callable[[], bool] | None = None,
    ) -> T:
        """Carry out an act that may be sent twice, and keep at it while the database is away.

        `give_up` is asked after each failure; when it says yes, the failure is raised.
        """
        tries = 0
        while True:
            try:
                answer = await self._once(act)
            except Exception as error:
                await self._drop()
                tries += 1
                if not is_passing(error) or (give_up is not None and give_up()):
                    raise
                if tries in (1, 10, 100) or tries % 1000 == 0:
                    log.warning("database away, trying again: part=%s reason=%s", self._part, error)
                await asyncio.sleep(full_jitter(tries, self._rng))
            else:
                if not self._in_doubt:
                    return answer
                # The server cut a wait for its standby short: known here, perhaps not there.
                log.warning("commit in doubt, confirming by another write: part=%s", self._part)
                self._in_doubt = False

    async def close(self) -> None:
        await self._drop()

    async def _once(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._dialling:
            if self._db is None or self._db.closed:
                self._db = await connect(self._url, part=self._part, keys_only=self._keys_only)
                self._db.add_notice_handler(self._hear_notice)
        return await act(self._db)

    def _hear_notice(self, notice: errors.Diagnostic) -> None:
        if notice.sqlstate == _WARNING:
            self._in_doubt = True

    async def _drop(self) -> None:
        db, self._db, self._in_doubt = self._db, None, False
        if db is not None:
            with suppress(Exception):
                await db.close()

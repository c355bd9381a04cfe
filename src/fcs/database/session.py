"""A session of Postgres, or the use of other people's.

A pooler that pools transactions gives each of them whatever session is free. What one sets there
the next one finds, and what was prepared is somewhere else. So nothing is left behind then: the
settings that a statement needs go along with it, in its own transaction, in the same packet.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

Row = tuple[Any, ...]
RV = TypeVar("RV")

# A pooler greets with a process id of its own. A setting that an older server does not know is
# left out, and all of them where the session is not ours.
_GREETING: Final = """
    select pg_backend_pid() = %(pid)s,
           current_setting('default_transaction_isolation'),
           current_setting('default_transaction_read_only'),
           (
               select count(set_config(wanted.name, wanted.value, false))
                 from unnest(%(names)s::text[], %(values)s::text[]) as wanted (name, value)
                 join pg_settings using (name)
                where pg_backend_pid() = %(pid)s
           )
"""

# What matters within one transaction.
_LOCAL: Final = frozenset(
    {
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "TimeZone",
        "DateStyle",
        "extra_float_digits",
        "jit",
        "enable_seqscan",
        "enable_bitmapscan",
    }
)


class Greeting(NamedTuple):
    """Whom we have reached: the server itself, or somebody who leads to it; set up if direct."""

    is_direct: bool
    isolation: str
    read_only: str
    settings: int


def greeting(
    db: psycopg.BaseConnection[Row], wanted: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """The statement that sets a session up if it is our own, and its parameters."""
    params = {
        "pid": db.info.backend_pid,
        "names": list(wanted),
        "values": list(wanted.values()),
    }
    return _GREETING, params


def _local(wanted: Mapping[str, str]) -> sql.Composed:
    return _set({k: v for k, v in wanted.items() if k in _LOCAL}, is_local=True)


def _set(wanted: Mapping[str, str], *, is_local: bool) -> sql.Composed:
    each = (
        sql.SQL("set_config({}, {}, {})").format(name, value, is_local)
        for name, value in wanted.items()
    )
    return sql.SQL("select {}").format(sql.SQL(", ").join(each))


class Cut:
    """What is done in so many seconds, unless it is put off or cancelled before."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, act)

    def put_off(self) -> None:
        """From now on it takes so many seconds once more."""
        if not self._timer.cancelled():
            self._timer.cancel()
            self._timer = self._loop.call_later(self._seconds, self._act)

    def cancel(self) -> None:
        self._timer.cancel()


class Session(AsyncConnection[Row]):
    """A connection that is our own until it is known to be shared."""

    settings: sql.Composed | None = None
    cut: Cut | None = None
    """What `connect.answering_within` has set for what goes on now."""
    _wanted: Mapping[str, str]
    _turn: asyncio.Lock

    async def share(self, wanted: Mapping[str, str]) -> None:
        """From now on leave nothing behind; each transaction has these settings."""
        self._wanted, self._turn = wanted, asyncio.Lock()
        self.settings = _local(wanted)
        self.prepare_threshold = None
        await self.set_isolation_level(IsolationLevel.READ_COMMITTED)
        await self.set_read_only(False)

    async def adjust(self, changes: Mapping[str, str]) -> None:
        """Change settings: of the session, or of each transaction from now on."""
        if self.settings is None:
            await self.execute(_set(changes, is_local=False))
        else:
            self._wanted = {**self._wanted, **changes}
            self.settings = _local(self._wanted)

    async def execute(self, *query: Any, **how: Any) -> psycopg.AsyncCursor[Row]:
        """As every connection does, with the settings if it is a transaction by itself."""
        if self.settings is None:
            return await super().execute(*query, **how)
        # Statements that meet here must not end up in one transaction.
        async with self._turn:
            if self.info.transaction_status is not TransactionStatus.IDLE:
                return await super().execute(*query, **how)
            async with self.pipeline():
                await super().execute(self.settings)
                return await super().execute(*query, **how)

    @asynccontextmanager
    async def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """As every connection does, with the settings."""
        is_outermost = self.info.transaction_status is TransactionStatus.IDLE
        async with super().transaction(savepoint_name, force_rollback) as transaction:
            if self.settings is not None and is_outermost:
                await super().execute(self.settings)
            yield transaction


class SyncSession(psycopg.Connection[Row]):
    """The twin of `Session` for code without an event loop.

    It breaks when an answer has not come within `answer_within` seconds.
    """

    settings: sql.Composed | None = None
    answer_within = float("inf")

    def share(self, wanted: Mapping[str, str]) -> None:
        """From now on leave nothing behind; each transaction has these settings."""
        self.settings = _local(wanted)
        self.prepare_threshold = None
        self.isolation_level = IsolationLevel.READ_COMMITTED
        self.read_only = False

    def execute(self, *query: Any, **how: Any) -> psycopg.Cursor[Row]:
        """As every connection does, with the settings if it is a transaction by itself."""
        if self.settings is None or self.info.transaction_status is not TransactionStatus.IDLE:
            return super().execute(*query, **how)
        with self.pipeline():
            super().execute(self.settings)
            return super().execute(*query, **how)

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """As every connection does, with the settings."""
        is_outermost = self.info.transaction_status is TransactionStatus.IDLE
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if self.settings is not None and is_outermost:
                super().execute(self.settings)
            yield transaction

    def wait(self, gen: PQGen[RV], *how: Any, **more: Any) -> RV:
        """As every connection does, but not for ever."""
        return super().wait(self._answered(gen), *how, **more)

    def _answered(self, gen: PQGen[RV]) -> PQGen[RV]:
        """The same exchange until it takes too long: now and then it is told that nothing came."""
        give_up_at = monotonic() + self.answer_within
        try:
            wants = next(gen)
            while True:
                came = yield wants
                if not came and monotonic() >= give_up_at:
                    # Whoever ends a transaction or a pipeline on it now must not wait as long.
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer in {self.answer_within:g} s")
                wants = gen.send(came)
        except StopIteration as end:
            answer: RV = end.value
            return answer


async def adjust(db: AsyncConnection[Any], changes: Mapping[str, str]) -> None:
    """Change settings of a connection, for as long as it lives."""
    assert isinstance(db, Session)
    await db.adjust(changes)


def is_shared(db: AsyncConnection[Any]) -> bool:
    """Whether each transaction on it may meet another session of Postgres."""
    return isinstance(db, Session) and db.settings is not None


def own_backend(db: AsyncConnection[Any]) -> int | None:
    """The server process of a connection, unless a pooler gives out another one each time."""
    return None if is_shared(db) else db.info.backend_pid

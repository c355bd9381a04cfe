"""Creating tasks on the caller's own connection, whatever library it is of.

None of these libraries is imported before somebody brings a connection of it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Final

import psycopg

from fcs.database.carrier import Carrier, PsycopgCarrier, PsycopgSyncCarrier, Rows, SyncCarrier
from fcs.database.sql import numbered
from fcs.domain.errors import InvalidInput

_COMMENT: Final = re.compile(r"--.*$", re.MULTILINE)
_COLON: Final = re.compile(r"(?<!:):(?!:)")
_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)[sb]")


class SqlalchemyCarrier(SyncCarrier):
    """A `Connection`, a `Session`, or a `scoped_session` of SQLAlchemy."""

    def __init__(self, owner: Any, *, is_session: bool) -> None:
        self._owner, self._is_session = owner, is_session

    def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        connection = self._owner.connection() if self._is_session else self._owner
        found = connection.execute(_for_sqlalchemy(connection, statement), params)
        return [tuple(row) for row in found]

    def together(self) -> AbstractContextManager[object]:
        savepoint: AbstractContextManager[object] = self._owner.begin_nested()
        return savepoint


class AsyncSqlalchemyCarrier(Carrier):
    """The same with an event loop: `AsyncConnection`, `AsyncSession`, `async_scoped_session`."""

    def __init__(self, owner: Any, *, is_session: bool) -> None:
        self._owner, self._is_session = owner, is_session

    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        connection = await self._owner.connection() if self._is_session else self._owner
        found = await connection.execute(_for_sqlalchemy(connection, statement), params)
        return [tuple(row) for row in found]

    def together(self) -> AbstractAsyncContextManager[object]:
        savepoint: AbstractAsyncContextManager[object] = self._owner.begin_nested()
        return savepoint


class AsyncpgCarrier(Carrier):
    """A `Connection` of asyncpg, or what its pool hands out."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        # As text first: applications teach asyncpg to write jsonb in ways of their own.
        text = numbered(statement, params, "::text")
        return [tuple(row) for row in await self._connection.fetch(text, *params.values())]

    def together(self) -> AbstractAsyncContextManager[object]:
        transaction: AbstractAsyncContextManager[object] = self._connection.transaction()
        return transaction


class DjangoCarrier(SyncCarrier):
    """`django.db.connection`, or one of `django.db.connections`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        _require_postgres(self._connection.vendor)
        with self._connection.cursor() as cursor:
            cursor.execute(_PLACEHOLDER.sub(r"%(\1)s", statement), params)
            return [tuple(row) for row in cursor.fetchall()]

    def together(self) -> AbstractContextManager[object]:
        from django.db.transaction import atomic

        block: AbstractContextManager[object] = atomic(using=self._connection.alias)
        return block


def carrier_for(connection: object) -> Carrier | SyncCarrier:
    """What carries tasks into the transaction of a connection, or raise `InvalidInput`."""
    for cls in type(connection).__mro__:
        library = _LIBRARIES.get(cls.__module__.partition(".")[0])
        if library is not None and (carrier := library(connection)) is not None:
            return carrier
    raise InvalidInput(
        f"an object of type {type(connection).__qualname__} cannot carry a task into your"
        " transaction",
        hint="Pass an open connection of psycopg 3 or asyncpg, a connection or session of"
        " SQLAlchemy, or django.db.connection; not an engine and not a pool.",
    )


def _psycopg(connection: object) -> Carrier | SyncCarrier | None:
    if isinstance(connection, psycopg.AsyncConnection):
        return PsycopgCarrier(connection)
    return PsycopgSyncCarrier(connection) if isinstance(connection, psycopg.Connection) else None


def _sqlalchemy(connection: object) -> Carrier | SyncCarrier | None:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session, scoped_session

    if isinstance(connection, Connection | Session | scoped_session):
        return SqlalchemyCarrier(connection, is_session=not isinstance(connection, Connection))
    if sys.modules.get("sqlalchemy.ext.asyncio") is None:  # it may lack what it needs: greenlet
        return None
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    if isinstance(connection, AsyncConnection | AsyncSession | async_scoped_session):
        is_session = not isinstance(connection, AsyncConnection)
        return AsyncSqlalchemyCarrier(connection, is_session=is_session)
    return None


def _asyncpg(connection: object) -> Carrier | None:
    from asyncpg import Connection
    from asyncpg.pool import PoolConnectionProxy

    is_one = isinstance(connection, Connection | PoolConnectionProxy)
    return AsyncpgCarrier(connection) if is_one else None


def _django(connection: object) -> SyncCarrier | None:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.utils.connection import ConnectionProxy

    is_one = isinstance(connection, BaseDatabaseWrapper | ConnectionProxy)
    return DjangoCarrier(connection) if is_one else None


_LIBRARIES: Final[Mapping[str, Callable[[object], Carrier | SyncCarrier | None]]] = {
    "psycopg": _psycopg,
    "sqlalchemy": _sqlalchemy,
    "asyncpg": _asyncpg,
    "django": _django,
}


def _for_sqlalchemy(connection: Any, statement: str) -> Any:
    """The statement in SQLAlchemy's own notation, which it turns into that of its driver."""
    from sqlalchemy import text

    _require_postgres(connection.dialect.name)
    # Comments go, as they may speak of parameters; a lone colon would be one, and so would half a
    # name before a cast.
    escaped = _COLON.sub(r"\\:", _COMMENT.sub("", statement))
    return text(_PLACEHOLDER.sub(r"cast(:\1 as text)", escaped))


def _require_postgres(dialect: str) -> None:
    if dialect != "postgresql":
        raise InvalidInput(
            f"the connection is one to {dialect}, and tasks live in Postgres",
            hint="Pass a connection to the database that holds the tables of fcs, or leave"
            " `connection` out and create the task after your commit.",
        )

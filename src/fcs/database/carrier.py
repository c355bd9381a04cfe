"""Connections that carry our statements: our own, and the caller's, of whatever library.

A statement that a carrier can run takes parameters of text only (JSON, mostly), because that is
what every driver sends alike.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

Rows: TypeAlias = list[tuple[Any, ...]]


class Carrier(ABC):
    """A connection for code with an event loop."""

    @property
    def is_alone(self) -> bool:
        """Whether a statement surely is a transaction of its own, which is over with it."""
        return False

    @abstractmethod
    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        """Run one statement, as `queries/*.sql` has it, in the connection's transaction."""

    @abstractmethod
    def together(self) -> AbstractAsyncContextManager[object]:
        """For several statements, all or none: a savepoint where there is a transaction."""


class SyncCarrier(ABC):
    """The twin of `Carrier` for code without an event loop."""

    @property
    def is_alone(self) -> bool:
        return False

    @abstractmethod
    def run(self, statement: str, params: Mapping[str, str]) -> Rows: ...

    @abstractmethod
    def together(self) -> AbstractContextManager[object]: ...


class PsycopgCarrier(Carrier):
    """A cursor of our own: the connection may make its cursors and rows in its own way."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    @property
    def is_alone(self) -> bool:
        return is_alone(self._connection)

    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        async with psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
            await cursor.execute(statement, params)
            return await cursor.fetchall()

    def together(self) -> AbstractAsyncContextManager[object]:
        return self._connection.transaction()


class PsycopgSyncCarrier(SyncCarrier):
    """The twin of `PsycopgCarrier` for code without an event loop."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @property
    def is_alone(self) -> bool:
        return is_alone(self._connection)

    def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        with psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            return cursor.execute(statement, params).fetchall()

    def together(self) -> AbstractContextManager[object]:
        return self._connection.transaction()


def is_alone(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> bool:
    """Whether the next statement commits by itself."""
    return connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE


def carrier_of(db: psycopg.AsyncConnection[Any] | Carrier) -> Carrier:
    return db if isinstance(db, Carrier) else PsycopgCarrier(db)


def sync_carrier_of(db: psycopg.Connection[Any] | SyncCarrier) -> SyncCarrier:
    return db if isinstance(db, SyncCarrier) else PsycopgSyncCarrier(db)

"""Our own connections without cursors, for the statement that a process sends all day long.

A cursor can do anything, and being able to costs more than a short statement does: here are
parameters of text, one statement at a time, and nothing else.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from fcs.database.carrier import Carrier, Rows, is_alone
from fcs.database.connect import Connection
from fcs.database.sql import numbered

_FINE: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


@dataclass(slots=True)
class _Statement:
    """A statement as Postgres reads it, and how often it was sent over this connection."""

    name: bytes
    text: bytes
    runs: int = 0


class Direct(Carrier):
    """Nobody else may use the connection while a statement is on its way."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._known: dict[str, _Statement] = {}

    @property
    def is_alone(self) -> bool:
        return is_alone(self.db)

    async def run(self, statement: str, params: Mapping[str, str]) -> Rows:
        known = self._known.get(statement)
        if known is None:
            name = f"fcs_{len(self._known)}".encode()
            known = self._known[statement] = _Statement(name, numbered(statement, params).encode())
        known.runs += 1

        pgconn, values = self.db.pgconn, [value.encode() for value in params.values()]
        # Nothing is prepared where a pooler may lead the next statement to another server process.
        after = self.db.prepare_threshold
        if after is None or known.runs <= after:
            return await self._ask(lambda: pgconn.send_query_params(known.text, values))
        if known.runs == after + 1:
            await self._ask(lambda: pgconn.send_prepare(known.name, known.text))
        return await self._ask(lambda: pgconn.send_query_prepared(known.name, values))

    def together(self) -> AbstractAsyncContextManager[object]:
        return self.db.transaction()

    async def _ask(self, send: Callable[[], None]) -> Rows:
        """Send something, and wait until Postgres is ready for more: the commit is over by then."""
        pgconn = self.db.pgconn
        try:
            send()
            results = await _answers(pgconn)
        except BaseException:
            # Nobody knows how far it got, and its answer must not be taken for that of the next.
            pgconn.finish()
            raise
        for result in results:
            if result.status not in _FINE:
                raise errors.error_from_result(result)
        reader = Transformer(self.db)
        reader.set_pgresult(results[0])
        return reader.load_rows(0, results[0].ntuples, tuple)


async def _answers(pgconn: PGconn) -> list[PGresult]:
    while pgconn.flush():
        await _movable(pgconn.socket, is_sending=True)
        pgconn.consume_input()
    answers: list[PGresult] = []
    while True:
        while not pgconn.is_busy():
            answer = pgconn.get_result()
            if answer is None:
                return answers
            answers.append(answer)
        await _movable(pgconn.socket, is_sending=False)
        pgconn.consume_input()


async def _movable(socket: int, *, is_sending: bool) -> None:
    """Wait until there is something to read, or room to send more."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(socket, wake)
    if is_sending:
        loop.add_writer(socket, wake)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if is_sending:
            loop.remove_writer(socket)

"""Two acts on two connections, in a chosen order, after the manner of Postgres' isolation tester.

The first act is carried out in a transaction that stays open; the second is sent and seen to
wait, or to answer; then the first commits or rolls back.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from tests.database.scene import NOON, freeze

from fcs.database.connect import Connection, connect

Act = Callable[[Connection], Awaitable[Any]]


@dataclass
class Outcome:
    first: Any
    second: Any
    waited: bool


class Stage:
    """Two actors, and an observer who sees which of them waits for whom."""

    def __init__(self, one: Connection, two: Connection, observer: Connection) -> None:
        self.one, self.two, self.observer = one, two, observer

    async def play(self, first: Act, second: Act, *, commit: bool = True) -> Outcome:
        await self.one.execute("begin")
        answer = await first(self.one)
        under_way = asyncio.create_task(self.alone(second, on=self.two))
        waited = await self.waits(under_way, self.two, holders=[self.one])
        await self.one.execute("commit" if commit else "rollback")
        return Outcome(answer, await under_way, waited)

    async def alone(self, act: Act, *, on: Connection | None = None) -> Any:
        """Carry an act out in a transaction of its own."""
        db = on or self.one
        async with db.transaction():
            return await act(db)

    async def waits(
        self,
        under_way: "asyncio.Task[Any]",
        actor: Connection,
        *,
        holders: Sequence[AsyncConnection[Any]],
    ) -> bool:
        """Whether the statement that is under way is held up by the transaction of a holder."""
        query = "select pg_blocking_pids(%s) && %s::int[]"
        pids = [holder.info.backend_pid for holder in holders]
        while not under_way.done():
            cursor = await self.observer.execute(query, [actor.info.backend_pid, pids])
            if await cursor.fetchone() == (True,):
                return True
        return False


@asynccontextmanager
async def staged(url: str) -> AsyncIterator[Stage]:
    async with (
        await connect(url, part="one", keys_only=True) as one,
        await connect(url, part="two", keys_only=True) as two,
        await connect(url, part="observer") as observer,
    ):
        for db in (one, two, observer):
            await freeze(db, NOON)
        yield Stage(one, two, observer)

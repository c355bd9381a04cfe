"""Procrastinate: psycopg in C, uvloop, thirty jobs at once over a pool of ten.

Its connections commit by themselves, which saves two round trips of each statement, and come
from a pool of ours, which saves the one that asks whether the connection still lives.
"""

import logging
from collections.abc import Awaitable, Callable

from procrastinate import App, PsycopgConnector
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from bench.peers.common import Side, answer, main

JOBS_AT_ONCE = 30
POOL = 10

DRAINED = """
    select count(*) filter (where type = 'succeeded'),
           extract(epoch from max(at) filter (where type = 'succeeded')
                            - min(at) filter (where type = 'started'))::float8
      from procrastinate_events
"""


class ProcrastinateSide(Side):
    """One app; its jobs keep their rows, as they do by default."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._ran = 0
        self._app = App(connector=PsycopgConnector())
        self._noop = self._app.task(name="noop")(self._count)
        self._answer = self._app.task(name="answer")(tell)

    async def install(self) -> None:
        await self._open()
        await self._app.schema_manager.apply_schema_async()

    async def producer(self, callers: int) -> Callable[[], Awaitable[object]]:
        create: Callable[[], Awaitable[object]] = self._noop.defer_async
        return create

    async def create_many(self, count: int) -> None:
        await self._noop.batch_defer_async(*({} for _ in range(count)))

    async def create_answer(self, port: int, sent_at: int) -> None:
        await self._answer.defer_async(port=port, sent_at=sent_at)

    async def drain(self) -> int:
        await self._app.run_worker_async(wait=False, concurrency=JOBS_AT_ONCE)
        return self._ran

    async def drained(self) -> tuple[int, float]:
        async with self._pool.connection() as db:
            ended, seconds = await (await db.execute(DRAINED)).fetchone()
        return ended, seconds

    async def work(self, ready: Callable[[], None]) -> None:
        await self._open()
        ready()
        await self._app.run_worker_async(concurrency=JOBS_AT_ONCE)

    async def _open(self) -> None:
        self._pool = AsyncConnectionPool(
            self.url, min_size=POOL, max_size=POOL, configure=_commit_by_itself, open=False
        )
        await self._pool.open(wait=True)
        await self._app.open_async(self._pool)

    async def _count(self) -> None:
        self._ran += 1


async def tell(port: int, sent_at: int) -> None:
    """The body of the latency: the time is taken in its first line."""
    answer(port, sent_at)


async def _commit_by_itself(db: AsyncConnection) -> None:
    await db.set_autocommit(True)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main(ProcrastinateSide)

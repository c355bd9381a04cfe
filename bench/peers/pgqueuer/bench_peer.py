"""PgQueuer: asyncpg, uvloop, batches of a thousand, its own autovacuum settings.

One worker over a pool: the guide recommends a connection of its own, the pool drains faster,
because claiming and recording then go side by side. Batches of 500 to 1,000 are its best.
"""

import json
from collections.abc import Awaitable, Callable

import asyncpg
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, Job, PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode

from bench.peers.common import Side, answer, main

BATCH = 1_000
POOL = 10

DRAINED = """
    select count(*) filter (where status = 'successful'),
           extract(epoch from max(created) filter (where status = 'successful')
                            - min(created) filter (where status = 'picked'))::float8
      from pgqueuer_log
"""


class PgQueuerSide(Side):
    """Creates over one connection, or over a pool where many create at once."""

    async def install(self) -> None:
        self._db = await asyncpg.connect(self.url)
        self._queries = Queries(AsyncpgDriver(self._db))
        await self._queries.install()
        await self._queries.optimize_autovacuum()

    async def producer(self, callers: int) -> Callable[[], Awaitable[object]]:
        queries = self._queries if callers == 1 else Queries(await self._pool())
        return lambda: queries.enqueue("noop", None)

    async def create_many(self, count: int) -> None:
        await self._queries.enqueue(["noop"] * count, [None] * count, [0] * count)

    async def create_answer(self, port: int, sent_at: int) -> None:
        args = json.dumps({"port": port, "sent_at": sent_at})
        await self._queries.enqueue("answer", args.encode())

    async def drain(self) -> int:
        ran = 0

        async def noop(_: Job) -> None:
            nonlocal ran
            ran += 1

        worker = PgQueuer(await self._pool())
        worker.entrypoint("noop")(noop)
        await worker.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
        return ran

    async def drained(self) -> tuple[int, float]:
        ended, seconds = await self._db.fetchrow(DRAINED)
        return ended, seconds

    async def work(self, ready: Callable[[], None]) -> None:
        async def tell(job: Job) -> None:
            answer(**json.loads(job.payload))

        worker = PgQueuer(await self._pool())
        worker.entrypoint("answer")(tell)
        ready()
        await worker.run(batch_size=BATCH)

    async def _pool(self) -> AsyncpgPoolDriver:
        return AsyncpgPoolDriver(
            await asyncpg.create_pool(self.url, min_size=POOL, max_size=POOL, reset=_as_it_is)
        )


async def _as_it_is(_: asyncpg.Connection) -> None:
    """Give a connection back without the round trip that resets it."""


if __name__ == "__main__":
    main(PgQueuerSide)

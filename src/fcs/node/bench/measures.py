"""The measures: how fast tasks are drained and created, and how soon a lone one starts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from statistics import quantiles
from time import monotonic_ns, perf_counter
from typing import Any, ParamSpec
from uuid import UUID

from fcs.client.app import App
from fcs.client.handler import Handler
from fcs.client.ids import new_task_id
from fcs.client.packing import PART_MAX
from fcs.database import insights, tasks
from fcs.database.connect import connect
from fcs.domain.task import NewTask
from fcs.node.bench import cluster
from fcs.node.bench.app import answer, noop

PRELOAD_BATCH = 1_000
STUCK_AFTER = 60.0
TOGETHER = 32
WARM_UP = 20

EVERY = UUID(int=0)

P = ParamSpec("P")

Progress = Callable[[int], None]


async def drain_rate(
    url: str, count: int, *, workers: int, slots: int, progress: Progress
) -> float:
    """Tasks per second, from the first begin to the last end, by the database's clock."""
    await preload(url, count)
    async with cluster.workers(url, count=workers, slots=slots), cluster.supervisor(url):
        return count / await drained(url, count, progress=progress)


async def preload(url: str, count: int) -> None:
    """Write so many no-op tasks."""
    async with await connect(url, part="bench") as db:
        for start in range(0, count, PRELOAD_BATCH):
            size = min(PRELOAD_BATCH, count - start)
            await tasks.create(db, [NewTask(new_task_id(), "noop", b"{}") for _ in range(size)])


async def drained(url: str, count: int, *, failing: int = 0, progress: Progress) -> float:
    """Wait until so many tasks have ended; seconds from the first begin to the last end.

    `failing` of them fail. Workers' accounts are looked at meanwhile: reading the tasks would
    cost what is measured.
    """
    async with await connect(url, part="bench") as db:
        taken, moved_at = 0, perf_counter()
        while True:
            before, taken = taken, await insights.taken(db)
            progress(min(taken, count))
            if taken >= count:
                span = await insights.finished_span(db, since=EVERY)
                if span.tasks >= count - failing:
                    return span.seconds
            if taken > before:
                moved_at = perf_counter()
            elif perf_counter() - moved_at > STUCK_AFTER:
                raise cluster.BenchFailed(
                    f"{count - taken} of {count} tasks did not begin, or did not end",
                    hint="Run `fcs supervise -v` and `fcs work -v` by hand to see why.",
                )
            await asyncio.sleep(0.2)


async def enqueue_rate(url: str, count: int) -> float:
    """Tasks per second from one caller that waits for each."""
    async with _client(url, noop) as handler:
        await handler.enqueue()
        began = perf_counter()
        for _ in range(count):
            await handler.enqueue()
        return count / (perf_counter() - began)


async def enqueue_together_rate(url: str, count: int) -> float:
    """Tasks per second from `TOGETHER` callers in one process, each waiting for its own."""
    async with _client(url, noop) as handler:

        async def caller() -> None:
            for _ in range(count // TOGETHER):
                await handler.enqueue()

        await handler.enqueue()
        began = perf_counter()
        await asyncio.gather(*(caller() for _ in range(TOGETHER)))
        return count / (perf_counter() - began)


async def enqueue_many_rate(url: str, count: int) -> float:
    """Tasks per second by `enqueue_many` of them all."""
    async with _client(url, noop) as handler:
        # Enough of them to go the way that many go, over a connection of its own.
        await handler.enqueue_many([{}] * min(count, PART_MAX + 1))
        began = perf_counter()
        await handler.enqueue_many({} for _ in range(count))
        return count / (perf_counter() - began)


async def latency(url: str, count: int) -> tuple[float, float]:
    """Milliseconds from the call of `enqueue` to the body's first line, idle: p50 and p99."""
    async with cluster.workers(url, count=1, slots=8), cluster.supervisor(url):
        return await waits(url, count)


async def waits(
    url: str, count: int, *, warm_up: int = WARM_UP, pause: float = 0.01
) -> tuple[float, float]:
    """The same of a cluster that is there already, and knows the types of the bench.

    `pause` is for how many seconds nothing happens between two tasks.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
        inbox.bind(("127.0.0.1", 0))
        inbox.setblocking(False)
        port = inbox.getsockname()[1]
        waited: list[float] = []
        async with _client(url, answer) as handler:
            for _ in range(warm_up + count):
                await handler.enqueue(port=port, sent_at=monotonic_ns())
                waited.append(int(await loop.sock_recv(inbox, 64)) / 1e6)
                await asyncio.sleep(pause)
    cuts = quantiles(waited[warm_up:], n=100)
    return cuts[49], cuts[98]


@asynccontextmanager
async def _client(url: str, handler: Handler[P, Any, Any]) -> AsyncIterator[Handler[P, Any, Any]]:
    """The same type in an app of its own, so that each measure opens its own connections.

    They are opened by the first call, which measures make before they look at the clock.
    """
    app = App(database=url)
    try:
        yield app.task(handler.task_type.function)
    finally:
        await app.close()

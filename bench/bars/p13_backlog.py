"""P13: the drain does not slow down with what waits behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench import backlog, processes
from bench.bar import AtLeast, Bar, Sample
from bench.stage import Stage
from bench.tally import Tally, open_tally
from fcs.node.bench import cluster

SLOTS = 4_000
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "5M": 5_000_000}
TRY_AGAIN = 0.001


@dataclass
class Waiting:
    """A database in which so many tasks wait, and as many more as are drained from it."""

    url: str
    to_drain: int


@asynccontextmanager
async def waiting_tasks(stage: Stage) -> AsyncIterator[dict[str, Waiting]]:
    """One database for each size. Filled once: what each round drains is made up for after it."""
    to_drain = stage.size(60_000, small=500)
    async with AsyncExitStack() as rest:
        filled = {}
        for name, size in SIZES.items():
            url = await rest.enter_async_context(stage.database())
            await backlog.fill(url, stage.size(size, small=size // 1_000) + to_drain)
            filled[name] = Waiting(url, to_drain)
        yield filled


async def drain_before_a_backlog(stage: Stage) -> AsyncIterator[Sample]:
    """As many tasks from each, from the first body to the last; and how the supervisor starts."""
    for name, waiting in (await stage.keep(waiting_tasks)).items():
        with open_tally() as tally:
            start, rate, memory = await _drain(waiting, tally)
            await backlog.fill(waiting.url, tally.total())
        yield Sample(f"drain of {name} waiting", "/s", rate)
        yield Sample(f"{name} waiting, first dispatch", "s", start)
        yield Sample(f"{name} waiting, memory of the supervisor", "MB", memory)


async def _drain(waiting: Waiting, tally: Tally) -> tuple[float, float, float]:
    """Seconds to the first body, bodies a second from then on, megabytes of the supervisor."""
    clock = asyncio.get_running_loop().time
    async with cluster.workers(
        waiting.url, count=1, slots=SLOTS, app="bench.counted:app", also=tally.environment
    ):
        asked_at = clock()
        async with cluster.supervisor(waiting.url) as [supervisor]:
            while not tally.total():
                await asyncio.sleep(TRY_AGAIN)
            began_at = clock()
            while (done := tally.total()) < waiting.to_drain:
                await asyncio.sleep(TRY_AGAIN)
            rate = done / (clock() - began_at)
            memory = processes.resident(supervisor) / 1e6
    return began_at - asked_at, rate, memory


BAR = Bar(
    "P13",
    "drain rate with 10,000 to 5,000,000 waiting",
    [drain_before_a_backlog],
    [
        AtLeast("drain of 100k waiting", "drain of 10k waiting", 0.85),
        AtLeast("drain of 1M waiting", "drain of 10k waiting", 0.85),
        AtLeast("drain of 5M waiting", "drain of 10k waiting", 0.85),
    ],
)

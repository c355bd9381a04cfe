"""P7: the drain beside a transaction that keeps every dead row for a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bench import backlog
from bench.bar import AtLeast, Bar, Sample
from bench.stage import Stage
from bench.tally import Tally, open_tally
from fcs.database.connect import connect
from fcs.node.bench import cluster

SLOTS = 4_000
SECONDS = 60.0
WINDOW = 10.0
WARM_UP = 2.0


async def snapshot_held_10k(stage: Stage) -> AsyncIterator[Sample]:
    """The rates of the first and of the last ten seconds, ten thousand waiting throughout."""
    async for sample in _drain(stage, "10k", stage.size(10_000, small=500)):
        yield sample


async def snapshot_held_1m(stage: Stage) -> AsyncIterator[Sample]:
    """The same with a million waiting."""
    async for sample in _drain(stage, "1M", stage.size(1_000_000, small=1_000)):
        yield sample


async def _drain(stage: Stage, name: str, waiting: int) -> AsyncIterator[Sample]:
    scale = stage.size(60, small=2) / 60
    async with stage.database() as url:
        await backlog.fill(url, waiting)
        with open_tally() as tally:
            async with _busy(url, waiting, tally):
                await asyncio.sleep(WARM_UP)
                first, last = await _rates(tally, SECONDS * scale, WINDOW * scale)
    yield Sample(f"snapshot held, {name}, first 10 s", "/s", first)
    yield Sample(f"snapshot held, {name}, last 10 s", "/s", last)


@asynccontextmanager
async def _busy(url: str, waiting: int, tally: Tally) -> AsyncIterator[None]:
    """A cluster that drains what a creator tops up, and somebody who just has a look."""
    async with (
        cluster.workers(url, count=1, slots=SLOTS, app="bench.counted:app", also=tally.environment),
        await connect(url, part="bench") as onlooker,
        onlooker.transaction(),
    ):
        await onlooker.execute("set local idle_in_transaction_session_timeout = 0")
        await onlooker.execute("set transaction isolation level repeatable read")
        await onlooker.execute("select from fcs.tasks limit 1")
        creator = asyncio.create_task(
            backlog.keep_up(url, waiting, target=waiting, done=tally.total)
        )
        try:
            async with cluster.supervisor(url):
                while not tally.total():
                    await asyncio.sleep(0.01)
                yield
        finally:
            creator.cancel()
            with suppress(asyncio.CancelledError):
                await creator


async def _rates(tally: Tally, seconds: float, window: float) -> tuple[float, float]:
    """Bodies a second in the first window of a stretch of time, and in the last."""
    first = await _rate(tally, window)
    await asyncio.sleep(seconds - 2 * window)
    return first, await _rate(tally, window)


async def _rate(tally: Tally, seconds: float) -> float:
    clock = asyncio.get_running_loop().time
    began, before = clock(), tally.total()
    await asyncio.sleep(seconds)
    return (tally.total() - before) / (clock() - began)


BAR = Bar(
    "P7",
    "drain with an old snapshot held open for 60 s, backlog of 10,000 and of a million",
    [snapshot_held_10k, snapshot_held_1m],
    [
        AtLeast("snapshot held, 10k, last 10 s", "snapshot held, 10k, first 10 s", 0.9),
        AtLeast("snapshot held, 1M, last 10 s", "snapshot held, 1M, first 10 s", 0.9),
    ],
)

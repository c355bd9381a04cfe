"""P8: two hundred workers against ten, with as many slots in all."""

import asyncio
from collections.abc import AsyncIterator

from bench import backlog
from bench.bar import AtLeast, Bar, Reported, Sample, Within
from bench.bells import listening
from bench.fleet import fleet
from bench.stage import Stage
from bench.tally import Tally, open_tally
from fcs.node.bench import cluster

SLOTS = 20_000
CROWDS = (10, 200, 1_000)
LOOK_AGAIN = 0.002


async def drain_by_ten(stage: Stage) -> AsyncIterator[Sample]:
    """Ten workers with two thousand slots each."""
    async for sample in _drain(stage, 10):
        yield sample


async def drain_by_two_hundred(stage: Stage) -> AsyncIterator[Sample]:
    """Two hundred workers with a hundred slots each."""
    async for sample in _drain(stage, 200):
        yield sample


async def _drain(stage: Stage, workers: int) -> AsyncIterator[Sample]:
    count = stage.size(200_000, small=1_000)
    warm_up = count // 4
    clock = asyncio.get_running_loop().time
    async with stage.database() as url:
        await backlog.fill(url, warm_up + count)
        with open_tally() as tally:
            async with (
                fleet(
                    url,
                    tally,
                    workers=stage.size(workers, small=4),
                    slots=stage.size(SLOTS, small=40),
                ) as workers_,
                listening(url) as bells,
                cluster.supervisor(url) as supervisor,
            ):
                # A session of Postgres has to see each table and statement once: with hundreds of
                # them that is seconds, and says nothing about the hours that follow.
                await _until(tally, warm_up)
                async with stage.account(url, workers=workers_, supervisor=supervisor) as account:
                    began, rung, before = clock(), bells.commits, tally.total()
                    await _until(tally, warm_up + count)
                    seconds, rung = clock() - began, bells.commits - rung
                count = warm_up + count - before
    yield Sample(f"drain by {workers} workers", "/s", count / seconds)
    yield Sample(f"notifying commits of {workers} workers", "/s", rung / seconds)
    for role, cpu in account.cpu.items():
        yield Sample(f"{workers} workers, CPU of the {role}", "µs/task", cpu / count * 1e6)


async def _until(tally: Tally, count: int) -> None:
    while tally.total() < count:
        await asyncio.sleep(LOOK_AGAIN)


async def crowd(stage: Stage) -> AsyncIterator[Sample]:
    """Simulated workers, up to a thousand: how many tasks they end in so many seconds, warm."""
    seconds, warm_up = stage.size(10, small=1), stage.size(5 * SLOTS, small=100)
    for workers in CROWDS:
        async with stage.database() as url:
            await backlog.fill(url, stage.size(800_000, small=20_000))
            with open_tally() as tally:
                async with (
                    fleet(
                        url,
                        tally,
                        workers=stage.size(workers, small=4),
                        slots=SLOTS,
                        module="bench.simulated",
                    ) as processes,
                    cluster.supervisor(url) as supervisor,
                ):
                    await _until(tally, warm_up)
                    async with stage.account(
                        url, workers=processes, supervisor=supervisor
                    ) as account:
                        before = tally.total()
                        await asyncio.sleep(seconds)
                        ended = tally.total() - before
        yield Sample(f"{workers} simulated workers", "/s", ended / seconds)
        server = account.cpu["server"] / ended * 1e6
        yield Sample(f"{workers} simulated workers, CPU of the server", "µs/task", server)


BAR = Bar(
    "P8",
    "200 workers against 10, the same number of slots in all",
    [drain_by_ten, drain_by_two_hundred],
    [
        AtLeast("drain by 200 workers", "drain by 10 workers", 0.9),
        Within("notifying commits of 200 workers", 200),
        Reported("notifying commits of 10 workers"),
        Reported("200 workers, CPU of the server", "10 workers, CPU of the server"),
    ],
)

"""What a pooler of transactions costs: `python -m bench pooled`, with PgBouncer in between.

All goes over TCP on this machine, with the pooler and without, in the same rounds.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import report
from bench.bar import Bar, Reported, Sample
from bench.pgbouncer import free_port, pgbouncer, version
from bench.stage import SETTINGS, Stage
from fcs.database.scratch import scratch_database
from fcs.embedded import Postgres
from fcs.node.bench import cluster, measures

WAYS = ("directly", "pooled")
SLOTS = 4_000
LULL = 3.0
"""Seconds without a task, after which those who poll do so as rarely as they may."""

_numbers = itertools.count(1)


class Front(NamedTuple):
    """A server, and the way through a pooler to the database of a name."""

    server: Postgres
    way: Callable[[str], str]

    @asynccontextmanager
    async def database(self) -> AsyncIterator[dict[str, str]]:
        """A scratch database; yields the `WAYS` that lead there."""
        name = f"fcs_bench_pooled_{os.getpid()}_{next(_numbers)}"
        async with scratch_database(self.server.tcp_url(), name=name) as url:
            yield dict(zip(WAYS, (url, self.way(name)), strict=True))


@asynccontextmanager
async def front(_: Stage) -> AsyncIterator[Front]:
    """A server that listens on TCP, with PgBouncer before it."""
    with TemporaryDirectory(prefix=f"fcs-bench-{os.getpid()}-") as folder:
        place = ("127.0.0.1", free_port())
        server = Postgres(Path(folder), listen=place, settings=SETTINGS)
        await asyncio.to_thread(server.start)
        try:
            with pgbouncer(server, mode="transaction") as way:
                yield Front(server, way)
        finally:
            await asyncio.to_thread(server.stop)


async def drain(stage: Stage) -> AsyncIterator[Sample]:
    """By a supervisor and a worker; what is looked at meanwhile is looked at directly."""
    count = stage.size(30_000, small=500)
    for how in WAYS:
        async with (await stage.keep(front)).database() as ways:
            await measures.preload(ways["directly"], count)
            async with (
                cluster.workers(ways[how], count=1, slots=SLOTS),
                cluster.supervisor(ways[how]),
            ):
                seconds = await measures.drained(ways["directly"], count, progress=lambda _: None)
        yield Sample(f"drain, {how}", "/s", count / seconds)


async def enqueue(stage: Stage) -> AsyncIterator[Sample]:
    """By one caller, and by 32 together; each create is durable before it is answered."""
    few, many = stage.size(1_000, small=100), stage.size(20_000, small=320)
    for how in WAYS:
        async with (await stage.keep(front)).database() as ways:
            yield Sample(f"enqueue, {how}", "/s", await measures.enqueue_rate(ways[how], few))
            rate = await measures.enqueue_together_rate(ways[how], many)
            yield Sample(f"enqueue by 32, {how}", "/s", rate)


async def latency(stage: Stage) -> AsyncIterator[Sample]:
    """From the call of `enqueue` to the body's first line: task after task, and after lulls."""
    many, few = stage.size(100, small=10), stage.size(8, small=2)
    for how in WAYS:
        async with (
            (await stage.keep(front)).database() as ways,
            cluster.workers(ways[how], count=1, slots=8),
            cluster.supervisor(ways[how]),
        ):
            p50, p99 = await measures.waits(ways[how], many)
            yield Sample(f"create to body, p50, {how}", "ms", p50)
            yield Sample(f"create to body, p99, {how}", "ms", p99)
            p50, _ = await measures.waits(ways[how], few, warm_up=1, pause=LULL)
            yield Sample(f"create to body after {LULL:g} s, p50, {how}", "ms", p50)


BAR = Bar(
    "pooled",
    "what a pooler of transactions costs",
    [drain, enqueue, latency],
    [
        Reported(f"{what}, pooled", f"{what}, directly")
        for what in (
            "drain",
            "enqueue",
            "enqueue by 32",
            "create to body, p50",
            "create to body, p99",
            f"create to body after {LULL:g} s, p50",
        )
    ],
)


def block(found: report.Report) -> str:
    """The table, with where and how it was measured above it."""
    return "\n".join([_circumstances(found), "", *report.table(found.verdicts), ""])


def _circumstances(found: report.Report) -> str:
    machine = found.machine
    return (
        f"`{found.command}`, {machine.date}: {machine.cores} cores, {machine.memory_gib:g} GiB,"
        f" Python {machine.python}, Postgres {machine.postgres}, {version()} (`pool_mode ="
        f" transaction`, all else as it comes), all over TCP on one machine. Medians of"
        f" {found.rounds} rounds."
    )

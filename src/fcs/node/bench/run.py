"""One run of `fcs bench`: every measure some rounds, in turn, so that ratios share the weather."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple, Protocol

import msgspec

from fcs.database import insights
from fcs.database.connect import connect
from fcs.database.scratch import scratch_database
from fcs.embedded import Postgres
from fcs.node.bench import measures, mixed, raw
from fcs.node.bench.remarks import Measured, Surroundings, remarks
from fcs.node.bench.retention import retention_figures
from fcs.node.signals import ended_by_signals

TRIPS = 50


class Watch(Protocol):
    """Who is told how far the run is."""

    def steps(self, count: int) -> None:
        """There will be so many steps."""

    def step(self, what: str) -> None:
        """The next step begins."""

    def done(self, count: int, of: int) -> None:
        """So much of this step is done."""


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure: any of `MEASURES`, each in so many rounds."""

    only: Sequence[str] = ()
    tasks: int = 100_000
    slots: int = 4_000
    workers: int = 1
    rounds: int = 3


class Figure(NamedTuple):
    """A median over the rounds. `ratio` compares it with the figure named in `of`."""

    name: str
    value: float
    unit: str
    rounds: list[float]
    ratio: float | None = None
    of: str | None = None


class Result(NamedTuple):
    """The figures, and a sentence on each thing that stands out."""

    figures: list[Figure]
    remarks: list[str]


Found = AsyncIterator[tuple[str, str, float]]


class Step(NamedTuple):
    """One measure of a round, in a scratch database of its own."""

    name: str
    take: Callable[[str], Found]


MEASURES = ("raw", "drain", "mixed", "enqueue", "latency", "retention")

# What each figure is held against: names of figures of the same run.
_YARDSTICKS = {
    "drain": "raw lifecycle",
    "enqueue one by one": "raw insert and commit",
    "enqueue by 32 together": "enqueue one by one",
}


async def run(url: str | None, options: BenchOptions, watch: Watch) -> Result:
    """Measure on the server of `url`, in scratch databases, or on a Postgres of our own.

    Raises `InvalidSettings` when the role may not create databases, `BenchFailed` when a
    process of the measurement does not get on.
    """
    rounds: dict[tuple[str, str], list[float]] = {}
    round = [step for step in _steps(options, watch) if step[0] in (options.only or MEASURES)]
    # In containers every run may have the same pid, and one that was killed leaves its database.
    database = f"fcs_bench_{os.getpid()}_{secrets.token_hex(4)}"
    watch.steps(options.rounds * len(round))
    with ended_by_signals():
        async with _server(url) as server:
            for number in range(1, options.rounds + 1):
                for _, step in round:
                    watch.step(f"round {number} of {options.rounds}: {step.name}")
                    async with scratch_database(server, name=database) as scratch:
                        async for name, unit, value in step.take(scratch):
                            rounds.setdefault((name, unit), []).append(value)
            around = await _look_around(server, options)
    found = {name: Measured(median(values), values) for (name, _), values in rounds.items()}
    figures = [Figure(name, median(v), unit, v) for (name, unit), v in rounds.items()]
    return Result(_compare(figures), remarks(found, around))


@asynccontextmanager
async def _server(url: str | None) -> AsyncIterator[str]:
    if url is not None:
        yield url
        return
    with TemporaryDirectory(prefix="fcs-bench-") as folder:
        server = Postgres(Path(folder))
        await asyncio.to_thread(server.start)
        try:
            yield server.url()
        finally:
            await asyncio.to_thread(server.stop)


async def _look_around(url: str, options: BenchOptions) -> Surroundings:
    """What the server is set to, and how far away it is."""
    trips: list[float] = []
    async with await connect(url, part="bench") as db:
        settings, health = await insights.settings(db), await insights.health(db)
        for _ in range(TRIPS):
            began = perf_counter()
            await insights.backend_pid(db)
            trips.append((perf_counter() - began) * 1e3)
    return Surroundings(
        settings, median(trips), health.oldest_snapshot, os.cpu_count() or 1, options.slots
    )


def _steps(options: BenchOptions, watch: Watch) -> list[tuple[str, Step]]:
    """Every step of a round, by the measure that it belongs to."""
    count, few = options.tasks, max(100, options.tasks // 50)
    shape = {"workers": options.workers, "slots": options.slots}

    def progress(done: int) -> None:
        watch.done(done, count)

    async def raw_lifecycle(url: str) -> Found:
        yield "raw lifecycle", "/s", await raw.lifecycle_rate(url, count)

    async def raw_insert(url: str) -> Found:
        yield "raw insert and commit", "/s", await raw.insert_rate(url, few)

    async def drain(url: str) -> Found:
        yield "drain", "/s", await measures.drain_rate(url, count, **shape, progress=progress)

    async def mix(url: str) -> Found:
        yield "mixed", "/s", await mixed.mixed_rate(url, count, **shape, progress=progress)

    async def one_by_one(url: str) -> Found:
        yield "enqueue one by one", "/s", await measures.enqueue_rate(url, few)

    async def together(url: str) -> Found:
        yield "enqueue by 32 together", "/s", await measures.enqueue_together_rate(url, 4 * few)

    async def many(url: str) -> Found:
        yield "enqueue_many", "/s", await measures.enqueue_many_rate(url, count // 10)

    async def latency(url: str) -> Found:
        p50, p99 = await measures.latency(url, 200)
        yield "latency p50", "ms", p50
        yield "latency p99", "ms", p99

    return [
        ("raw", Step("raw lifecycle", raw_lifecycle)),
        ("raw", Step("raw insert and commit", raw_insert)),
        ("drain", Step("drain", drain)),
        ("mixed", Step("mixed", mix)),
        ("enqueue", Step("enqueue one by one", one_by_one)),
        ("enqueue", Step("enqueue by 32 together", together)),
        ("enqueue", Step("enqueue_many", many)),
        ("latency", Step("latency", latency)),
        ("retention", Step("retention", lambda url: retention_figures(url, count))),
    ]


def _compare(figures: list[Figure]) -> list[Figure]:
    by_name = {figure.name: figure for figure in figures}
    return [
        figure._replace(ratio=figure.value / yardstick.value, of=yardstick.name)
        if (yardstick := by_name.get(_YARDSTICKS.get(figure.name, ""))) is not None
        else figure
        for figure in figures
    ]

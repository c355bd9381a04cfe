"""One run of `fcs bench`: every measure some rounds, in turn, so that ratios share the weather."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from fcs.database.scratch import scratch_database
from fcs.embedded import Postgres
from fcs.node.bench import measures, raw
from fcs.node.bench.retention import retention_figures

Say = Callable[[str], None]


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure: any of `MEASURES`, each in so many rounds."""

    only: Sequence[str] = ()
    tasks: int = 100_000
    slots: int = 2_000
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


MEASURES = ("raw", "drain", "enqueue", "latency", "retention")

# What each figure is held against: names of figures of the same run.
_YARDSTICKS = {
    "drain": "raw lifecycle",
    "enqueue one by one": "raw insert and commit",
    "enqueue by 32 together": "enqueue one by one",
}


async def run(url: str | None, options: BenchOptions, say: Say) -> list[Figure]:
    """Measure on the server of `url`, in scratch databases, or on a Postgres of our own.

    Raises `InvalidSettings` when the role may not create databases, `BenchFailed` when a
    process of the measurement does not get on.
    """
    rounds: dict[tuple[str, str], list[float]] = {}
    async with _server(url) as server:
        for number in range(1, options.rounds + 1):
            async for name, unit, value in _round(server, options, number, say):
                rounds.setdefault((name, unit), []).append(value)
    return _compare([Figure(name, median(v), unit, v) for (name, unit), v in rounds.items()])


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


async def _round(
    server: str, options: BenchOptions, number: int, say: Say
) -> AsyncIterator[tuple[str, str, float]]:
    wanted = options.only or MEASURES
    few = max(100, options.tasks // 50)

    async def measure(name: str, act: Callable[[str], Awaitable[float]]) -> tuple[str, str, float]:
        say(f"round {number} of {options.rounds}: {name}")
        return name, "/s", await _in_scratch(server, act)

    if "raw" in wanted:
        yield await measure("raw lifecycle", lambda url: raw.lifecycle_rate(url, options.tasks))
        yield await measure("raw insert and commit", lambda url: raw.insert_rate(url, few))
    if "drain" in wanted:
        yield await measure("drain", lambda url: _drain(url, options, say))
    if "enqueue" in wanted:
        yield await measure("enqueue one by one", lambda url: measures.enqueue_rate(url, few))
        yield await measure(
            "enqueue by 32 together", lambda url: measures.enqueue_together_rate(url, 4 * few)
        )
        yield await measure(
            "enqueue_many", lambda url: measures.enqueue_many_rate(url, options.tasks // 10)
        )
    if "latency" in wanted:
        say(f"round {number} of {options.rounds}: latency")
        async with scratch_database(server, name=_scratch_name()) as url:
            p50, p99 = await measures.latency(url, 200)
        yield "latency p50", "ms", p50
        yield "latency p99", "ms", p99
    if "retention" in wanted:
        say(f"round {number} of {options.rounds}: retention")
        async with scratch_database(server, name=_scratch_name()) as url:
            async for figure in retention_figures(url, options.tasks):
                yield figure


async def _drain(url: str, options: BenchOptions, say: Say) -> float:
    return await measures.drain_rate(
        url,
        options.tasks,
        workers=options.workers,
        slots=options.slots,
        progress=lambda done: say(f"drained {done} of {options.tasks}"),
    )


async def _in_scratch(server: str, act: Callable[[str], Awaitable[float]]) -> float:
    async with scratch_database(server, name=_scratch_name()) as url:
        return await act(url)


def _scratch_name() -> str:
    return f"fcs_bench_{os.getpid()}"


def _compare(figures: list[Figure]) -> list[Figure]:
    by_name = {figure.name: figure for figure in figures}
    return [
        figure._replace(ratio=figure.value / yardstick.value, of=yardstick.name)
        if (yardstick := by_name.get(_YARDSTICKS.get(figure.name, ""))) is not None
        else figure
        for figure in figures
    ]

"""How cost grows with the tasks there are, the worker processes, what waits, and what is carried.

Each measure drains; a curve is drawn of the rates. What waits behind is measured by P13 already.
"""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench import report
from bench.bar import Bar, Figures, Measure, Sample
from bench.bars import p08_fleet, p13_backlog
from bench.machine import Machine
from bench.stage import Stage
from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.connect import connect
from fcs.domain.task import NewTask
from fcs.node.bench import cluster, measures

SLOTS = 4_000
TASKS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
WORKERS = (1, 2, 4, 8, 16)
CARRIED = (0, 256, 1_024, 4_096, 16_384, 60_000)
BATCH_BYTES = 4_000_000

RESULTS = report.RESULTS / "growth.json"


class Curve(NamedTuple):
    """A plot to be: which figures, at which places, and what the page calls it."""

    name: str
    axis: str
    at: Sequence[float]
    figures: Sequence[str]


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    machine: Machine
    rounds: int
    rates: dict[str, float]


def _by_tasks(count: int) -> str:
    return f"drain of {count:,} tasks"


def _by_workers(count: int) -> str:
    return f"drain by {count} worker processes"


def _by_carried(size: int) -> str:
    return f"drain of tasks with {size:,} bytes"


CURVES = (
    Curve("tasks", "tasks in the run", TASKS, [*map(_by_tasks, TASKS)]),
    Curve("workers", "worker processes, 4,000 slots in all", WORKERS, [*map(_by_workers, WORKERS)]),
    Curve(
        "backlog",
        "tasks waiting behind",
        [*p13_backlog.SIZES.values()],
        [f"drain of {name} waiting" for name in p13_backlog.SIZES],
    ),
    Curve(
        "crowd",
        "simulated workers, 20,000 slots in all",
        p08_fleet.CROWDS,
        [f"{count} simulated workers" for count in p08_fleet.CROWDS],
    ),
    Curve("payload", "bytes of arguments", CARRIED, [*map(_by_carried, CARRIED)]),
)


async def by_tasks(stage: Stage) -> AsyncIterator[Sample]:
    """Runs of different length."""
    for count in TASKS:
        rate = await _rate(stage, stage.size(count, small=count // 1_000 + 1), workers=1)
        yield Sample(_by_tasks(count), "/s", rate)


async def by_workers(stage: Stage) -> AsyncIterator[Sample]:
    """The same slots in more and more processes."""
    for count in WORKERS[: stage.size(len(WORKERS), small=2)]:
        rate = await _rate(stage, stage.size(30_000, small=100), workers=count)
        yield Sample(_by_workers(count), "/s", rate)


async def by_carried(stage: Stage) -> AsyncIterator[Sample]:
    """Tasks that carry more and more, of what cannot be compressed."""
    for size in CARRIED:
        rate = await _rate(stage, stage.size(10_000, small=50), workers=1, carried=size)
        yield Sample(_by_carried(size), "/s", rate)


MEASURES: Sequence[Measure] = (
    by_tasks,
    by_workers,
    by_carried,
    p13_backlog.drain_before_a_backlog,
    p08_fleet.crowd,
)
BAR = Bar("growth", "how cost grows", MEASURES, [])


async def _rate(stage: Stage, count: int, *, workers: int, carried: int | None = None) -> float:
    async with stage.database() as url:
        if carried is None:
            await measures.preload(url, count)
        else:
            await _preload(url, count, carried)
        app = "fcs.node.bench.app:app" if carried is None else "bench.carrying:app"
        async with (
            cluster.workers(url, count=workers, slots=SLOTS // workers, app=app),
            cluster.supervisor(url),
        ):
            return count / await measures.drained(url, count, progress=lambda _: None)


async def _preload(url: str, count: int, size: int) -> None:
    step = max(1, min(1_000, BATCH_BYTES // max(1, size)))
    async with await connect(url, part="bench") as db:
        for start in range(0, count, step):
            new = [
                NewTask(new_task_id(), "carry", _arguments(size))
                for _ in range(min(step, count - start))
            ]
            await tasks.create(db, new)


def _arguments(size: int) -> bytes:
    return b'{"text": "%s"}' % os.urandom(size // 2).hex().encode()


def write(growth: Growth) -> None:
    """Keep the figures, so that they can be drawn again."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(growth), indent=1) + b"\n")


def read() -> Growth:
    """The last run."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Growth)


def of(figures: Figures, machine: Machine, rounds: int) -> Growth:
    """What a run found."""
    rates = {name: figure.value for name, figure in figures.items() if figure.unit == "/s"}
    return Growth(machine=machine, rounds=rounds, rates=rates)


def block(growth: Growth) -> str:
    """What the page shows: a plot of each curve, and its figures in words."""
    said = []
    for curve in CURVES:
        points = points_of(curve, growth)
        shown = " · ".join(f"{at:,.0f}: {rate:,.0f}/s" for at, rate in points)
        said += [
            f"![Drain by {curve.axis}]({picture(curve).name})",
            "",
            f"{curve.axis}: {shown}",
            "",
        ]
    machine = growth.machine
    said.append(
        f"`python -m bench growth`, {machine.date}, {machine.cores} cores, Postgres "
        f"{machine.postgres}; medians of {growth.rounds} rounds."
    )
    return "\n".join(said) + "\n"


def points_of(curve: Curve, growth: Growth) -> list[tuple[float, float]]:
    """Where the curve goes through: what was not measured is left out."""
    places = zip(curve.at, curve.figures, strict=True)
    return [(at, growth.rates[name]) for at, name in places if name in growth.rates]


def picture(curve: Curve, folder: Path = Path()) -> Path:
    """Where the plot of a curve goes."""
    return folder / f"growth-{curve.name}.svg"

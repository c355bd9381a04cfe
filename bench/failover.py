"""Failovers one after the other: `python -m bench failover`.

Two servers, workers and whoever leads them, and clients that create tasks all the time. The primary
is killed and its standby promoted: one that commits had waited for, or one that was cut off a
second before, so that the last commits are lost.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from bench.failover_app import LEDGER, note
from bench.machine import Machine
from bench.pair import Pair
from fcs.client.ids import new_task_id
from fcs.database import identity, tasks
from fcs.database.connect import Connection, connect
from fcs.database.line import Line
from fcs.database.migrate import migrate
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask
from fcs.domain.topology import Mode
from fcs.node.bench import cluster
from fcs.node.clock import boot_seconds

WORKERS, SLOTS, CREATORS = 2, 8, 2
PAUSE, MS_MAX = 0.04, 200
WARM, TAIL = 50, 20
TAIL_AFTER, TAIL_SECONDS = 1.0, 2.0
HELD_SECONDS = 2.0
PATIENCE = 60.0
COLUMNS = (
    *("Led by", "Standby", "Runs", "Acknowledged", "Lost", "Body started twice", "On hold"),
    *("Started meanwhile", "Goes on after, p50", "max"),
)
LED_BY = {
    Mode.DEDICATED: "a supervisor",
    Mode.ELECTED: "a worker",
    Mode.HASH: "nobody (hash mode)",
}

STANDBYS = {True: "that commits wait for", False: "that was cut off"}


@dataclass(frozen=True)
class Trial:
    """What one failover did. `seconds` count from the death of the primary to the next start of a
    body, or from the adoption, if it took one."""

    acknowledged: int
    lost: int
    double: int
    is_held: bool
    started_meanwhile: int
    seconds: float


class Ledger:
    """Which bodies started, and when, whatever the database says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def starts(self) -> list[tuple[UUID, float]]:
        lines = (line.split() for line in self.path.read_text().splitlines())
        return [(UUID(id), float(at)) for id, at in lines]

    async def until_count(self, count: int) -> None:
        await _until(lambda: len(self.starts()) >= count)

    async def next_start(self, after: float) -> float:
        """When a body started that started later than that."""
        await _until(lambda: any(at > after for _, at in self.starts()))
        return min(at for _, at in self.starts() if at > after)


def block(*, rounds: int, say: Callable[[str], None], small: bool = False) -> str:
    """Markdown: a line for each way to lead and kind of standby."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for mode in [Mode.DEDICATED] if small else Mode:
        for synchronous in (True, False):
            trials = []
            for number in range(1, rounds + 1):
                say(f"round {number} of {rounds}: {LED_BY[mode]}, {STANDBYS[synchronous]}")
                trials.append(asyncio.run(fail_over(mode, synchronous=synchronous)))
            lines.append(row(mode, trials, synchronous=synchronous))
    return "\n".join([*lines, ""])


def row(mode: Mode, trials: Sequence[Trial], *, synchronous: bool) -> str:
    """The line of some trials of one kind."""
    seconds = [trial.seconds for trial in trials]
    since = "" if synchronous else ", adopted"
    cells = [
        LED_BY[mode],
        STANDBYS[synchronous],
        str(len(trials)),
        f"{sum(trial.acknowledged for trial in trials):,}",
        f"{sum(trial.lost for trial in trials):,}",
        f"{sum(trial.double for trial in trials):,}",
        f"{sum(trial.is_held for trial in trials)} of {len(trials)}",
        f"{sum(trial.started_meanwhile for trial in trials):,}",
        f"{median(seconds):.1f} s{since}",
        f"{max(seconds):.1f} s",
    ]
    return f"| {' | '.join(cells)} |"


def taken(command: str, machine: Machine) -> str:
    """By what and where."""
    return (
        f"`{command}`, {machine.date}: {machine.cores} cores, {machine.memory_gib:g} GiB, Python"
        f" {machine.python}, Postgres {machine.postgres}; both servers and all processes there."
    )


async def fail_over(mode: Mode, *, synchronous: bool) -> Trial:
    """One failover, from making the servers to the end of all tasks."""
    with (
        TemporaryDirectory(prefix=f"fcs-bench-{os.getpid()}-") as folder,
        Pair(Path(folder), synchronous=synchronous) as pair,
    ):
        await migrate(pair.primary.url())
        ledger = Ledger(Path(folder) / "ledger")
        async with _crew(pair.url(), mode, ledger), _creators(pair.url()) as acknowledged:
            await ledger.until_count(WARM)
            if synchronous:
                await _until_claimed(pair.primary.url())
            else:
                await _lose_tail(pair, ledger)
            killed_at = boot_seconds()
            pair.lose_primary()
            pair.promote()
            promoted_at = boot_seconds()
            if synchronous:
                seconds = await ledger.next_start(promoted_at) - killed_at
                held, meanwhile = await _is_on_hold(pair.url()), 0
            else:
                held, meanwhile = await _hold(pair.url(), ledger)
                adopted_at = boot_seconds()
                await _adopt(pair.url())
                seconds = await ledger.next_start(adopted_at) - adopted_at
            await asyncio.sleep(1)
        return await _judge(pair.url(), ledger, acknowledged, held, meanwhile, seconds)


@asynccontextmanager
async def _crew(url: str, mode: Mode, ledger: Ledger) -> AsyncIterator[None]:
    async with await connect(url, part="bench") as db:
        await db.execute("update fcs.cluster set mode = %s::fcs.mode", [mode])
    also = {"FCS_LOG_LEVEL": "error", LEDGER: str(ledger.path)}
    if mode is Mode.ELECTED:
        also["FCS_ELECT"] = "1"
    async with AsyncExitStack() as stack:
        if mode is Mode.DEDICATED:
            await stack.enter_async_context(cluster.supervisor(url))
        workers = cluster.workers(
            url, count=WORKERS, slots=SLOTS, app="bench.failover_app:app", also=also
        )
        await stack.enter_async_context(workers)
        yield
        await _until_settled(url)


@asynccontextmanager
async def _creators(url: str) -> AsyncIterator[list[TaskId]]:
    """Clients that send each create again until it is acknowledged; yields what has been."""
    acknowledged: list[TaskId] = []
    stop = asyncio.Event()
    creators = [
        asyncio.create_task(_create(url, Random(number), acknowledged, stop))
        for number in range(CREATORS)
    ]
    try:
        yield acknowledged
    finally:
        stop.set()
        await asyncio.gather(*creators)


async def _create(url: str, rng: Random, acknowledged: list[TaskId], stop: asyncio.Event) -> None:
    line = Line(url, part="bench", rng=rng)
    while not stop.is_set():
        new = _new(rng.randrange(MS_MAX))

        async def create(db: Connection, new: NewTask = new) -> None:
            await tasks.create(db, [new])

        await line.carry_out(create)
        acknowledged.append(new.id)
        await asyncio.sleep(PAUSE)
    await line.close()


def _new(ms: int, *, delay: float | None = None) -> NewTask:
    return NewTask(new_task_id(), "note", note.task_type.pack(ms=ms), delay=delay)


async def _lose_tail(pair: Pair, ledger: Ledger) -> None:
    """Cut the standby off while tasks wait that it knows, and let them run."""
    waiting = [_new(0, delay=TAIL_AFTER) for _ in range(TAIL)]
    async with await connect(pair.primary.url(), part="bench") as db:
        await tasks.create(db, waiting)
    pair.wait_until_equal()
    pair.cut_off()
    await asyncio.sleep(TAIL_SECONDS)
    ids = {new.id for new in waiting}
    await _until(lambda: ids <= {id for id, _ in ledger.starts()})


async def _hold(url: str, ledger: Ledger) -> tuple[bool, int]:
    """Wait until everybody holds; whether they do, and how many bodies start all the same."""
    async with await connect(url, part="bench") as db:

        async def is_told() -> bool:
            witnesses = await identity.witnesses(db, patience=0)
            return sum(one.has_testified for one in witnesses) == WORKERS

        await _until_so(is_told)
    before = len(ledger.starts())
    await asyncio.sleep(HELD_SECONDS)
    return await _is_on_hold(url), len(ledger.starts()) - before


async def _adopt(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fcs", "adopt", "-q"),
        env={**os.environ, "FCS_DATABASE": url},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def _judge(
    url: str,
    ledger: Ledger,
    acknowledged: Sequence[TaskId],
    is_held: bool,
    meanwhile: int,
    seconds: float,
) -> Trial:
    query = "select count(*) from fcs.tasks where id = any(%s)"
    there = await _ask(url, query, list(acknowledged))
    starts = Counter(id for id, _ in ledger.starts())
    return Trial(
        acknowledged=len(acknowledged),
        lost=len(acknowledged) - there,
        double=sum(count > 1 for count in starts.values()),
        is_held=is_held,
        started_meanwhile=meanwhile,
        seconds=seconds,
    )


async def _until_claimed(url: str) -> None:
    async def is_claimed() -> bool:
        return bool(await _ask(url, "select count(*) from fcs.identity where standbys <> ''"))

    await _until_so(is_claimed)


async def _until_settled(url: str) -> None:
    unfinished = (
        "select count(*) from fcs.tasks where due_at is not null or incarnation is not null"
    )

    async def is_settled() -> bool:
        return await _ask(url, unfinished) == 0

    await _until_so(is_settled)


async def _is_on_hold(url: str) -> bool:
    return bool(
        await _ask(url, "select count(*) from fcs.identity where on_hold_since is not null")
    )


async def _ask(url: str, query: str, *values: Any) -> int:
    async with await connect(url, part="bench") as db:
        row = await (await db.execute(query.encode(), values or None)).fetchone()
    assert row is not None
    return int(row[0])


async def _until(condition: Callable[[], bool]) -> None:
    async def so() -> bool:
        return condition()

    await _until_so(so)


async def _until_so(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)

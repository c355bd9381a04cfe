"""The stage `twin`: the fake database beside a real one, statement by statement.

The same calls, drawn from a seed, go through `fcs.database` to a Postgres whose clock is frozen,
and through the fake. After each step the answers are compared, and all rows.
"""

import argparse
import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final, NamedTuple

from msgspec.structs import astuple, replace

from fcs.database import identity
from fcs.database.connect import Connection, connect
from fcs.database.scratch import scratch_database
from fcs.domain.errors import OnHold
from fcs.domain.identity import Place
from fcs.domain.task import Status
from fcs.embedded import Postgres
from proof.sim.database.tables import (
    ConstraintViolated,
    IdentityRow,
    LeadershipRow,
    Tables,
    Transaction,
    World,
)
from proof.sim.drawing import Step
from proof.sim.main import seeds_of
from proof.sim.steps import Steps
from proof.summary import Summary

STEPS: Final = 60
NOON: Final = datetime(2100, 1, 1, 12, 0, tzinfo=UTC)
"""Long after any server was started: what counts is the clock that is frozen."""

_TASKS: Final = """
    select id, ty, queue, priority, limit_key, status::text, created_at, updated_at, scheduled_at,
           due_at, max_attempts, retry_interrupted, dispatch_no, attempt, worker_id, incarnation,
           run_id, started_at, error, cancel_requested_at, cancel_reason, cancel_level
      from fcs.tasks
"""
_WORKERS: Final = """
    select id, incarnation, started_at, beat_at, slots_total, queues, types, state::text, beat_no,
           report_no, slots_busy, tasks_sent, tasks_taken, testified_at, follows::text
      from fcs.workers
"""
_ATTEMPTS: Final = """
    select task_id, attempt, run_id, worker_id, outcome, started_at, ended_at, error
      from fcs.attempts
"""
_LATE: Final = "select run_id, task_id, status::text, error from fcs.late_reports"
_LEADERSHIP: Final = "select expires_at, term, node, part, backend from fcs.leadership"
_IDENTITY: Final = """
    select id, system, database, timeline, server_started_at, since, on_hold_since, on_hold_why
      from fcs.identity
"""


class Difference(Exception):
    """The fake says or does something else than the real database."""


class Run(NamedTuple):
    """What a seed came to: how often each statement was called, and a difference if any."""

    calls: Counter[str]
    difference: str


class Twins:
    """Both databases, side by side."""

    def __init__(
        self, db: Connection, tables: Tables, world: World, rng: Random, dropped: frozenset[str]
    ) -> None:
        self._db, self._tables, self._world = db, tables, world
        self._rng, self._dropped = rng, dropped
        self._now = NOON
        self._steps = Steps(rng)
        self.calls: Counter[str] = Counter()

    async def step(self) -> None:
        """One step of both, and what has become of them."""
        if self._rng.random() < 0.7:
            await self._let_time_pass()
        step = self._steps.draw(self._tables)
        self.calls[step.name] += 1
        said, said_too = await self._ask_real(step), self._ask_fake(step)
        if said != said_too:
            raise Difference(f"{step.name} answers\n  {said}\nand the fake\n  {said_too}")
        await self._compare(step)

    async def _let_time_pass(self) -> None:
        self._now += timedelta(milliseconds=self._rng.choice((1, 250, 2_000, 9_000)))
        await freeze(self._db, self._now)

    async def _ask_real(self, step: Step) -> Any:
        try:
            return _comparable(await step.real(self._db))
        except OnHold:
            return "on hold"

    def _ask_fake(self, step: Step) -> Any:
        transaction = Transaction(
            self._tables,
            self._now,
            self._world,
            self._rng,
            backend=min(self._world.backends),
            dropped=self._dropped,
        )
        try:
            return _comparable(step.fake(transaction))
        except OnHold:
            return "on hold"
        except ConstraintViolated as refusal:
            return str(refusal)
        finally:
            self._tables = transaction.tables

    async def _compare(self, step: Step) -> None:
        tables = self._tables
        await self._take_over_chance()
        await self._same(step, _TASKS, [astuple(row) for row in tables.tasks.values()])
        await self._same(step, _WORKERS, [astuple(row) for row in tables.workers.values()])
        attempts = [(*key, *row) for key, row in tables.attempts.items()]
        await self._same(step, _ATTEMPTS, attempts)
        late = [(run_id, *row) for run_id, row in tables.late_reports.items()]
        await self._same(step, _LATE, late)
        await self._same(step, _LEADERSHIP, [astuple(tables.leadership)])
        id, place, *rest = astuple(tables.identity)
        await self._same(step, _IDENTITY, [(id, *(place or (None, None, None)), *rest)])

    async def _same(self, step: Step, query: str, fakes: Sequence[tuple[Any, ...]]) -> None:
        reals = await (await self._db.execute(query.encode())).fetchall()
        real, fake = sorted(map(_plain, reals)), sorted(map(_plain, fakes))
        if real != fake:
            others = [row for row in real if row not in fake], [r for r in fake if r not in real]
            raise Difference(f"after {step.name}\n  {others[0]}\nand in the fake\n  {others[1]}")

    async def _take_over_chance(self) -> None:
        """What the database draws by itself: an id, and how long to wait after a reap."""
        tables = self._tables
        row = await (await self._db.execute("select id from fcs.identity")).fetchone()
        assert row is not None
        if row[0] != tables.identity.id:
            tables.identity = replace(tables.identity, id=row[0])
        found = await self._db.execute(
            "select id, due_at from fcs.tasks where status = 'pending' and updated_at = %s",
            [self._now],
        )
        for id, due_at in await found.fetchall():
            fake = tables.tasks.get(id)
            if fake and fake.status is Status.PENDING and fake.error and fake.due_at != due_at:
                longest = timedelta(seconds=min(300, 2 ** min(fake.attempt, 9)))
                if longest / 2 <= due_at - self._now <= longest:
                    tables.tasks[id] = replace(fake, due_at=due_at)


def _comparable(answer: Any) -> Any:
    """Without the order in which Postgres happens to give rows."""
    if isinstance(answer, list):
        return sorted(map(_comparable, answer), key=repr)
    if isinstance(answer, set | frozenset):
        return sorted(answer), getattr(answer, "rang", None)
    return answer


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(
        str(list(value)) if isinstance(value, list | tuple) else str(value) for value in row
    )


async def freeze(db: Connection, now: datetime) -> None:
    """Let the one clock of the cluster stand still, for this session."""
    await db.execute("select set_config('fcs.now', %s, false)", [now.isoformat()])


async def compare(
    db: Connection, seed: int, *, steps: int = STEPS, dropped: frozenset[str] = frozenset()
) -> Run:
    """Take so many steps from a seed; whatever they write is rolled back. The fake leaves out what
    is `dropped`."""
    rng = Random(seed)
    async with db.transaction(force_rollback=True):
        await freeze(db, NOON)
        await db.execute("update fcs.leadership set expires_at = fcs.now()")
        twins = await _twins(db, rng, dropped)
        for no in range(1, steps + 1):
            try:
                await twins.step()
            except Difference as found:
                return Run(twins.calls, f"step {no}: {found}")
    return Run(twins.calls, "")


async def _twins(db: Connection, rng: Random, dropped: frozenset[str]) -> Twins:
    seen = await identity.look(db)
    assert seen.found is not None
    tables = Tables(
        LeadershipRow(NOON),
        IdentityRow(
            seen.id, seen.known, seen.server_started_at, await _since(db), seen.on_hold_since
        ),
    )
    backend = db.info.backend_pid
    world = World(Place(*seen.found), seen.found_server_started_at, {backend})
    return Twins(db, tables, world, rng, dropped)


async def _since(db: Connection) -> datetime | None:
    row = await (await db.execute("select since from fcs.identity")).fetchone()
    assert row is not None
    since: datetime | None = row[0]
    return since


@asynccontextmanager
async def real_database() -> AsyncIterator[Connection]:
    """A Postgres for this run alone, with the schema of fcs."""
    with (
        TemporaryDirectory(prefix="fcs-proof-") as folder,
        Postgres(folder, settings={"fsync": "off"}) as server,
    ):
        async with (
            scratch_database(server.url(), name="fcs_twin") as url,
            await connect(url, part="proof", keys_only=True) as db,
        ):
            yield db


async def _run(seeds: Sequence[int]) -> Summary:
    began = perf_counter()
    calls: Counter[str] = Counter()
    differing = 0
    async with real_database() as db:
        for seed in seeds:
            run = await compare(db, seed)
            calls += run.calls
            if run.difference:
                differing += 1
                print(f"{run.difference}\n  python -m proof twin --seeds {seed}", flush=True)
    return Summary(
        stage="twin",
        chances=sum(calls.values()),
        of_what="steps",
        violations=differing,
        seconds=round(perf_counter() - began, 1),
        figures={"seeds": len(seeds), "statements": len(calls)},
    )


def main(arguments: Sequence[str]) -> int:
    """Carry the stage out; 1 if there was a difference."""
    parser = argparse.ArgumentParser(prog="python -m proof twin", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=range(1, 201), metavar="FROM..TO")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)
    summary = asyncio.run(_run(options.seeds))
    print(summary.line)
    summary.keep(options.json)
    return summary.exit_code

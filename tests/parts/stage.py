"""A stage for the parts: real workers and supervisors in this process, fakes that are rows only."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, LiteralString, TypeVar
from uuid import UUID, uuid4

from tests.pooler import WANTED, around

from fcs.client.ids import new_run_ids
from fcs.database import backlog, insights, runs, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.leadership import Candidate
from fcs.database.runs import Beginning, Ending
from fcs.database.workers import Registration
from fcs.domain import hints
from fcs.domain.facts import Assignment
from fcs.domain.ids import Incarnation, NodeId, RunId, TaskId, WorkerId
from fcs.domain.settings import Settings
from fcs.domain.task import Status, TaskView
from fcs.domain.topology import Part
from fcs.registry import Registry
from fcs.supervisor import elector
from fcs.supervisor.office import Seat
from fcs.worker import runtime as worker
from fcs.worker.children.environment import clean
from fcs.worker.children.spawn import Recipe
from fcs.worker.runtime import Stop, Worker

T = TypeVar("T")

_numbers = itertools.count(1)

PATIENCE = float(os.environ.get("FCS_TEST_PATIENCE") or (120 if os.environ.get(WANTED) else 30))
"""Seconds for which a test waits for something before it fails: what comes by polls comes late."""

CALM = Settings(beat_interval=0.1, lease=60, survey_interval=0.1, rescan_interval=0.2, window=100)
"""Nobody falls silent here, however slow the machine."""

DEAF = Settings(
    beat_interval=20, lease=60, leader_lease=300, survey_interval=20, rescan_interval=60
)
"""Nobody looks at the rows by himself: without hints nothing moves."""


def recipe_for(app: str, **changes: Any) -> Recipe:
    """How to make child processes that run the tasks of an application."""
    usual = Recipe(
        app=app,
        environment=clean(os.environ, []),
        runs_max=1_000,
        growth_max=256 * 1024 * 1024,
        kill_grace=0.2,
    )
    return usual._replace(**changes)


NO_CHILDREN = recipe_for("nowhere:app")
"""For apps without a type that wants them."""


async def until(condition: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until the answer is true; return it."""
    async with asyncio.timeout(PATIENCE):
        while not (answer := await condition()):
            await asyncio.sleep(0.01)
    return answer


async def until_so(condition: Callable[[], bool]) -> None:
    """As `until`, for what can be seen from here."""

    async def so() -> bool:
        return condition()

    await until(so)


@dataclass
class Hired:
    """A real worker, at work in this process."""

    id: WorkerId
    incarnation: Incarnation
    worker: Worker
    stop: Stop
    part: asyncio.Task[None]

    async def leave(self) -> None:
        """Drain, and raise whatever the worker leaves with."""
        self.stop.drain.set()
        await self.end()

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.part


def registration(
    registry: Registry | Sequence[str],
    *,
    id: WorkerId | None = None,
    slots: int = 4,
    queues: Sequence[str] = (),
) -> Registration:
    types = registry.names() if isinstance(registry, Registry) else list(registry)
    return Registration(
        id=id or WorkerId(uuid4()),
        incarnation=Incarnation(uuid4()),
        slots_total=slots,
        queues=list(queues),
        types=types,
        host="stage",
        pid=os.getpid(),
        version="0",
        listen=None,
    )


@asynccontextmanager
async def working(
    url: str,
    registry: Registry,
    *,
    settings: Settings = CALM,
    slots: int = 4,
    id: WorkerId | None = None,
    queues: Sequence[str] = (),
    drain_timeout: float = PATIENCE,
    at: Callable[[], float] = time.monotonic,
    recipe: Recipe = NO_CHILDREN,
    direct: str | None = None,
) -> AsyncIterator[Hired]:
    """A worker for as long as the block runs; then it leaves at once."""
    papers = registration(registry, id=id, slots=slots, queues=queues)
    hired = await worker.start(
        url,
        papers,
        registry,
        settings,
        rng=Random(1),
        at=at,
        new_run_ids=new_run_ids,
        recipe=recipe,
        direct=direct,
    )
    stop = Stop(drain=asyncio.Event(), now=asyncio.Event())
    part = asyncio.create_task(hired.run(stop, drain_timeout=drain_timeout))
    try:
        yield Hired(papers.id, papers.incarnation, hired, stop, part)
    finally:
        stop.now.set()
        if not part.done():
            await part


def candidate(part: Part = Part.SUPERVISOR) -> Candidate:
    return Candidate(NodeId(uuid4()), part, "stage", os.getpid())


@asynccontextmanager
async def supervising(
    url: str,
    settings: Settings = CALM,
    *,
    seed: int = 1,
    direct: str | None = None,
    part: Part = Part.SUPERVISOR,
) -> AsyncIterator[asyncio.Task[None]]:
    """A supervisor for as long as the block runs, or what else may lead."""
    me, rng = candidate(part), Random(seed)
    supervisor = asyncio.create_task(
        elector.run(url, settings, me, rng=rng, at=time.monotonic, direct=direct)
    )
    try:
        yield supervisor
    finally:
        supervisor.cancel()
        with suppress(asyncio.CancelledError):
            await supervisor


@asynccontextmanager
async def sharing(
    url: str, hired: Hired, settings: Settings = CALM, *, seed: int = 1
) -> AsyncIterator[asyncio.Task[None]]:
    """What a worker's process does beside it in hash mode, for as long as the block runs."""
    seat = Seat(
        hired.id,
        hired.incarnation,
        account=hired.worker.account,
        hint=hired.worker.hint,
        lease=settings.lease,
    )
    hired.worker.on_freed = seat.freed
    part = asyncio.create_task(
        elector.run(
            url,
            settings,
            candidate(Part.WORKER),
            rng=Random(seed),
            at=time.monotonic,
            seat=seat,
        )
    )
    try:
        yield part
    finally:
        part.cancel()
        with suppress(asyncio.CancelledError):
            await part


@dataclass
class Fake:
    """A worker that is a row, and does what the test says."""

    db: Connection
    papers: Registration
    taken: int = 0
    report_no: int = 0
    _runs: dict[TaskId, RunId] = field(default_factory=dict)

    @property
    def incarnation(self) -> Incarnation:
        return self.papers.incarnation

    async def beat(self) -> workers.Beaten | None:
        self.report_no += 1
        return await workers.beat(
            self.db,
            self.incarnation,
            report_no=self.report_no,
            slots_busy=len(self._runs),
            tasks_taken=self.taken,
        )

    async def held(self) -> list[TaskId]:
        """What was dispatched here and has not begun."""
        rows = await tasks.held(self.db, self.incarnation, limit=1_000)
        return [row.id for row in rows if row.status is Status.DISPATCHED]

    async def begin(self, task_id: TaskId) -> RunId:
        [found] = await tasks.fetch(self.db, self.incarnation, [task_id], limit=1)
        run_id = self._runs[task_id] = new_run_ids(1)[0]
        one = Beginning(task_id, found.dispatch_no, run_id, found.attempt)
        begun = await runs.begin(self.db, self.incarnation, [one])
        assert begun == {task_id}
        self.taken += 1
        return run_id

    async def finish(self, run_id: RunId) -> None:
        task_id = next(task for task, run in self._runs.items() if run == run_id)
        del self._runs[task_id]
        self.report_no += 1
        account = hints.report(self.incarnation, self.report_no, len(self._runs), self.taken)
        ending = Ending(task_id, run_id, Status.SUCCEEDED, None)
        assert await runs.finish(self.db, [ending], account) == {task_id}
        # As whoever hears no hints: the supervisor may hear none either.
        await self.beat()


@asynccontextmanager
async def beating(fake: Fake) -> AsyncIterator[None]:
    """A heart for a fake, for as long as the block runs."""

    async def beat() -> None:
        while True:
            await fake.beat()
            await asyncio.sleep(0.05)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart


async def hire_fake(db: Connection, types: Sequence[str], **changes: Any) -> Fake:
    papers = registration(types, **changes)
    assert await workers.register(db, papers, replaces=None)
    return Fake(db, papers)


async def come_round(db: Connection) -> None:
    """Wait until the supervisor has planned anew: a task of a new type has found its worker."""
    ty = f"round_{next(_numbers)}"
    fake = await hire_fake(db, [ty])
    await db.execute("insert into fcs.tasks (id, ty) values (gen_random_uuid(), %s)", [ty])
    await until(fake.held)


async def give(db: Connection, incarnation: Incarnation, ids: Sequence[UUID]) -> None:
    """Dispatch tasks to a worker, as a supervisor would that does not count its slots."""
    found = await backlog.find(db, [TaskId(id) for id in ids])
    accepted = await tasks.dispatch(db, [Assignment(task, incarnation) for task in found])
    assert accepted == set(ids)


async def view(db: Connection, id: UUID) -> TaskView:
    found = await insights.find_task(db, id)
    assert found is not None
    return found


async def reach(db: Connection, ids: Sequence[UUID], status: Status) -> list[TaskView]:
    """Wait until all these tasks are in a status."""

    async def all_there() -> list[TaskView] | None:
        views = [await view(db, id) for id in ids]
        return views if all(task.status is status for task in views) else None

    return await until(all_there)


async def count(db: Connection, query: LiteralString, *values: Any) -> int:
    """The number that a query answers."""
    row = await (await db.execute(query, values)).fetchone()
    assert row is not None
    return int(row[0])


ASLEEP = """
    select count(*)
      from pg_locks
     where locktype = 'advisory' and mode = 'ExclusiveLock' and granted
       and database = (select oid from pg_database where datname = current_database())
       and (classid::bigint << 32) + objid::bigint = 7162537461882901870
"""


async def asleep(db: Connection) -> None:
    """Wait until a supervisor sleeps: who has news rings from then on."""

    async def sleeps() -> bool:
        return await count(db, ASLEEP) == 1

    await until(sleeps)


async def end_sessions(db: Connection, name: str) -> int:
    """End the sessions of that name, and those that anybody may have; return how many there were.

    Only a pooler's sessions have no name.
    """
    return await count(
        db,
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and application_name in (%s, '')",
        name,
    )


async def beats(db: Connection, incarnation: Incarnation, *, more: int) -> None:
    """Wait until a worker has beaten so many times more."""
    query = "select beat_no from fcs.workers where incarnation = %s"
    first = await count(db, query, incarnation)

    async def enough() -> bool:
        return await count(db, query, incarnation) >= first + more

    await until(enough)


def is_there(pid: int) -> bool:
    """Whether there is such a process; a zombie is one."""
    return Path(f"/proc/{pid}").exists()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection of the test itself, to a session of its own."""
    async with await connect(around(url), part=f"test {next(_numbers)}") as db:
        yield db

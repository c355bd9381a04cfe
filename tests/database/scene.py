"""What the tests of the database floor set up, and how they look at what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from psycopg.rows import dict_row

from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.runs import Beginning, Ending
from fcs.database.tasks import Dispatched
from fcs.database.workers import Registration
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.ids import Incarnation, RunId, TaskId, WorkerId
from fcs.domain.task import NewTask, Status

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LANE = Lane("default", "baz", 0)
NOBODY = Incarnation(UUID(int=0xDEAD))


def task_id(n: int) -> TaskId:
    return TaskId(UUID(int=n))


def run_id(n: int) -> RunId:
    return RunId(UUID(int=0xAAAA_0000 + n))


def worker_id(n: int) -> WorkerId:
    return WorkerId(UUID(int=0xBBBB_0000 + n))


def incarnation(n: int) -> Incarnation:
    return Incarnation(UUID(int=0xCCCC_0000 + n))


def new(n: int, **changes: Any) -> NewTask:
    return replace(NewTask(task_id(n), "baz", b'{"x": 1}'), **changes)


def to(worker: int, *numbers: int) -> list[Assignment]:
    """Assignments of tasks to a worker."""
    return [Assignment(Waiting(LANE, NOON, task_id(n)), incarnation(worker)) for n in numbers]


def ending(n: int, status: Status = Status.SUCCEEDED, *, run: int | None = None) -> Ending:
    error = "ouch" if status is Status.FAILED else None
    return Ending(task_id(n), run_id(n if run is None else run), status, error)


def beginning(
    n: int, *, dispatch_no: int = 1, run: int | None = None, attempt: int = 1
) -> Beginning:
    return Beginning(task_id(n), dispatch_no, run_id(n if run is None else run), attempt)


def registration(n: int, **changes: Any) -> Registration:
    usual = Registration(
        id=worker_id(n),
        incarnation=incarnation(n),
        slots_total=4,
        queues=[],
        types=["baz"],
        host="here",
        pid=n,
        version="1",
        listen=None,
    )
    return replace(usual, **changes)


async def freeze(db: Connection, now: datetime) -> None:
    """Let the one clock of the cluster stand still, for this session."""
    await db.execute("select set_config('fcs.now', %s, false)", [now.isoformat()])


async def add_workers(db: Connection, *numbers: int) -> None:
    for n in numbers:
        assert await workers.register(db, registration(n), replaces=None)


async def add_tasks(db: Connection, *numbers: int, **changes: Any) -> None:
    created = await tasks.create(db, [new(n, **changes) for n in numbers])
    assert created == len(numbers)


async def add_dispatched(db: Connection, worker: int, *numbers: int) -> None:
    await add_tasks(db, *numbers)
    assert len(await tasks.dispatch(db, to(worker, *numbers))) == len(numbers)


async def add_running(db: Connection, worker: int, *numbers: int) -> None:
    """Running tasks, each under the run id of its own number."""
    await add_dispatched(db, worker, *numbers)
    begun = await runs.begin(db, incarnation(worker), [beginning(n) for n in numbers])
    assert len(begun) == len(numbers)


async def add_final(db: Connection, worker: int, n: int, status: Status) -> None:
    await add_running(db, worker, n)
    assert await runs.finish(db, [ending(n, status)], "report")


async def row(db: Connection, n: int) -> dict[str, Any]:
    """A task's row, all columns."""
    [found] = await rows(db, "select * from fcs.tasks where id = %s", task_id(n))
    return found


async def status(db: Connection, n: int) -> str | None:
    found = await rows(db, "select status::text from fcs.tasks where id = %s", task_id(n))
    return found[0]["status"] if found else None


async def worker_row(db: Connection, n: int) -> dict[str, Any]:
    [found] = await rows(db, "select * from fcs.workers where id = %s", worker_id(n))
    return found


async def rows(db: Connection, query: str, *params: object) -> list[dict[str, Any]]:
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), params or None)
        return await cursor.fetchall()


@dataclass
class Ears:
    """A listener: what was notified on some channels."""

    db: Connection

    async def heard(self) -> list[tuple[str, str]]:
        """What came in so far. A message to oneself marks the end, so nobody has to wait long."""
        await self.db.execute("select pg_notify('end of post', '')")
        mail = []
        async for message in self.db.notifies():
            if message.channel == "end of post":
                break
            mail.append((message.channel, message.payload))
        return mail

    async def payloads(self) -> list[str]:
        return [payload for _, payload in await self.heard()]


async def listen(db: Connection, channels: Sequence[str]) -> Ears:
    for channel in [*channels, "end of post"]:
        await db.execute(f'listen "{channel}"'.encode())
    return Ears(db)


def found(tasks: Sequence[Dispatched]) -> dict[int, int]:
    """Which tasks were fetched, and their dispatch numbers."""
    return {task.id.int: task.dispatch_no for task in tasks}

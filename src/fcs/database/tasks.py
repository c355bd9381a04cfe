"""Tasks in the database: one function for each statement of `queries/tasks.sql`.

Every function takes the connection first, so the caller owns the transaction, and returns
what the statement changed, so the caller sees a lost race.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import tuple_row

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.hints import name_tasks
from fcs.domain.ids import Incarnation, RunId, TaskId
from fcs.domain.task import NewTask, Status

_SQL = load("tasks")
_json = msgspec.json.Encoder()


class Dispatched(NamedTuple):
    """A task as its worker finds it. `args_text` is JSON as the row holds it."""

    id: TaskId
    ty: str
    args_text: str
    dispatch_no: int


class Beginning(NamedTuple):
    """What a worker shows to begin a task."""

    task_id: TaskId
    dispatch_no: int
    run_id: RunId


class Ending(NamedTuple):
    """How a run ended."""

    task_id: TaskId
    run_id: RunId
    status: Status
    error: str | None


class Held(NamedTuple):
    """A task that a process holds by its row."""

    id: TaskId
    status: Status
    run_id: RunId | None


class Overdue(NamedTuple):
    """A dispatch that was not begun. `age` is in seconds."""

    id: TaskId
    incarnation: Incarnation
    dispatch_no: int
    age: float


class Reaped(NamedTuple):
    """What became of the tasks of a lost process."""

    interrupted: list[TaskId]
    returned: list[Waiting]


class Deletion(Enum):
    DELETED = "deleted"
    RUNNING = "running"
    MISSING = "missing"


async def create(db: Connection, tasks: Sequence[NewTask]) -> int:
    """Add tasks; return how many are new. A task whose id is there already is left as it is."""
    # A cursor of our own: a caller's connection may make its cursors and rows in its own way.
    async with psycopg.AsyncCursor(db, row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["create"], _creation(tasks))
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


def create_sync(db: psycopg.Connection[Any], tasks: Sequence[NewTask]) -> int:
    """The twin of `create` for code without an event loop."""
    with psycopg.Cursor(db, row_factory=tuple_row) as cursor:
        row = cursor.execute(_SQL["create"], _creation(tasks)).fetchone()
    return int(row[0]) if row else 0


def _creation(tasks: Sequence[NewTask]) -> Mapping[str, str]:
    rows = [
        {
            "id": task.id,
            "ty": task.ty,
            "args": msgspec.Raw(task.args),
            "queue": task.queue,
            "priority": task.priority,
            "scheduled_at": task.scheduled_at,
        }
        for task in tasks
    ]
    return {"tasks": _json.encode(rows).decode()}


async def dispatch(db: Connection, assignments: Sequence[Assignment]) -> frozenset[TaskId]:
    """Hand tasks to workers; return those that were still pending and due, on live workers."""
    params = {
        "task_ids": UuidArray(assignment.task.id for assignment in assignments),
        "incarnations": UuidArray(assignment.incarnation for assignment in assignments),
    }
    cursor = await db.execute(_SQL["dispatch"], params, binary=True)
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return frozenset(assignment.task.id for assignment in assignments)
    return frozenset(row[0])


async def fetch(
    db: Connection, incarnation: Incarnation, ids: Sequence[TaskId], *, limit: int
) -> list[Dispatched]:
    """Read those of the named tasks that are dispatched to this process, `limit` at the most."""
    params = {"task_ids": UuidArray(ids), "incarnation": incarnation, "limit": limit}
    cursor = await db.execute(_SQL["fetch"], params, binary=True)
    return [Dispatched(*row) for row in await cursor.fetchall()]


async def begin(
    db: Connection, incarnation: Incarnation, beginnings: Sequence[Beginning]
) -> set[TaskId]:
    """Take tasks up; return those that now run under the run ids shown. May be sent twice."""
    params = {
        "incarnation": incarnation,
        "task_ids": UuidArray(beginning.task_id for beginning in beginnings),
        "dispatch_nos": [beginning.dispatch_no for beginning in beginnings],
        "run_ids": UuidArray(beginning.run_id for beginning in beginnings),
    }
    row = await (await db.execute(_SQL["begin"], params, binary=True)).fetchone()
    if row is None or row[0] is None:
        return {beginning.task_id for beginning in beginnings}
    return set(row[0])


async def finish(db: Connection, endings: Sequence[Ending], report: str) -> set[TaskId]:
    """Record how runs ended; return those that were still these runs' to finish.

    `report` is the worker's account of itself, sent along to the supervisor.
    """
    cursor = await db.execute(_SQL["finish"], _endings(endings) | {"report": report}, binary=True)
    row = await cursor.fetchone()
    if row is None or row[0] is None:
        return {ending.task_id for ending in endings}
    return set(row[0])


async def record_late(db: Connection, endings: Sequence[Ending]) -> set[TaskId]:
    """Keep reports of runs that were lost, as evidence; return the tasks concerned.

    A report that merely repeats what the row says is not late, and is not kept.
    """
    cursor = await db.execute(_SQL["record_late"], _endings(endings))
    return {row[0] for row in await cursor.fetchall()}


def _endings(endings: Sequence[Ending]) -> dict[str, Any]:
    return {
        "task_ids": UuidArray(ending.task_id for ending in endings),
        "run_ids": UuidArray(ending.run_id for ending in endings),
        "statuses": [str(ending.status) for ending in endings],
        "errors": [ending.error for ending in endings],
    }


async def release(db: Connection, runs: Sequence[tuple[TaskId, RunId]]) -> set[TaskId]:
    """Return runs whose body was never started to pending, the attempt given back."""
    params = {"task_ids": [task for task, _ in runs], "run_ids": [run for _, run in runs]}
    return _first(await (await db.execute(_SQL["release"], params)).fetchone())


async def hand_back(
    db: Connection, incarnation: Incarnation, dispatches: Sequence[tuple[TaskId, int]]
) -> set[TaskId]:
    """Return (task, dispatch number) pairs that will not begin here to pending."""
    params = {
        "incarnation": incarnation,
        "task_ids": [task for task, _ in dispatches],
        "dispatch_nos": [no for _, no in dispatches],
    }
    return _first(await (await db.execute(_SQL["hand_back"], params)).fetchone())


async def refuse(
    db: Connection, incarnation: Incarnation, task_id: TaskId, dispatch_no: int, error: str
) -> bool:
    """Fail a task that can never begin because its arguments cannot be read."""
    params = {
        "incarnation": incarnation,
        "task_id": task_id,
        "dispatch_no": dispatch_no,
        "error": error,
    }
    return (await db.execute(_SQL["refuse"], params)).rowcount == 1


async def overdue(
    db: Connection, incarnations: Sequence[Incarnation], *, seconds: float, limit: int
) -> list[Overdue]:
    """What was dispatched to these workers longer ago than `seconds` and has not begun."""
    params = {"incarnations": list(incarnations), "seconds": seconds, "limit": limit}
    cursor = await db.execute(_SQL["overdue"], params)
    return [Overdue(*row) for row in await cursor.fetchall()]


async def hint_again(db: Connection, incarnation: Incarnation, ids: Sequence[TaskId]) -> None:
    """Name tasks (at most 200) once more to the worker that holds them."""
    await db.execute(_SQL["hint_again"], {"incarnation": incarnation, "ids": name_tasks(ids)})


async def take_back(db: Connection, dispatches: Sequence[Overdue]) -> list[Waiting]:
    """Return dispatches that were not begun in time to pending; return those that were not."""
    params = {
        "task_ids": [dispatch.id for dispatch in dispatches],
        "incarnations": [dispatch.incarnation for dispatch in dispatches],
        "dispatch_nos": [dispatch.dispatch_no for dispatch in dispatches],
    }
    cursor = await db.execute(_SQL["take_back"], params)
    return [waiting(*row) for row in await cursor.fetchall()]


async def reap(db: Connection, incarnation: Incarnation, *, reason: str) -> Reaped:
    """Take everything from a lost process. The caller's transaction holds the worker's row."""
    cursor = await db.execute(_SQL["reap"], {"incarnation": incarnation, "reason": reason})
    interrupted: list[TaskId] = []
    returned: list[Waiting] = []
    for id, status, queue, ty, priority, due_at in await cursor.fetchall():
        if status == Status.PENDING:
            returned.append(waiting(id, queue, ty, priority, due_at))
        else:
            interrupted.append(id)
    return Reaped(interrupted, returned)


async def delete(db: Connection, task_id: TaskId) -> Deletion:
    """Remove a task, unless it is running or not there."""
    row = await (await db.execute(_SQL["delete"], {"task_id": task_id})).fetchone()
    if row is None:
        return Deletion.MISSING
    return Deletion.RUNNING if row[0] == Status.RUNNING else Deletion.DELETED


async def held(db: Connection, incarnation: Incarnation, *, limit: int) -> list[Held]:
    """What a process holds by its rows, the oldest first."""
    cursor = await db.execute(_SQL["held"], {"incarnation": incarnation, "limit": limit})
    return [Held(id, Status(status), run_id) for id, status, run_id in await cursor.fetchall()]


def waiting(id: TaskId, queue: str, ty: str, priority: int, due_at: datetime) -> Waiting:
    """A pending row as the domain knows it."""
    return Waiting(Lane(queue, ty, priority), due_at, id)


def _first(row: tuple[Any, ...] | None) -> set[TaskId]:
    return set(row[0]) if row else set()

"""Tasks in the database: one function for each statement of `queries/tasks.sql`.

Every function takes the connection first, so the caller owns the transaction, and returns
what the statement changed, so the caller sees a lost race.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import psycopg
from msgspec import structs

from fcs.database import parts
from fcs.database.arrays import UuidArray
from fcs.database.carrier import Carrier, SyncCarrier, carrier_of, sync_carrier_of
from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.errors import OnHold
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.hints import name_tasks
from fcs.domain.ids import Incarnation, RunId, TaskId
from fcs.domain.task import NewTask, Status
from fcs.domain.text import safe_text

_SQL = load("tasks")
_json = msgspec.json.Encoder()

_USUAL = [(field.name, field.default) for field in structs.fields(NewTask) if not field.required]


REASON_MAX = 500
"""Characters of the reason for a cancel that are kept."""


class Dispatched(msgspec.Struct, frozen=True):
    """A task as its worker finds it. `args_text` is JSON as the row holds it; `attempt` is the
    number that its next run will have, `timeout` is in seconds."""

    id: TaskId
    ty: str
    args_text: str
    dispatch_no: int
    attempt: int
    max_attempts: int
    timeout: float | None
    retry_interrupted: bool


class Held(NamedTuple):
    """A task that a process holds by its row."""

    id: TaskId
    status: Status
    run_id: RunId | None
    is_cancelled: bool
    """Whether somebody wants its end."""


class Overdue(NamedTuple):
    """A dispatch that was not begun. `age` is in seconds."""

    id: TaskId
    incarnation: Incarnation
    dispatch_no: int
    age: float


class Deletion(NamedTuple):
    """How a task was found that was to be deleted."""

    status: Status
    is_awaited: bool
    """Whether another task waits for its end."""

    @property
    def is_done(self) -> bool:
        return self.status is not Status.RUNNING and not self.is_awaited


class Reaped(NamedTuple):
    """What became of the tasks of a lost process. `retried` are among the `returned`."""

    interrupted: list[TaskId]
    returned: list[Waiting]
    retried: list[TaskId]


async def create(db: Connection | Carrier, tasks: Sequence[NewTask]) -> int:
    """Add tasks, all or none; return how many are new. One whose id is there stays as it is."""
    return await parts.write(carrier_of(db), _SQL["create"], _documents(tasks))


def create_sync(db: psycopg.Connection[Any] | SyncCarrier, tasks: Sequence[NewTask]) -> int:
    """The twin of `create` for code without an event loop."""
    return parts.write_sync(sync_carrier_of(db), _SQL["create"], _documents(tasks))


def _documents(tasks: Sequence[NewTask]) -> list[dict[str, str]]:
    return [
        {"tasks": _json.encode([as_row(task) for task in part]).decode()}
        for part in parts.cut(tasks)
    ]


def as_row(task: NewTask) -> dict[str, Any]:
    """A new task as the statement reads it; what is as usual is left out."""
    row = options_of(task)
    row["id"], row["args"] = task.id, msgspec.Raw(task.args)
    return row


def options_of(task: NewTask) -> dict[str, Any]:
    """A new task without what is its own alone."""
    row: dict[str, Any] = {"ty": task.ty}
    for name, usual in _USUAL:
        value = getattr(task, name)
        if value != usual:
            row[name] = value
    return row


async def dispatch(
    db: Connection,
    assignments: Sequence[Assignment],
    *,
    term: int | None = None,
    is_quiet: bool = False,
) -> frozenset[TaskId]:
    """Hand tasks to workers; return those that were still pending and due, on live workers.

    With `term`, none if somebody else leads by now. Quietly: the workers are not told. Raises
    `OnHold` where nothing is handed out.
    """
    params = {
        "term": term,
        "is_quiet": is_quiet,
        "task_ids": UuidArray(assignment.task.id for assignment in assignments),
        "incarnations": UuidArray(assignment.incarnation for assignment in assignments),
    }
    cursor = await db.execute(_SQL["dispatch"], params, binary=True)
    row = await cursor.fetchone()
    assert row is not None, "dispatch always answers"
    ids, _, is_open = row
    if not is_open:
        raise OnHold
    if ids is None:
        return frozenset(assignment.task.id for assignment in assignments)
    return frozenset(ids)


async def fetch(
    db: Connection, incarnation: Incarnation, ids: Sequence[TaskId], *, limit: int
) -> list[Dispatched]:
    """Read those of the named tasks that are dispatched to this process, `limit` at the most."""
    params = {"task_ids": UuidArray(ids), "incarnation": incarnation, "limit": limit}
    cursor = await db.execute(_SQL["fetch"], params, binary=True)
    return [Dispatched(*row) for row in await cursor.fetchall()]


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
    reaped = Reaped([], [], [])
    for id, status, was, *place in await cursor.fetchall():
        if status == Status.INTERRUPTED:
            reaped.interrupted.append(id)
            continue
        reaped.returned.append(waiting(id, *place))
        if was == Status.RUNNING:
            reaped.retried.append(id)
    return reaped


async def delete(db: Connection, ids: Sequence[TaskId]) -> dict[TaskId, Deletion]:
    """Remove tasks; those that run stay, and those that others wait for.

    Returns how each was found; a task that was not there is not among them.
    """
    cursor = await db.execute(_SQL["delete"], {"task_ids": list(ids)})
    found = await cursor.fetchall()
    return {id: Deletion(Status(status), is_awaited) for id, status, is_awaited in found}


async def cancel(db: Connection, ids: Sequence[TaskId], *, reason: str) -> dict[TaskId, Status]:
    """End tasks that have not begun, ask for the end of those that run, leave final ones alone.

    Returns the status in which each was found; a task that is not there is not among them.
    """
    cursor = await db.execute(_SQL["cancel"], _cancelling(ids, reason))
    return {id: Status(status) for id, status, _ in await cursor.fetchall()}


def cancel_sync(
    db: psycopg.Connection[Any], ids: Sequence[TaskId], *, reason: str
) -> dict[TaskId, Status]:
    """The twin of `cancel` for code without an event loop."""
    cursor = db.execute(_SQL["cancel"], _cancelling(ids, reason))
    return {id: Status(status) for id, status, _ in cursor.fetchall()}


def _cancelling(ids: Sequence[TaskId], reason: str) -> dict[str, Any]:
    said = safe_text(reason)[:REASON_MAX]
    error = "cancelled before it started" + (f": {said}" if said else "")
    return {"task_ids": list(ids), "reason": said, "error": error}


async def held(db: Connection, incarnation: Incarnation, *, limit: int) -> list[Held]:
    """What a process holds by its rows, the oldest first."""
    cursor = await db.execute(_SQL["held"], {"incarnation": incarnation, "limit": limit})
    return [Held(id, Status(status), *rest) for id, status, *rest in await cursor.fetchall()]


def waiting(
    id: TaskId, queue: str, ty: str, priority: int, limit_key: str, due_at: datetime
) -> Waiting:
    """A pending row as the domain knows it."""
    return Waiting(Lane(queue, ty, priority, limit_key), due_at, id)


def _first(row: tuple[Any, ...] | None) -> set[TaskId]:
    return set(row[0]) if row else set()

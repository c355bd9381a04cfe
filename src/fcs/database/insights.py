"""What people and programs look at: one function for each statement of `queries/insights.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import replace

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.facts import Lane
from fcs.domain.ids import Incarnation, TaskId, WorkerId
from fcs.domain.task import (
    Attempt,
    AttemptOutcome,
    CancelRequest,
    LateReport,
    Need,
    OnInterrupt,
    Status,
    StopLevel,
    TaskView,
)
from fcs.domain.topology import Mode

_SQL = load("insights")

_COLUMNS = TaskView.__struct_fields__[:-4]

COUNT_MAX = 10_000
"""Counts stop here: "10,000 or more" is all that anybody needs to know, and costs the same."""


ATTEMPTS_MAX = 100
"""Attempts shown: each may carry 32 KiB of traceback and logs."""


class WorkerView(msgspec.Struct, frozen=True):
    """A worker as people and programs look at it. `silent` is in seconds; the mode that it
    `follows` is known from its first beat on."""

    id: WorkerId
    incarnation: Incarnation
    state: str
    slots_total: int
    slots_busy: int
    queues: list[str]
    types: list[str]
    host: str
    pid: int
    version: str
    listen: str | None
    started_at: datetime
    beat_at: datetime
    silent: float
    follows: Mode | None


class LaneWaiting(NamedTuple):
    """What waits in a lane, counted up to `COUNT_MAX`."""

    lane: Lane
    due: int
    scheduled: int
    oldest_due_at: datetime | None


class Health(NamedTuple):
    """Where the database stands. Times are in seconds, the queue is a share of 1."""

    connections: int
    oldest_snapshot: float | None
    notification_queue: float
    in_recovery: bool
    now: datetime


class Span(NamedTuple):
    """So many tasks, from the first begin to the last end, in seconds."""

    tasks: int
    seconds: float


class Pin(NamedTuple):
    """A transaction that keeps dead rows from being removed; `age` is in seconds."""

    pid: int
    age: float
    application_name: str


async def find_task(db: Connection, id: UUID) -> TaskView | None:
    """A task by its id."""
    return _whole_view(await (await db.execute(_SQL["find_task"], {"id": id})).fetchone())


def find_task_sync(db: psycopg.Connection[Any], id: UUID) -> TaskView | None:
    """The twin of `find_task` for code without an event loop."""
    return _whole_view(db.execute(_SQL["find_task"], {"id": id}).fetchone())


def _whole_view(row: Sequence[Any] | None) -> TaskView | None:
    if row is None:
        return None
    *task, run_id, late_status, late_error, reported_at, key, after = row
    late = (
        LateReport(run_id, Status(late_status), late_error, reported_at)
        if run_id is not None
        else None
    )
    return replace(
        _view(task), late_report=late, key=key, after=msgspec.convert(after or [], list[Need])
    )


async def list_tasks(
    db: Connection,
    *,
    limit: int,
    before: UUID | None = None,
    status: Status | None = None,
    ty: str | None = None,
    queue: str | None = None,
) -> list[TaskView]:
    """A page of tasks, newest first, starting below the id `before`."""
    params = {"limit": limit, "before": before, "status": status, "ty": ty, "queue": queue}
    cursor = await db.execute(_SQL["list_tasks"], params)
    return [_view(row) for row in await cursor.fetchall()]


async def list_attempts(db: Connection, id: UUID, *, limit: int = ATTEMPTS_MAX) -> list[Attempt]:
    """The runs of a task in their order: the latest `limit` of them."""
    cursor = await db.execute(_SQL["list_attempts"], {"id": id, "limit": limit})
    return [_attempt(row) for row in reversed(await cursor.fetchall())]


def list_attempts_sync(
    db: psycopg.Connection[Any], id: UUID, *, limit: int = ATTEMPTS_MAX
) -> list[Attempt]:
    """The twin of `list_attempts` for code without an event loop."""
    cursor = db.execute(_SQL["list_attempts"], {"id": id, "limit": limit})
    return [_attempt(row) for row in reversed(cursor.fetchall())]


async def still_open(db: Connection, ids: Sequence[UUID]) -> set[TaskId]:
    """Which of these tasks are there and not final."""
    cursor = await db.execute(_SQL["still_open"], {"ids": list(ids)})
    return {row[0] for row in await cursor.fetchall()}


async def find_by_prefix(db: Connection, *, low: UUID, high: UUID) -> list[TaskId]:
    """At most two ids between two bounds: enough to know whether a short id is unique."""
    cursor = await db.execute(_SQL["find_by_prefix"], {"low": low, "high": high})
    return [row[0] for row in await cursor.fetchall()]


async def list_workers(db: Connection, *, limit: int = 1_000) -> list[WorkerView]:
    """The workers, those that ended lately included."""
    cursor = await db.execute(_SQL["list_workers"], {"limit": limit})
    return [
        WorkerView(*(*columns, Mode(follows) if follows else None))
        for *columns, follows in await cursor.fetchall()
    ]


async def waiting(db: Connection, lanes: Sequence[Lane]) -> list[LaneWaiting]:
    """How much waits in these lanes."""
    params = {
        "queues": [lane.queue for lane in lanes],
        "types": [lane.ty for lane in lanes],
        "priorities": [lane.priority for lane in lanes],
        "limit_keys": [lane.limit_key for lane in lanes],
        "limit": COUNT_MAX,
    }
    cursor = await db.execute(_SQL["waiting"], params)
    return [LaneWaiting(Lane(*row[:4]), *row[4:]) for row in await cursor.fetchall()]


async def in_hand(db: Connection) -> dict[Status, int]:
    """How many tasks workers hold, dispatched and running."""
    row = await (await db.execute(_SQL["in_hand"], {"limit": COUNT_MAX})).fetchone()
    assert row is not None
    return {Status.DISPATCHED: row[0], Status.RUNNING: row[1]}


async def recent(db: Connection, *, since: UUID) -> dict[Status, int]:
    """What became of the tasks whose ids are not below `since`."""
    cursor = await db.execute(_SQL["recent"], {"since": since, "limit": COUNT_MAX})
    return {Status(status): count for status, count in await cursor.fetchall()}


async def finished_span(db: Connection, *, since: UUID) -> Span:
    """How many tasks from an id on have succeeded, and over what time. For measurements."""
    row = await (await db.execute(_SQL["finished_span"], {"since": since})).fetchone()
    assert row is not None
    return Span(*row)


async def known_types(db: Connection) -> set[str]:
    """Which types the live workers know."""
    return {row[0] for row in await (await db.execute(_SQL["known_types"])).fetchall()}


async def settings(db: Connection) -> dict[str, str]:
    """The database settings that matter to the promise."""
    return dict(await (await db.execute(_SQL["settings"])).fetchall())


async def health(db: Connection) -> Health:
    """Where the database stands."""
    row = await (await db.execute(_SQL["health"])).fetchone()
    assert row is not None
    return Health(*row)


async def unlogged(db: Connection) -> list[str]:
    """Tables of ours that would not survive a crash."""
    return [row[0] for row in await (await db.execute(_SQL["unlogged"])).fetchall()]


async def taken(db: Connection) -> int:
    """How many tasks workers have begun or turned down so far; as fresh as their last beats."""
    row = await (await db.execute(_SQL["taken"])).fetchone()
    assert row is not None
    return int(row[0])


async def pin(db: Connection) -> Pin | None:
    """Who holds the oldest snapshot."""
    row = await (await db.execute(_SQL["pin"])).fetchone()
    return Pin(*row) if row else None


async def backend_pid(db: Connection) -> int:
    """Which server process answers."""
    row = await (await db.execute(_SQL["backend_pid"])).fetchone()
    assert row is not None
    return int(row[0])


async def ring(db: Connection, channel: str, word: str) -> None:
    """Send a notification, to see whether any arrive."""
    await db.execute(_SQL["ring"], {"channel": channel, "word": word})


def _attempt(row: Sequence[Any]) -> Attempt:
    attempt, run_id, worker_id, outcome, *rest, late_status, late_error, reported_at = row
    late = None
    if late_status is not None:
        late = LateReport(run_id, Status(late_status), late_error, reported_at)
    known = AttemptOutcome(outcome) if outcome else None
    return Attempt(*(attempt, run_id, worker_id, known, *rest, late))


def _view(row: Sequence[Any]) -> TaskView:
    *columns, requested_at, reason, level = row
    fields = dict(zip(_COLUMNS, columns, strict=True))
    fields["status"] = Status(fields["status"])
    fields["on_interrupt"] = OnInterrupt.RETRY if fields["on_interrupt"] else OnInterrupt.INTERRUPT
    cancel = None
    if requested_at is not None:
        cancel = CancelRequest(requested_at, reason or "", StopLevel(level) if level else None)
    return TaskView(**fields, cancel=cancel)

"""Tasks: as `fcs.database.tasks` and `queries/tasks.sql`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from fcs.database.tasks import REASON_MAX, Dispatched, Held, Overdue, Reaped
from fcs.domain.errors import OnHold
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.hints import name_tasks, worker_channel
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.task import AttemptOutcome, NewTask, OnInterrupt, Status, StopLevel
from proof.sim.database.tables import HELD, AttemptRow, TaskRow, Transaction


def create(db: Transaction, tasks: Sequence[NewTask]) -> int:
    """Add tasks; one whose id is there stays as it is."""
    if "create.durable" in db.dropped:
        db.lazily()
    created = [_row_of(task, db.now) for task in tasks if task.id not in db.tables.tasks]
    for row in created:
        db.put_task(row)
    if created and (
        db.world.is_anybody_asleep or any(row.due_at and row.due_at > db.now for row in created)
    ):
        db.tell_of([row.id for row in created])
    return len(created)


def _row_of(task: NewTask, now: datetime) -> TaskRow:
    delayed = None if task.delay is None else now + timedelta(seconds=task.delay)
    scheduled_at = task.scheduled_at or delayed
    return TaskRow(
        id=task.id,
        ty=task.ty,
        queue=task.queue,
        priority=task.priority,
        limit_key=task.limit_key,
        status=Status.PENDING,
        created_at=now,
        updated_at=now,
        scheduled_at=scheduled_at,
        due_at=max(filter(None, (task.scheduled_at, delayed, now))),
        max_attempts=task.max_attempts,
        retry_interrupted=task.on_interrupt is OnInterrupt.RETRY,
    )


def dispatch(
    db: Transaction,
    assignments: Sequence[Assignment],
    *,
    term: int | None = None,
    is_quiet: bool = False,
) -> frozenset[TaskId]:
    """Hand pending tasks to live workers, and name them to these."""
    db.lazily()
    is_open = db.is_open
    may = (is_open or "dispatch.hold" in db.dropped) and term in (None, db.tables.leadership.term)
    dispatched: list[TaskRow] = []
    for one in sorted(assignments, key=lambda one: one.task.id) if may else ():
        worker, row = db.worker(one.incarnation), db.tables.tasks.get(one.task.id)
        if worker is None or row is None:
            continue
        if worker.state != "live" and "dispatch.live" not in db.dropped:
            continue
        if row.status is not Status.PENDING and (
            "dispatch.status" not in db.dropped or row.status not in HELD
        ):
            continue
        if row.due_at and row.due_at > db.now and "dispatch.due" not in db.dropped:
            continue
        after = replace(
            row,
            status=Status.DISPATCHED,
            worker_id=worker.id,
            incarnation=worker.incarnation,
            dispatch_no=row.dispatch_no + 1,
            due_at=None,
            updated_at=db.now,
        )
        db.put_task(after)
        dispatched.append(after)
    db.count_sent(_count(dispatched), sign=1)
    if not is_quiet:
        _name(db, [one.task.id for one in assignments], dispatched)
    if not is_open and "dispatch.hold" not in db.dropped:
        raise OnHold
    return frozenset(row.id for row in dispatched)


def _name(db: Transaction, order: Sequence[TaskId], rows: Iterable[TaskRow]) -> None:
    """Name dispatched tasks to their workers."""
    by_worker: dict[Incarnation, list[TaskId]] = {}
    for row in sorted(rows, key=lambda row: order.index(row.id)):
        assert row.incarnation is not None
        by_worker.setdefault(row.incarnation, []).append(row.id)
    for incarnation, ids in by_worker.items():
        db.notify(worker_channel(incarnation), name_tasks(ids))


def fetch(
    db: Transaction, incarnation: Incarnation, ids: Sequence[TaskId], *, limit: int
) -> list[Dispatched]:
    """Those of the named tasks that are dispatched to this process, in the order of the names."""
    found: list[Dispatched] = []
    for id in ids:
        row = db.tables.tasks.get(id)
        if row and row.incarnation == incarnation and row.status is Status.DISPATCHED:
            found.append(
                Dispatched(
                    row.id,
                    row.ty,
                    "{}",
                    row.dispatch_no,
                    row.attempt + 1,
                    row.max_attempts,
                    None,
                    row.retry_interrupted,
                )
            )
    return found[:limit]


def hand_back(
    db: Transaction, incarnation: Incarnation, dispatches: Sequence[tuple[TaskId, int]]
) -> set[TaskId]:
    """Return tasks that will not begin here."""
    returned = [
        _put_back(db, row)
        for id, no in dispatches
        if (row := db.tables.tasks.get(id))
        and row.incarnation == incarnation
        and row.dispatch_no == no
        and (row.status is Status.DISPATCHED or "hand_back.status" in db.dropped)
    ]
    db.tell_of([row.id for row in returned])
    return {row.id for row in returned}


def refuse(
    db: Transaction, incarnation: Incarnation, task_id: TaskId, dispatch_no: int, error: str
) -> bool:
    """Fail a task whose arguments cannot be read."""
    row = db.tables.tasks.get(task_id)
    if (
        row is None
        or row.incarnation != incarnation
        or row.dispatch_no != dispatch_no
        or row.status is not Status.DISPATCHED
    ):
        return False
    after = replace(row, status=Status.FAILED, error=error, incarnation=None, updated_at=db.now)
    db.put_task(after)
    return True


def overdue(
    db: Transaction, incarnations: Sequence[Incarnation], *, seconds: float, limit: int
) -> list[Overdue]:
    """What was dispatched longer ago and has not begun, the oldest first."""
    before = db.now - timedelta(seconds=seconds)
    rows = [
        row
        for row in db.tables.tasks.values()
        if row.incarnation in incarnations
        and row.status is Status.DISPATCHED
        and row.updated_at < before
    ]
    rows.sort(key=lambda row: row.updated_at)
    return [
        Overdue(row.id, row.incarnation, row.dispatch_no, (db.now - row.updated_at).total_seconds())
        for row in rows[:limit]
        if row.incarnation is not None
    ]


def hint_again(db: Transaction, incarnation: Incarnation, ids: Sequence[TaskId]) -> None:
    """Name tasks once more."""
    db.notify(worker_channel(incarnation), name_tasks(ids))


def take_back(db: Transaction, dispatches: Sequence[Overdue]) -> list[Waiting]:
    """Return to pending what a worker has not begun in time."""
    found = [
        row
        for one in sorted(dispatches)
        if (row := db.tables.tasks.get(one.id))
        and row.incarnation == one.incarnation
        and row.dispatch_no == one.dispatch_no
        and (row.status is Status.DISPATCHED or "take_back.status" in db.dropped)
    ]
    returned = [_put_back(db, row) for row in found]
    db.count_sent(_count(found), sign=-1)
    return [waiting_of(row) for row in returned]


def reap(db: Transaction, incarnation: Incarnation, *, reason: str) -> Reaped:
    """Move everything that a lost process held. The same transaction ends the process."""
    reaped = Reaped([], [], [])
    for held in sorted(db.held_by(incarnation), key=lambda row: row.id):
        was_running = held.status is Status.RUNNING
        may_retry = (
            was_running
            and held.retry_interrupted
            and held.attempt < held.max_attempts
            and held.cancel_requested_at is None
        )
        if was_running and held.run_id:
            outcome = AttemptOutcome.INTERRUPTED
            kept = AttemptRow(held.run_id, held.worker_id, outcome, held.started_at, db.now, reason)
            db.keep_attempt(held, kept)
        if may_retry or not was_running:
            due_at = _after_reap(db, held) if may_retry else _due_anew(held)
            error = reason if was_running else held.error
            row = _returned(db, held, due_at, error, forgets_run=may_retry)
            reaped.returned.append(waiting_of(row))
            if was_running:
                reaped.retried.append(row.id)
        else:
            db.put_task(
                replace(
                    held,
                    status=Status.INTERRUPTED,
                    incarnation=None,
                    error=reason,
                    updated_at=db.now,
                )
            )
            reaped.interrupted.append(held.id)
    db.tell_of([task.id for task in reaped.returned])
    return reaped


def _after_reap(db: Transaction, held: TaskRow) -> datetime:
    pause = min(300, 2 ** min(held.attempt, 9)) * (1 + db.rng.random()) / 2
    return max(filter(None, (db.now + timedelta(seconds=pause), held.scheduled_at)))


def _due_anew(row: TaskRow) -> datetime:
    return max(row.created_at, row.scheduled_at or row.created_at)


def _put_back(db: Transaction, row: TaskRow) -> TaskRow:
    """Make a dispatch undone."""
    return _returned(db, row, _due_anew(row), row.error, forgets_run=False)


def _returned(
    db: Transaction, row: TaskRow, due_at: datetime, error: str | None, *, forgets_run: bool
) -> TaskRow:
    after = replace(
        row,
        status=Status.PENDING,
        worker_id=None,
        incarnation=None,
        run_id=None if forgets_run else row.run_id,
        started_at=None if forgets_run else row.started_at,
        due_at=due_at,
        error=error,
        updated_at=db.now,
    )
    db.put_task(after)
    return after


def cancel(db: Transaction, ids: Sequence[TaskId], *, reason: str) -> dict[TaskId, Status]:
    """End tasks that have not begun, and ask the workers of those that run."""
    found = [row for id in ids if (row := db.tables.tasks.get(id))]
    stopping = {Status.PENDING, Status.DISPATCHED}
    if "cancel.status" in db.dropped:
        stopping.add(Status.RUNNING)
    error = "cancelled before it started" + (f": {reason}" if reason else "")
    for row in found:
        if row.status in stopping:
            db.put_task(
                replace(
                    row,
                    status=Status.CANCELLED,
                    error=error,
                    cancel_requested_at=db.now,
                    cancel_reason=reason[:REASON_MAX],
                    cancel_level=StopLevel.BEFORE_START,
                    due_at=None,
                    worker_id=None,
                    incarnation=None,
                    updated_at=db.now,
                )
            )
        elif row.status is Status.RUNNING and row.cancel_requested_at is None:
            db.put_task(
                replace(row, cancel_requested_at=db.now, cancel_reason=reason, updated_at=db.now)
            )
    db.count_sent(_count(row for row in found if row.status is Status.DISPATCHED), sign=-1)
    _ask(db, found)
    return {row.id: row.status for row in found}


def _ask(db: Transaction, found: Sequence[TaskRow]) -> None:
    for incarnation in dict.fromkeys(
        row.incarnation for row in found if row.status is Status.RUNNING and row.incarnation
    ):
        ids = [row.id for row in found if row.incarnation == incarnation]
        db.notify(worker_channel(incarnation), "cancel " + name_tasks(ids))


def held(db: Transaction, incarnation: Incarnation, *, limit: int) -> list[Held]:
    """What this process holds, the oldest first."""
    rows = sorted(db.held_by(incarnation), key=lambda row: (row.updated_at, row.id))
    return [
        Held(row.id, row.status, row.run_id, row.cancel_requested_at is not None)
        for row in rows[:limit]
    ]


def waiting_of(row: TaskRow) -> Waiting:
    """A row that was pending, as the domain knows it. One that is not any more has no due time."""
    assert row.due_at is not None
    return Waiting(Lane(row.queue, row.ty, row.priority, row.limit_key), row.due_at, row.id)


def _count(rows: Iterable[TaskRow]) -> dict[Incarnation, int]:
    return Counter(row.incarnation for row in rows if row.incarnation is not None)

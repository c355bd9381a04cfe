"""Runs: as `fcs.database.runs` and `queries/runs.sql`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from msgspec.structs import replace

from fcs.database.runs import FORGOTTEN, Again, Beginning, Ending, Evidence, Receipt, Recorded
from fcs.domain.errors import OnHold
from fcs.domain.hints import SUPERVISOR_CHANNEL
from fcs.domain.ids import Incarnation, RunId, TaskId, WorkerId
from fcs.domain.task import AttemptOutcome, Status, StopLevel
from proof.sim.database.tables import AttemptRow, LateRow, TaskRow, Transaction


def begin(
    db: Transaction, incarnation: Incarnation, beginnings: Sequence[Beginning]
) -> set[TaskId]:
    """Take up tasks, each under the run id that its worker made; again the same for the same."""
    if "begin.durable" in db.dropped:
        db.lazily()
    is_open = db.is_open or "begin.hold" in db.dropped
    begun: set[TaskId] = set()
    for one in sorted(beginnings, key=lambda one: one.task_id) if is_open else ():
        row = db.tables.tasks.get(one.task_id)
        if row is None or not _may_begin(db, row, incarnation, one):
            continue
        is_new = row.status is Status.DISPATCHED
        db.put_task(
            replace(
                row,
                status=Status.RUNNING,
                run_id=one.run_id,
                attempt=row.attempt + is_new,
                started_at=db.now if is_new else row.started_at,
                updated_at=db.now,
            )
        )
        begun.add(row.id)
    if not is_open:
        raise OnHold
    return begun


def _may_begin(db: Transaction, row: TaskRow, incarnation: Incarnation, one: Beginning) -> bool:
    if row.incarnation != incarnation and (
        "begin.incarnation" not in db.dropped or row.incarnation is None
    ):
        return False
    if row.dispatch_no != one.dispatch_no and "begin.dispatch_no" not in db.dropped:
        return False
    if row.status is Status.DISPATCHED:
        return row.attempt + 1 == one.attempt or "begin.attempt" in db.dropped
    if row.status is not Status.RUNNING:
        return False
    return row.run_id == one.run_id or "begin.run_id" in db.dropped


def succeed(
    db: Transaction, endings: Sequence[Ending], report: str, *, is_urgent: bool = True
) -> Recorded:
    """Record runs that returned."""
    return _record(db, endings, report, is_urgent=is_urgent)


def finish(
    db: Transaction, endings: Sequence[Ending], report: str, *, is_urgent: bool = True
) -> Recorded:
    """Record how runs ended that have more to say."""
    return _record(db, endings, report, is_urgent=is_urgent)


def _record(
    db: Transaction, endings: Sequence[Ending], report: str, *, is_urgent: bool
) -> Recorded:
    if "finish.durable" in db.dropped:
        db.lazily()
    finished = Recorded()
    for ending in sorted(endings, key=lambda ending: ending.task_id):
        row = db.tables.tasks.get(ending.task_id)
        if row is None or not _owns(db, "finish", row, ending.run_id):
            continue
        after = replace(
            row,
            status=ending.status,
            error=ending.error,
            cancel_level=row.cancel_level if ending.is_plain else ending.level,
            incarnation=None,
            updated_at=db.now,
        )
        db.put_task(after)
        finished.add(row.id)
        if ending.evidence is not None:
            db.keep_attempt(after, _evidence(db, after, ending.run_id, ending.evidence))
    finished.rang = bool(report) and tell(db, report, is_urgent=is_urgent)
    return finished


def _owns(db: Transaction, act: str, row: TaskRow, run_id: RunId | None) -> bool:
    """The fences of whatever a run's owner says of it."""
    if row.run_id != run_id and f"{act}.run_id" not in db.dropped:
        return False
    return row.status is Status.RUNNING or f"{act}.status" in db.dropped


def tell(db: Transaction, report: str, *, is_urgent: bool) -> bool:
    """Tell whoever sleeps, and if it is urgent whoever is awake; whether anybody was told. Where
    workers are few there is no row in `fcs.reports`, so telling is ringing."""
    if db.world.is_anybody_asleep or is_urgent:
        db.notify(SUPERVISOR_CHANNEL, report)
        return True
    return False


def report(db: Transaction, report: str) -> None:
    """Tell the supervisor how a worker is."""
    db.notify(SUPERVISOR_CHANNEL, report)


def retry(db: Transaction, agains: Sequence[Again], report: str) -> set[RunId]:
    """Let tasks run again, later; sent again it finds the evidence of the first sending."""
    done = {
        again.run_id
        for again in agains
        for (task_id, _), kept in db.tables.attempts.items()
        if (task_id, kept.run_id, kept.outcome)
        == (again.task_id, again.run_id, again.evidence.outcome)
    }
    returned: list[TaskId] = []
    for again in sorted(agains):
        row = db.tables.tasks.get(again.task_id)
        if (
            row is None
            or not _owns(db, "retry", row, again.run_id)
            or not _may_retry(db, row, again)
        ):
            continue
        due_at = db.now + timedelta(seconds=again.delay)
        after = replace(
            row,
            status=Status.PENDING,
            worker_id=None,
            incarnation=None,
            run_id=None,
            started_at=None,
            error=again.evidence.error,
            max_attempts=row.max_attempts + again.more_attempts,
            due_at=max(filter(None, (due_at, row.scheduled_at))),
            updated_at=db.now,
        )
        db.put_task(after)
        # As the statement sees it: the row from before.
        db.keep_attempt(row, _evidence(db, row, again.run_id, again.evidence))
        done.add(again.run_id)
        returned.append(row.id)
    db.tell_of(returned)
    if report:
        db.notify(SUPERVISOR_CHANNEL, report)
    return done


def _may_retry(db: Transaction, row: TaskRow, again: Again) -> bool:
    is_left = row.attempt < row.max_attempts + again.more_attempts
    return (is_left or "retry.max_attempts" in db.dropped) and row.cancel_requested_at is None


def _evidence(db: Transaction, row: TaskRow, run_id: RunId, said: Evidence) -> AttemptRow:
    return AttemptRow(run_id, row.worker_id, said.outcome, row.started_at, db.now, said.error)


def release(db: Transaction, runs: Sequence[tuple[TaskId, RunId | None]]) -> set[TaskId]:
    """Give back runs whose body was never started; not where something may be forgotten."""
    if not db.is_open and "release.hold" not in db.dropped:
        return set()
    released: list[TaskId] = []
    for task_id, run_id in sorted(runs):
        row = db.tables.tasks.get(task_id)
        if row is None or not _owns(db, "release", row, run_id):
            continue
        never = replace(
            row,
            status=Status.PENDING,
            worker_id=None,
            incarnation=None,
            run_id=None,
            attempt=row.attempt - 1,
            started_at=None,
            due_at=max(row.created_at, row.scheduled_at or row.created_at),
            updated_at=db.now,
        )
        is_unwanted = row.cancel_requested_at is not None and "release.unwanted" not in db.dropped
        db.put_task(_cancelled(never) if is_unwanted else never)
        released.append(row.id)
    db.tell_of(released)
    return set(released)


def _cancelled(row: TaskRow) -> TaskRow:
    """The same, where somebody wanted its end."""
    error = "cancelled before it started" + (f": {row.cancel_reason}" if row.cancel_reason else "")
    return replace(
        row,
        status=Status.CANCELLED,
        due_at=None,
        error=error,
        cancel_level=StopLevel.BEFORE_START,
    )


def record_late(db: Transaction, endings: Sequence[Ending]) -> set[TaskId]:
    """Keep what the worker of a lost run says, beside the task."""
    kept: set[TaskId] = set()
    for ending in endings:
        row = db.tables.tasks.get(ending.task_id)
        if row is None or ending.run_id in db.tables.late_reports:
            continue
        if row.status is not ending.status or row.run_id != ending.run_id:
            late = LateRow(ending.task_id, ending.status, ending.error)
            db.write().late_reports[ending.run_id] = late
            kept.add(ending.task_id)
    return kept


class _Forgotten(NamedTuple):
    """A run that the database does not know, and the number that it gets."""

    receipt: Receipt
    attempt: int


def testify(db: Transaction, worker_id: WorkerId, receipts: Sequence[Receipt]) -> set[TaskId]:
    """Runs that this database may have forgotten: none of these bodies may start again."""
    moved: set[TaskId] = set()
    for task_id in sorted({receipt.task_id for receipt in receipts}):
        row = db.tables.tasks.get(task_id)
        if row is None or row.status.is_final:
            continue
        told = [receipt for receipt in receipts if receipt.task_id == task_id]
        if forgotten := _forgotten(db, row, told):
            _make_up(db, row, worker_id, forgotten)
            moved.add(task_id)
    return moved


def _forgotten(db: Transaction, row: TaskRow, told: Sequence[Receipt]) -> list[_Forgotten]:
    is_running = row.status is Status.RUNNING
    known = {kept.run_id for (task_id, _), kept in db.tables.attempts.items() if task_id == row.id}
    is_over = row.run_id in {one.run_id for one in told if one.is_over}
    is_earlier = db.tables.identity.on_hold_since is not None and row.run_id not in {
        one.run_id for one in told
    }
    # Where the row is believed it names a run that was told of; a later one says that it is over.
    is_believed = is_running and not is_over and not is_earlier
    is_own = row.run_id in {one.run_id for one in told}
    return [
        _Forgotten(receipt, min(receipt.attempt, row.max_attempts))
        for receipt in told
        if receipt.run_id not in known
        and (not is_believed or (is_own and receipt.attempt > row.attempt))
    ]


def _make_up(
    db: Transaction, row: TaskRow, worker_id: WorkerId, forgotten: Sequence[_Forgotten]
) -> None:
    """Count runs that were forgotten as attempts; the task ends, or may run again."""
    latest = max(forgotten, key=lambda one: (one.attempt, -one.receipt.age))
    attempt = max(row.attempt, latest.attempt)
    may_retry = (
        row.retry_interrupted and attempt < row.max_attempts and row.cancel_requested_at is None
    )
    began_at = db.now - timedelta(seconds=latest.receipt.age)
    db.put_task(
        replace(
            row,
            status=Status.PENDING if may_retry else Status.INTERRUPTED,
            worker_id=None if may_retry else worker_id,
            incarnation=None,
            run_id=None if may_retry else latest.receipt.run_id,
            attempt=attempt,
            started_at=None if may_retry else began_at,
            due_at=max(filter(None, (db.now, row.scheduled_at))) if may_retry else None,
            error=FORGOTTEN,
            updated_at=db.now,
        )
    )
    for one in forgotten:
        at = db.now - timedelta(seconds=one.receipt.age)
        kept = AttemptRow(
            one.receipt.run_id, worker_id, AttemptOutcome.INTERRUPTED, at, db.now, FORGOTTEN
        )
        db.write().attempts.setdefault((row.id, one.attempt), kept)

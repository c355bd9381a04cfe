"""Workers: as `fcs.database.workers` and `queries/workers.sql`.

What the product does in one transaction is one act here, as a crash in its middle undoes it.
"""

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from fcs.database.runs import Again, Ending
from fcs.database.tasks import Reaped
from fcs.database.workers import Beaten, Beats, Registered, Registration, Survey, Tenure
from fcs.domain.errors import OnHold
from fcs.domain.facts import Beat, WorkerState
from fcs.domain.hints import SUPERVISOR_CHANNEL
from fcs.domain.ids import Incarnation, WorkerId
from fcs.domain.lease import Suspect
from fcs.domain.topology import Mode
from proof.sim.database import runs, tasks
from proof.sim.database.tables import Transaction, WorkerRow

THERE = ("live", "draining")


def lock_registration(db: Transaction, id: WorkerId) -> Registered | None:
    """The row of a worker id, and the age of its lease: nobody could beat before this server."""
    row = db.tables.workers.get(id)
    if row is None:
        return None
    since = db.tables.identity.since or row.beat_at
    silent = db.now - max(row.beat_at, db.world.started_at, since)
    return Registered(row.incarnation, row.state, row.beat_no, silent.total_seconds())


def register(db: Transaction, registration: Registration, *, replaces: Incarnation | None) -> bool:
    """Write a new process down in place of `replaces`."""
    row = db.tables.workers.get(registration.id)
    if row is not None and row.incarnation != replaces:
        return False
    db.put_worker(
        WorkerRow(
            id=registration.id,
            incarnation=registration.incarnation,
            started_at=db.now,
            beat_at=db.now,
            slots_total=registration.slots_total,
            queues=registration.queues,
            types=registration.types,
        )
    )
    db.notify(SUPERVISOR_CHANNEL, "workers")
    return True


def enrol(db: Transaction, registration: Registration, *, lease: float) -> Registered | None:
    """Try once to take up a worker id; whoever holds it, `None` when it is ours. Mirrors
    `fcs.worker.enrol._attempt`."""
    held = lock_registration(db, registration.id)
    if held is not None and held.incarnation == registration.incarnation:
        return None
    if held is not None and held.state in THERE:
        if held.silent < lease:
            return held
        tasks.reap(db, held.incarnation, reason="its worker fell silent and was started anew")
    is_ours = register(db, registration, replaces=held.incarnation if held else None)
    assert is_ours, "nobody comes between two statements of one act"
    return None


def beat(
    db: Transaction,
    incarnation: Incarnation,
    *,
    report_no: int,
    slots_busy: int,
    tasks_taken: int,
    follows: Mode | None = None,
) -> Beaten | None:
    """Renew the lease and say how things are. `None`: declared lost, or replaced."""
    row = db.worker(incarnation)
    if row is None or row.state not in THERE:
        return None
    db.put_worker(
        replace(
            row,
            beat_at=db.now,
            beat_no=row.beat_no + 1,
            report_no=report_no,
            slots_busy=slots_busy,
            tasks_taken=tasks_taken,
            follows=follows,
        )
    )
    return Beaten(row.tasks_sent, db.tables.mode, db.tables.identity.id if db.is_open else None)


def has_testified(db: Transaction, incarnation: Incarnation) -> None:
    """The worker has told what it had begun."""
    if row := db.worker(incarnation):
        db.put_worker(replace(row, testified_at=db.now))


def drain(db: Transaction, incarnation: Incarnation) -> None:
    """Ask for no more tasks."""
    row = db.worker(incarnation)
    if row is not None and row.state == "live":
        db.put_worker(replace(row, state="draining"))
        db.notify(SUPERVISOR_CHANNEL, "workers")


def lock_worker(db: Transaction, incarnation: Incarnation, *, beat_no: int | None = None) -> bool:
    """Whether a worker's row is as it was observed."""
    row = db.worker(incarnation)
    if row is None or row.state not in THERE:
        return False
    return beat_no in (None, row.beat_no) or "reap.beat_no" in db.dropped


def end_worker(db: Transaction, incarnation: Incarnation, *, state: str) -> None:
    """Close an incarnation for good."""
    if row := db.worker(incarnation):
        if "end.state" not in db.dropped:
            row = replace(row, state=state)
        db.put_worker(replace(row, slots_busy=0, tasks_sent=row.tasks_taken))
        db.notify(SUPERVISOR_CHANNEL, "workers")


def reap(db: Transaction, suspect: Suspect, *, reason: str) -> Reaped | None:
    """End a silent worker and move its tasks; mirrors `fcs.supervisor.upkeep.reap`."""
    if not lock_worker(db, suspect.incarnation, beat_no=suspect.beat_no):
        return None
    moved = tasks.reap(db, suspect.incarnation, reason=reason)
    end_worker(db, suspect.incarnation, state="lost")
    return moved


def leave(
    db: Transaction,
    id: WorkerId,
    incarnation: Incarnation,
    *,
    pending: Sequence[Ending | Again],
    report: str,
) -> bool:
    """Close the incarnation and say the truth about what it holds; mirrors the transaction of
    `fcs.worker.runtime.Worker._end`."""
    held = lock_registration(db, id)
    if held is None or held.incarnation != incarnation or held.state not in THERE:
        return False
    if agains := [ending for ending in pending if isinstance(ending, Again)]:
        runs.retry(db, agains, report)
    if endings := [end.as_last if isinstance(end, Again) else end for end in pending]:
        runs.finish(db, endings, report)
    reason = "its worker was shut down before the body had ended"
    tasks.reap(db, incarnation, reason=reason)
    end_worker(db, incarnation, state="gone")
    return True


def survey(db: Transaction, tenure: Tenure | None = None) -> Survey:
    """All workers that are there, and the clock; a leader renews its term in the same breath."""
    db.lazily()
    leadership = db.tables.leadership
    is_renewed = tenure is not None and (
        (leadership.term, leadership.node) == (tenure.term, tenure.node)
    )
    if tenure and is_renewed:
        db.write().leadership = replace(
            leadership,
            expires_at=db.now + timedelta(seconds=tenure.lease),
            backend=db.backend,
        )
    if not db.is_open and "dispatch.hold" not in db.dropped:
        raise OnHold
    return Survey(
        db.now,
        _uptime(db),
        db.tables.mode,
        db.tables.strategy,
        is_renewed,
        [_state_of(row, db) for row in db.tables.workers.values() if row.state in THERE],
    )


def beats(db: Transaction) -> Beats:
    """What somebody who stands by sees of those who beat, and of the one who leads."""
    there = [row for row in db.tables.workers.values() if row.state in THERE]
    return Beats(
        _uptime(db),
        db.tables.leadership.expires_at,
        [Beat(row.incarnation, row.beat_no, _silent(row, db)) for row in there],
    )


def _uptime(db: Transaction) -> float:
    since = db.tables.identity.since or db.world.started_at
    return (db.now - max(db.world.started_at, since)).total_seconds()


def _silent(row: WorkerRow, db: Transaction) -> float:
    return (db.now - row.beat_at).total_seconds()


def _state_of(row: WorkerRow, db: Transaction) -> WorkerState:
    return WorkerState(
        row.incarnation,
        row.id,
        row.state,
        row.beat_no,
        _silent(row, db),
        row.report_no,
        row.slots_total,
        row.slots_busy,
        row.tasks_sent,
        row.tasks_taken,
        row.queues,
        row.types,
    )


def settle_account(
    db: Transaction,
    incarnation: Incarnation,
    *,
    tasks_sent: int,
    report_no: int,
    slots_busy: int,
    tasks_taken: int,
) -> bool:
    """Count anew what was sent to this process, unless that has moved."""
    row = db.worker(incarnation)
    if row is None or row.state not in THERE or row.tasks_sent != tasks_sent:
        return False
    waiting = sum(one.status == "dispatched" for one in db.held_by(incarnation))
    db.put_worker(
        replace(
            row,
            tasks_sent=tasks_taken + waiting,
            report_no=report_no,
            slots_busy=slots_busy,
            tasks_taken=tasks_taken,
        )
    )
    return True


def strangers(db: Transaction) -> list[Incarnation]:
    """Who holds tasks and is no worker that is there."""
    there = {row.incarnation for row in db.tables.workers.values() if row.state in THERE}
    holders = {row.incarnation for row in db.tables.tasks.values() if row.incarnation}
    return sorted(holders - there)


def forget_ended(db: Transaction, *, seconds: float) -> int:
    """Remove the rows of workers that ended long ago."""
    before = db.now - timedelta(seconds=seconds)
    ended = [
        row.id
        for row in db.tables.workers.values()
        if row.state not in THERE and row.beat_at < before
    ]
    for id in ended:
        del db.write().workers[id]
    return len(ended)

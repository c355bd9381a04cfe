"""Which database this is: as `fcs.database.identity` and `queries/identity.sql`.

No standby is ever waited for here, so nothing is ever claimed.
"""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from fcs.database.identity import UNKNOWN, Looked, Witness
from fcs.domain.identity import Claim
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.domain.topology import Mode
from proof.sim.database.tables import Transaction
from proof.sim.database.workers import THERE


def look(db: Transaction) -> Looked:
    """Look at what is known, and at what Postgres says of itself."""
    row = db.tables.identity
    return Looked(
        row.id,
        row.place,
        Claim("", 0.0),
        row.on_hold_since,
        row.on_hold_why,
        row.server_started_at,
        db.is_open,
        db.world.place,
        db.world.started_at,
        "",
        [],
        None,
    )


def _is_as_seen(db: Transaction, seen: Looked) -> bool:
    row = db.tables.identity
    return (
        row.id == seen.id
        and row.on_hold_since is None
        and row.server_started_at == seen.server_started_at
        and db.world.started_at == seen.found_server_started_at
    )


def record(db: Transaction, seen: Looked) -> bool:
    """This is the database, from now on."""
    if not _is_as_seen(db, seen):
        return False
    row = db.tables.identity
    # Nothing is compared where nothing was known: that is how SQL has it.
    is_another = row.place is not None and row.place != seen.found
    db.write().identity = replace(
        row,
        place=seen.found,
        server_started_at=db.world.started_at,
        since=db.now if is_another else row.since,
    )
    return True


def hold(db: Transaction, seen: Looked, *, why: str) -> bool:
    """Let nothing be handed out or begun until somebody adopts what was found."""
    if not _is_as_seen(db, seen):
        return False
    db.write().identity = replace(db.tables.identity, on_hold_since=db.now, on_hold_why=why)
    return True


def witnesses(db: Transaction, *, patience: float) -> list[Witness]:
    """The workers that were there, and whether they have told or may still tell what they know."""
    since = db.tables.identity.on_hold_since
    answer = []
    for row in sorted(db.tables.workers.values(), key=lambda row: row.id):
        if row.state not in THERE:
            continue
        has_testified = since is not None and (
            row.testified_at is not None and row.testified_at >= since
        )
        may_come = since is not None and (
            row.beat_at >= since or since > db.now - timedelta(seconds=patience)
        )
        silent = (db.now - row.beat_at).total_seconds()
        answer.append(Witness(row.id, "", silent, has_testified, may_come and not has_testified))
    return answer


def adopt(db: Transaction, seen: Looked) -> list[TaskId] | None:
    """This is the database from now on, whatever it has forgotten."""
    row = db.tables.identity
    since = seen.on_hold_since
    if row.id != seen.id or since is None or row.on_hold_since != since:
        return None
    if db.world.started_at != seen.found_server_started_at:
        return None
    db.write().identity = replace(
        row,
        id=UUID(int=db.rng.getrandbits(128), version=4),
        place=seen.found,
        server_started_at=db.world.started_at,
        since=db.now,
        on_hold_since=None,
        on_hold_why="",
    )
    spoken = {
        worker.incarnation
        for worker in db.tables.workers.values()
        if worker.state in THERE and worker.testified_at and worker.testified_at >= since
    }
    unknown = sorted(
        (
            task
            for task in db.tables.tasks.values()
            if task.status is Status.DISPATCHED and task.incarnation not in spoken
        ),
        key=lambda task: task.id,
    )
    for task in unknown if "adopt.unknown" not in db.dropped else ():
        attempt = task.attempt + 1
        may_retry = task.retry_interrupted and attempt < task.max_attempts
        db.put_task(
            replace(
                task,
                status=Status.PENDING if may_retry else Status.INTERRUPTED,
                worker_id=None if may_retry else task.worker_id,
                incarnation=None,
                attempt=attempt,
                due_at=max(filter(None, (db.now, task.scheduled_at))) if may_retry else None,
                error=UNKNOWN,
                updated_at=db.now,
            )
        )
    db.notify("fcs_candidates", "adopted")
    return [task.id for task in unknown]


# What no statement of the product does: somebody's hand.


def depose(db: Transaction) -> None:
    """Take the term from whoever holds it, without a word."""
    db.write().leadership = replace(
        db.tables.leadership, term=db.tables.leadership.term + 1, node=None
    )


def switch(db: Transaction, mode: Mode) -> None:
    """Lead the cluster in another way: as `fcs.database.topology`."""
    db.write().mode = mode
    db.notify("fcs_candidates", "mode")

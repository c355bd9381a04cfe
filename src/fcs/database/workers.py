"""Workers in the database: one function for each statement of `queries/workers.sql`."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from fcs.database.connect import Connection
from fcs.database.session import own_backend
from fcs.database.sql import load
from fcs.domain.errors import OnHold
from fcs.domain.facts import Beat, WorkerState
from fcs.domain.ids import Incarnation, NodeId, WorkerId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode

_SQL = load("workers")


class Registration(msgspec.Struct, frozen=True):
    """What a worker says of itself when it starts. No queues means every queue."""

    id: WorkerId
    incarnation: Incarnation
    slots_total: int
    queues: list[str]
    types: list[str]
    host: str
    pid: int
    version: str
    listen: str | None


class Registered(NamedTuple):
    """The row of a worker id. `silent` is in seconds by the database's clock."""

    incarnation: Incarnation
    state: str
    beat_no: int
    silent: float


class Beaten(NamedTuple):
    """What a beat learns: how many tasks were sent to this process so far, the mode, and the id of
    the database as fcs knows it; `None` while nothing begins on it."""

    tasks_sent: int
    mode: Mode
    home: UUID | None


class Tenure(NamedTuple):
    """A term of leadership; `lease` is for how many seconds it is renewed."""

    node: NodeId
    term: int
    lease: float


class Survey(NamedTuple):
    """The database's time, for how many seconds it has been there for workers, and the workers.

    `is_renewed`: whoever asked still leads.
    """

    now: datetime
    uptime: float
    mode: Mode
    strategy: Strategy
    is_renewed: bool
    workers: list[WorkerState]


class Beats(NamedTuple):
    """For how many seconds the database has been there for workers, until when the leader has
    renewed its lease, and the beats of all workers that are there."""

    uptime: float
    renewed_until: datetime
    beats: list[Beat]


async def lock_registration(db: Connection, id: WorkerId) -> Registered | None:
    """Hold the row of a worker id for the rest of the caller's transaction."""
    row = await (await db.execute(_SQL["lock_registration"], {"id": id})).fetchone()
    return Registered(*row) if row else None


async def register(
    db: Connection, registration: Registration, *, replaces: Incarnation | None
) -> bool:
    """Write a new process down in place of `replaces`; `False` if another one was quicker."""
    params = msgspec.structs.asdict(registration) | {"replaces": replaces}
    return (await db.execute(_SQL["register"], params)).rowcount == 1


async def beat(
    db: Connection,
    incarnation: Incarnation,
    *,
    report_no: int,
    slots_busy: int,
    tasks_taken: int,
    follows: Mode | None = None,
) -> Beaten | None:
    """Renew the lease, and say by which mode this process goes.

    `None` if it was declared lost or replaced.
    """
    params = {
        "incarnation": incarnation,
        "report_no": report_no,
        "slots_busy": slots_busy,
        "tasks_taken": tasks_taken,
        "follows": follows,
    }
    row = await (await db.execute(_SQL["beat"], params)).fetchone()
    return Beaten(row[0], Mode(row[1]), row[2]) if row else None


async def has_testified(db: Connection, incarnation: Incarnation) -> None:
    """Write down that a worker has told what it had begun."""
    await db.execute(_SQL["has_testified"], {"incarnation": incarnation})


async def drain(db: Connection, incarnation: Incarnation) -> None:
    """Ask for no more tasks."""
    await db.execute(_SQL["drain"], {"incarnation": incarnation})


async def lock_worker(
    db: Connection, incarnation: Incarnation, *, beat_no: int | None = None
) -> bool:
    """Hold a worker's row, if it is not ended, not held, and still shows that beat."""
    params = {"incarnation": incarnation, "beat_no": beat_no}
    return (await db.execute(_SQL["lock_worker"], params)).rowcount == 1


async def end_worker(db: Connection, incarnation: Incarnation, *, state: str) -> None:
    """Close an incarnation for good, as `lost` or `gone`."""
    await db.execute(_SQL["end_worker"], {"incarnation": incarnation, "state": state})


async def survey(db: Connection, tenure: Tenure | None = None) -> Survey:
    """All workers that are there, the clock that tells how long they have been silent, and how the
    cluster is to be led; a leader renews its term. Raises `OnHold` where nothing is handed out."""
    node, term, lease = tenure or (None, None, 0.0)
    params = {"node": node, "term": term, "lease": lease, "backend": own_backend(db)}
    rows = await (await db.execute(_SQL["survey"], params)).fetchall()
    now, uptime, is_open, mode, strategy, is_renewed, *_ = rows[0]
    if not is_open:
        raise OnHold
    workers = [WorkerState(*row[6:]) for row in rows if row[6] is not None]
    return Survey(now, uptime, Mode(mode), Strategy(strategy), is_renewed, workers)


async def beats(db: Connection) -> Beats:
    """What somebody who stands by sees of those who beat, and of the one who leads."""
    rows = await (await db.execute(_SQL["beats"])).fetchall()
    uptime, renewed_until, *_ = rows[0]
    return Beats(uptime, renewed_until, [Beat(*row[2:]) for row in rows if row[2] is not None])


async def settle_account(
    db: Connection,
    incarnation: Incarnation,
    *,
    tasks_sent: int,
    report_no: int,
    slots_busy: int,
    tasks_taken: int,
) -> bool:
    """Count anew what was sent to this process, unless that moved since it was `tasks_sent`.

    The rest is its account of itself as of now.
    """
    params = {
        "incarnation": incarnation,
        "tasks_sent": tasks_sent,
        "report_no": report_no,
        "slots_busy": slots_busy,
        "tasks_taken": tasks_taken,
    }
    return (await db.execute(_SQL["settle_account"], params)).rowcount == 1


async def strangers(db: Connection) -> list[Incarnation]:
    """Who holds tasks and is no worker that is there."""
    cursor = await db.execute(_SQL["strangers"])
    return [row[0] for row in await cursor.fetchall()]


async def forget_ended(db: Connection, *, seconds: float) -> int:
    """Remove the rows of workers that ended longer ago than `seconds`."""
    return (await db.execute(_SQL["forget_ended"], {"seconds": seconds})).rowcount

"""The tables of the fake database, and transactions on them.

Rows are never changed in place: a statement puts new ones into tables of its own, which become the
database's when it commits. So every version that the database ever had can be kept and come back,
as after a crash or a failover.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from fcs.domain.facts import QueueRules
from fcs.domain.identity import Place
from fcs.domain.ids import Incarnation, NodeId, RunId, TaskId, WorkerId
from fcs.domain.strategy import Strategy
from fcs.domain.task import AttemptOutcome, Status, StopLevel
from fcs.domain.topology import Mode

HELD = frozenset({Status.DISPATCHED, Status.RUNNING})


class ConstraintViolated(Exception):
    """A constraint or the guard of final rows refused a statement. Its fences ought to have."""


class TaskRow(msgspec.Struct, gc=False):
    id: TaskId
    ty: str
    queue: str
    priority: int
    limit_key: str
    status: Status
    created_at: datetime
    updated_at: datetime
    scheduled_at: datetime | None
    due_at: datetime | None
    max_attempts: int
    retry_interrupted: bool
    dispatch_no: int = 0
    attempt: int = 0
    worker_id: WorkerId | None = None
    incarnation: Incarnation | None = None
    run_id: RunId | None = None
    started_at: datetime | None = None
    error: str | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    cancel_level: StopLevel | None = None


class WorkerRow(msgspec.Struct):
    id: WorkerId
    incarnation: Incarnation
    started_at: datetime
    beat_at: datetime
    slots_total: int
    queues: Sequence[str]
    types: Sequence[str]
    state: str = "live"
    beat_no: int = 0
    report_no: int = 0
    slots_busy: int = 0
    tasks_sent: int = 0
    tasks_taken: int = 0
    testified_at: datetime | None = None
    follows: Mode | None = None


class AttemptRow(NamedTuple):
    run_id: RunId
    worker_id: WorkerId | None
    outcome: AttemptOutcome
    started_at: datetime | None
    ended_at: datetime
    error: str | None


class LateRow(NamedTuple):
    task_id: TaskId
    status: Status
    error: str | None


class LeadershipRow(msgspec.Struct):
    expires_at: datetime
    term: int = 0
    node: NodeId | None = None
    part: str = ""
    backend: int | None = None


class IdentityRow(msgspec.Struct):
    """Of standbys nothing is known here: nobody ever claims that commits wait for one."""

    id: UUID
    place: Place | None = None
    server_started_at: datetime | None = None
    since: datetime | None = None
    on_hold_since: datetime | None = None
    on_hold_why: str = ""


class Tables(msgspec.Struct):
    """One version of everything."""

    leadership: LeadershipRow
    identity: IdentityRow
    tasks: dict[TaskId, TaskRow] = {}
    workers: dict[WorkerId, WorkerRow] = {}
    attempts: dict[tuple[TaskId, int], AttemptRow] = {}
    late_reports: dict[RunId, LateRow] = {}
    mode: Mode = Mode.ELECTED
    strategy: Strategy = Strategy.RANDOM
    queues: tuple[QueueRules, ...] = ()

    def copy(self) -> "Tables":
        return Tables(
            self.leadership,
            self.identity,
            self.tasks.copy(),
            self.workers.copy(),
            self.attempts.copy(),
            self.late_reports.copy(),
            self.mode,
            self.strategy,
            self.queues,
        )


class World(NamedTuple):
    """What a statement asks of the server that carries it out."""

    place: Place
    started_at: datetime
    backends: frozenset[int] | set[int]
    is_anybody_asleep: bool = False


class Change(NamedTuple):
    """What became of a task."""

    before: TaskRow | None
    after: TaskRow | None


class Transaction:
    """One transaction, at one moment of the database's clock.

    `dropped` names fences that are left out, to see that somebody notices.
    """

    def __init__(
        self,
        tables: Tables,
        now: datetime,
        world: World,
        rng: Random,
        *,
        backend: int = 0,
        dropped: frozenset[str] = frozenset(),
    ) -> None:
        self.tables = tables
        self.now = now
        self.world = world
        self.rng = rng
        self.backend = backend
        self.dropped = dropped
        self.is_durable = True
        self.is_changed = False
        self.changes: list[Change] = []
        self.hints: list[tuple[str, str]] = []
        self.statement = ""

    # What statements read.

    @property
    def is_open(self) -> bool:
        """As the view `fcs.home` has it."""
        identity = self.tables.identity
        started_at = identity.server_started_at
        return identity.on_hold_since is None and started_at in (None, self.world.started_at)

    def worker(self, incarnation: Incarnation) -> WorkerRow | None:
        """The row of a process."""
        for row in self.tables.workers.values():
            if row.incarnation == incarnation:
                return row
        return None

    def held_by(self, incarnation: Incarnation) -> list[TaskRow]:
        """What a process holds."""
        return [row for row in self.tables.tasks.values() if row.incarnation == incarnation]

    # What statements write.

    def lazily(self) -> None:
        """Losing this in a crash does no harm: as `fcs.lazily`."""
        self.is_durable = False

    def write(self) -> Tables:
        """Tables of this transaction's own."""
        if not self.is_changed:
            self.is_changed = True
            self.tables = self.tables.copy()
        return self.tables

    def put_task(self, row: TaskRow) -> None:
        """Put a task in place of what was there, as far as the constraints allow."""
        tables = self.write()
        before = tables.tasks.get(row.id)
        self._guard(before, row)
        tables.tasks[row.id] = row
        self.changes.append(Change(before, row))

    def put_worker(self, row: WorkerRow) -> None:
        self.write().workers[row.id] = row

    def count_sent(self, counts: dict[Incarnation, int], *, sign: int) -> None:
        """Change what was sent to these processes."""
        for incarnation, count in counts.items():
            if count and (row := self.worker(incarnation)):
                self.put_worker(replace(row, tasks_sent=row.tasks_sent + sign * count))

    def keep_attempt(self, row: TaskRow, kept: AttemptRow) -> None:
        """Keep an attempt of that task, unless one of its number is kept."""
        self.write().attempts.setdefault((row.id, row.attempt), kept)

    def notify(self, channel: str, payload: str) -> None:
        self.hints.append((channel, payload))

    def tell_of(self, ids: Sequence[TaskId]) -> None:
        """Name tasks that are pending again to the supervisor."""
        if ids:
            self.notify("fcs_supervisor", "tasks " + " ".join(map(str, ids)))

    def _guard(self, before: TaskRow | None, row: TaskRow) -> None:
        """The constraints of the table and its trigger."""
        if before is not None and before.status.is_final and row.status is not before.status:
            self._refuse("FINAL", f"task is {before.status} and stays so: {row.status}")
        if (row.status is Status.PENDING) != (row.due_at is not None):
            self._refuse("LIVE", "a task is pending exactly while it has a due time")
        if (row.status in HELD) != (row.incarnation is not None):
            self._refuse("OWNER", "a task is held exactly while it is dispatched or running")
        waits = row.status in (Status.PENDING, Status.DISPATCHED)
        if row.attempt > row.max_attempts - waits:
            self._refuse("ONCE", f"attempt {row.attempt} of {row.max_attempts}, {row.status}")
        if row.scheduled_at and row.due_at and row.due_at < row.scheduled_at:
            self._refuse("EARLY", "a task is due before its time")

    def _refuse(self, invariant: str, what: str) -> None:
        if "guards" not in self.dropped:
            raise ConstraintViolated(f"{invariant}: {what} (in {self.statement})")


Act = Callable[[Transaction], object]

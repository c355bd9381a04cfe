"""What a supervisor can learn: records of what the database said, and of what workers report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fcs.domain.ids import Incarnation, TaskId, WorkerId


class Lane(NamedTuple):
    """One stretch of the backlog: tasks that only differ in when they fall due."""

    queue: str
    ty: str
    priority: int
    limit_key: str = ""


class Waiting(NamedTuple):
    """A pending task."""

    lane: Lane
    due_at: datetime
    id: TaskId


class Place(NamedTuple):
    """A place in a lane: up to here it has been read."""

    due_at: datetime
    id: TaskId


class WorkerState(NamedTuple):
    """A worker's row. `silent` is in seconds by the database's clock."""

    incarnation: Incarnation
    id: WorkerId
    state: str
    beat_no: int
    silent: float
    report_no: int
    slots_total: int
    slots_busy: int
    tasks_sent: int
    tasks_taken: int
    queues: Sequence[str]
    types: Sequence[str]


class Beat(NamedTuple):
    """The last beat in a worker's row. `silent` is in seconds by the database's clock."""

    incarnation: Incarnation
    beat_no: int
    silent: float


class Assignment(NamedTuple):
    """The decision that a task goes to a worker."""

    task: Waiting
    incarnation: Incarnation


class Limit(NamedTuple):
    """How many tasks may be dispatched or running at once, and how many may start in a second.

    `burst` is how many may start together after a while without any.
    """

    running_max: int | None = None
    rate: float | None = None
    burst: int | None = None


class QueueRules(NamedTuple):
    """What somebody has laid down for a queue: for the whole of it, and for each limit key."""

    queue: str
    is_paused: bool = False
    whole: Limit = Limit()
    per_key: Limit = Limit()

    @property
    def is_limited(self) -> bool:
        limits = (self.whole, self.per_key)
        return any(limit.running_max is not None or limit.rate is not None for limit in limits)


class Held(NamedTuple):
    """A task of a limited queue that is dispatched or running."""

    id: TaskId
    queue: str
    limit_key: str
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class TasksFound:
    """These tasks are pending."""

    tasks: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class Overdue:
    """These tasks are due for so long that whoever has room may take them."""

    tasks: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class LanesListed:
    """These lanes have something pending."""

    lanes: Sequence[Lane]


@dataclass(frozen=True, slots=True)
class LaneRead:
    """The next tasks of a lane after a place, in order; `exhausted` when there were no more."""

    lane: Lane
    after: Place | None
    tasks: Sequence[Waiting]
    exhausted: bool


@dataclass(frozen=True, slots=True)
class LaneLookedAt:
    """What has fallen due in a lane since a moment, in order; `exhausted` if there was no more."""

    lane: Lane
    tasks: Sequence[Waiting]
    exhausted: bool


@dataclass(frozen=True, slots=True)
class WorkersSurveyed:
    """All workers that are there."""

    workers: Sequence[WorkerState]


@dataclass(frozen=True, slots=True)
class WorkerReported:
    """How a worker says it is: a state, not a change, so hearing it twice is hearing it once."""

    incarnation: Incarnation
    report_no: int
    slots_busy: int
    tasks_taken: int


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What the database made of assignments: which were accepted."""

    assignments: Sequence[Assignment]
    accepted: frozenset[TaskId]


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Tasks that a worker did not begin in time, pending again."""

    tasks: Sequence[Waiting]
    incarnations: frozenset[Incarnation]


@dataclass(frozen=True, slots=True)
class QueuesRead:
    """The rules of all queues that have any."""

    queues: Sequence[QueueRules]


@dataclass(frozen=True, slots=True)
class HeldCounted:
    """Everything that is dispatched or running in these queues."""

    queues: frozenset[str]
    held: Sequence[Held]


@dataclass(frozen=True, slots=True)
class HeldAsked:
    """Which of the tasks asked about are still dispatched or running."""

    asked: frozenset[TaskId]
    held: frozenset[TaskId]


Fact = (
    TasksFound
    | Overdue
    | LanesListed
    | LaneRead
    | LaneLookedAt
    | WorkersSurveyed
    | WorkerReported
    | Dispatched
    | TakenBack
    | QueuesRead
    | HeldCounted
    | HeldAsked
)

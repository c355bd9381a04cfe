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


class Assignment(NamedTuple):
    """The decision that a task goes to a worker."""

    task: Waiting
    incarnation: Incarnation


@dataclass(frozen=True, slots=True)
class TasksFound:
    """These tasks are pending."""

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


Fact = (
    TasksFound | LanesListed | LaneRead | WorkersSurveyed | WorkerReported | Dispatched | TakenBack
)

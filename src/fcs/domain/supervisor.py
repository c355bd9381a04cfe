"""The supervisor's judgement: which task goes to which worker, and where to read on.

No IO, no clock, no hidden randomness. The runtime tells it what happened (`learn`) and asks
what to do (`plan`). The same facts at the same times give the same plan.

    facts --learn--> Supervisor --plan--> assignments, lanes to read, next wake-up
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import assert_never

from fcs.domain.backlog import Backlog
from fcs.domain.facts import (
    Assignment,
    Dispatched,
    Fact,
    Lane,
    LaneRead,
    LanesListed,
    Place,
    TakenBack,
    TasksFound,
    Waiting,
    WorkerReported,
    WorkersSurveyed,
)
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.roster import Roster
from fcs.domain.settings import Settings

BATCH_MAX = 250
"""Assignments in one plan. A worker's slots are filled in several steps, so that supervisor, worker
and Postgres each have a batch in hand at the same time."""


@dataclass(frozen=True, slots=True)
class Plan:
    assignments: list[Assignment] = field(default_factory=list)
    reads: list[tuple[Lane, Place | None]] = field(default_factory=list)
    """Lanes that run low, and the places to read on from."""

    wake_at: datetime | None = None
    """When the next known task falls due; `None`: only a fact can help."""


class Supervisor:
    def __init__(self, settings: Settings, *, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._backlog = Backlog(window=settings.window, aging=settings.aging)
        self._roster = Roster()
        self._turned_down: dict[TaskId, Incarnation] = {}

    @property
    def tasks_known(self) -> int:
        return len(self._backlog)

    @property
    def workers_known(self) -> int:
        return len(self._roster)

    @property
    def lane_share(self) -> int:
        """How many tasks of a lane to read at a time."""
        return self._backlog.lane_share()

    def learn(self, fact: Fact, *, at: float) -> None:
        """Take in a fact, heard at the local moment `at` (seconds)."""
        match fact:
            case TasksFound():
                for task in fact.tasks:
                    self._learn_found(task)
            case LanesListed():
                self._backlog.list_lanes(fact.lanes)
            case LaneRead():
                self._backlog.read(fact.lane, fact.after, fact.tasks, exhausted=fact.exhausted)
            case WorkersSurveyed():
                self._roster.survey(fact.workers, at)
            case WorkerReported():
                self._roster.hear(fact, at)
            case Dispatched():
                self._learn_dispatched(fact, at)
            case TakenBack():
                for incarnation in fact.incarnations:
                    self._roster.strike(incarnation, at)
                for task in fact.tasks:
                    self._backlog.put_back(task)
            case _:
                assert_never(fact)

    def look_further(self) -> None:
        """Something was added that no hint names."""
        self._backlog.look_further()

    def start_over(self) -> None:
        """Read the backlog from its head, for what no hint told."""
        self._backlog.start_over()

    def unanswered(self, at: float) -> list[Incarnation]:
        """Workers that ought to have taken what was sent to them."""
        return self._roster.unanswered(at, self._settings.hint_again_after)

    def plan_reads(self, now: datetime) -> list[tuple[Lane, Place | None]]:
        """Which lanes to read, and from where on."""
        return self._backlog.lanes_to_read(now)

    def plan(self, now: datetime, *, at: float) -> Plan:
        """Decide what to do at the database's time `now`, the local moment `at`."""
        return Plan(
            assignments=self._assign(now, at),
            reads=self.plan_reads(now),
            wake_at=self._backlog.next_due_at(now),
        )

    def _assign(self, now: datetime, at: float) -> list[Assignment]:
        openings = self._roster.openings(at, self._rng)
        assignments: list[Assignment] = []
        for task in self._backlog.take_due(now, openings.has_slot):
            assignments.append(Assignment(task, openings.take_slot(task.lane)))
            if len(assignments) == BATCH_MAX:
                break
        return assignments

    def _learn_dispatched(self, fact: Dispatched, at: float) -> None:
        counts = Counter(
            assignment.incarnation
            for assignment in fact.assignments
            if assignment.task.id in fact.accepted
        )
        for incarnation, count in counts.items():
            self._roster.sent(incarnation, count, at)
        self._turned_down = {
            assignment.task.id: assignment.incarnation
            for assignment in fact.assignments
            if not counts[assignment.incarnation]
        }

    def _learn_found(self, task: Waiting) -> None:
        # Somebody else was quicker, or the task was deleted: that says nothing about the worker.
        # But if it still waits, it was the worker that could not get it.
        if incarnation := self._turned_down.pop(task.id, None):
            self._roster.doubt(incarnation)
        self._backlog.add(task)


def refused(assignments: Sequence[Assignment], accepted: frozenset[TaskId]) -> list[Assignment]:
    """The assignments that the database did not take."""
    return [assignment for assignment in assignments if assignment.task.id not in accepted]

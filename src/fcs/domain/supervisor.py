"""The supervisor's judgement: which task goes to which worker, and where to read on.

No IO, no clock, no hidden randomness. The runtime tells it what happened (`learn`) and asks
what to do (`plan`). The same facts at the same times give the same plan.

    facts --learn--> Supervisor --plan--> assignments, lanes to read, permits to check, wake-up
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import assert_never

from fcs.domain.backlog import Backlog
from fcs.domain.facts import (
    Assignment,
    Dispatched,
    Fact,
    HeldAsked,
    HeldCounted,
    Lane,
    LaneLookedAt,
    LaneRead,
    LanesListed,
    Overdue,
    Place,
    QueuesRead,
    TakenBack,
    TasksFound,
    Waiting,
    WorkerReported,
    WorkersSurveyed,
)
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.limits import Limits
from fcs.domain.roster import Roster
from fcs.domain.settings import Settings
from fcs.domain.share import Share
from fcs.domain.strategy import Strategy

BATCH_MAX = 1_000
"""Assignments in one plan. A worker's slots are filled in several steps, so that supervisor, worker
and Postgres each have a batch in hand at the same time."""

BATCH_PER_WORKER = 10
"""The same for each worker, where there are many: whoever is told of tasks wakes all who listen."""


@dataclass(frozen=True, slots=True)
class Plan:
    assignments: list[Assignment] = field(default_factory=list)
    reads: list[tuple[Lane, Place | None]] = field(default_factory=list)
    """Lanes that run low, and the places to read on from."""

    count: frozenset[str] = frozenset()
    """Limited queues whose dispatched and running tasks are to be counted."""

    ask: frozenset[TaskId] = frozenset()
    """Tasks that keep a limit full unless they are over."""

    wake_at: datetime | None = None
    """When the next known task falls due, or may start; `None`: only a fact can help."""

    is_short: bool = False
    """Whether tasks are due for which there is no slot, or that a limit holds back."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do but to wait."""
        return not (self.assignments or self.reads or self.count or self.ask)


class Supervisor:
    """With `share` it is one of many, and hands out what falls to its worker, to that alone."""

    def __init__(self, settings: Settings, *, rng: Random, share: Share | None = None) -> None:
        self._settings = settings
        self._rng = rng
        self._share = share
        self._backlog = Backlog(
            window=settings.window, aging=settings.aging, owns=share.owns if share else None
        )
        self._roster = Roster(lease=settings.lease)
        self._limits = Limits()
        self._turned_down: dict[TaskId, Incarnation] = {}
        self._strategy = Strategy.RANDOM

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
                self._limits.release(task.id for task in fact.tasks)
                for task in fact.tasks:
                    self._learn_found(task)
            case LanesListed():
                self._backlog.list_lanes(fact.lanes)
            case LaneRead():
                self._backlog.read(fact.lane, fact.after, fact.tasks, exhausted=fact.exhausted)
            case LaneLookedAt():
                self._backlog.looked_at(fact.lane, fact.tasks, exhausted=fact.exhausted)
            case WorkersSurveyed():
                self._roster.survey(fact.workers, at)
                self._limits.stir_all()
                if self._share and self._share.survey(fact.workers):
                    # What others had may be ours now.
                    self._backlog.start_over()
            case WorkerReported():
                self._roster.hear(fact, at)
                self._limits.stir(fact.incarnation)
            case Dispatched():
                self._learn_dispatched(fact, at)
            case Overdue():
                for task in fact.tasks:
                    self._backlog.put_back(task)
            case TakenBack():
                for incarnation in fact.incarnations:
                    self._roster.strike(incarnation, at)
                self._limits.release(task.id for task in fact.tasks)
                for task in fact.tasks:
                    if self._share is None or self._share.serves(task.lane):
                        self._backlog.put_back(task)
            case QueuesRead():
                self._limits.read(fact.queues, at)
            case HeldCounted():
                self._limits.count(fact)
            case HeldAsked():
                self._limits.ask(fact)
            case _:
                assert_never(fact)

    def follow(self, strategy: Strategy) -> None:
        """Hand out by this strategy, from the next plan on."""
        self._strategy = strategy

    def known_lanes(self) -> Collection[Lane]:
        """The lanes that need not be listed."""
        return self._backlog.known_lanes()

    def look_further(self) -> None:
        """Something was added that no hint names."""
        self._backlog.look_further()

    def to_look_at(self, since: datetime) -> list[tuple[Lane, Place]]:
        """Where to look for what was added since a moment and is due, and from which place on."""
        looks = self._backlog.lanes_to_look_at(since)
        if self._share is None:
            return looks
        return [(lane, place) for lane, place in looks if self._share.serves(lane)]

    def start_over(self) -> None:
        """Read the backlog from its head, and count permits anew, for what no hint told."""
        self._backlog.start_over()
        self._limits.count_again()

    def unanswered(self, at: float) -> list[Incarnation]:
        """Workers that ought to have taken what was sent to them."""
        return self._roster.unanswered(at, self._settings.hint_again_after)

    def has_slot(self, at: float) -> bool:
        """Whether its own worker could be given a task."""
        assert self._share is not None, "only of one of many"
        return self._roster.has_slot(self._share.incarnation, at)

    def plan_reads(self, now: datetime) -> list[tuple[Lane, Place | None]]:
        """Which lanes to read, and from where on."""
        reads = self._backlog.lanes_to_read(now)
        if self._share is None:
            return reads
        # Of the others there is nothing to be had, however long one reads.
        return [(lane, place) for lane, place in reads if self._share.serves(lane)]

    def plan(self, now: datetime, *, at: float) -> Plan:
        """Decide what to do at the database's time `now`, the local moment `at`."""
        self._limits.begin_plan()
        assignments, is_short = self._assign(now, at)
        return Plan(
            assignments=assignments,
            is_short=is_short,
            reads=self.plan_reads(now),
            count=self._limits.to_count(),
            ask=self._limits.to_ask(at),
            wake_at=self._next_wake(now, at),
        )

    def _assign(self, now: datetime, at: float) -> tuple[list[Assignment], bool]:
        """Assignments, and whether a task was left for want of a slot or of a permit."""
        openings = self._roster.openings(
            at,
            self._rng,
            due=self._backlog.due_at_least(now),
            strategy=self._strategy,
            only=self._share.incarnation if self._share else None,
        )
        is_limited, is_short = bool(self._limits), False

        def accept(lane: Lane) -> bool:
            nonlocal is_short
            if openings.has_slot(lane) and (not is_limited or self._limits.allow(lane, at)):
                return True
            is_short = True
            return False

        assignments: list[Assignment] = []
        enough = max(BATCH_MAX, BATCH_PER_WORKER * len(self._roster))
        for task in self._backlog.take_due(now, accept):
            incarnation = openings.take_slot()
            if is_limited:
                self._limits.take(task.id, task.lane, incarnation, at)
            assignments.append(Assignment(task, incarnation))
            if len(assignments) == enough:
                break
        return assignments, is_short

    def _next_wake(self, now: datetime, at: float) -> datetime | None:
        due_at, token_at = self._backlog.next_due_at(now), self._limits.next_token_at()
        if token_at is None:
            return due_at
        token_due_at = now + timedelta(seconds=token_at - at)
        return token_due_at if due_at is None else min(due_at, token_due_at)

    def _learn_dispatched(self, fact: Dispatched, at: float) -> None:
        # A set of all that were accepted needs no look at each.
        is_all = len(fact.accepted) == len(fact.assignments)
        counts = Counter(
            assignment.incarnation
            for assignment in fact.assignments
            if is_all or assignment.task.id in fact.accepted
        )
        for incarnation, count in counts.items():
            self._roster.sent(incarnation, count, at)
        self._turned_down = (
            {}
            if is_all
            else {
                assignment.task.id: assignment.incarnation
                for assignment in fact.assignments
                if not counts[assignment.incarnation]
            }
        )

    def _learn_found(self, task: Waiting) -> None:
        # Somebody else was quicker, or the task was deleted: that says nothing about the worker.
        # But if it still waits, it was the worker that could not get it.
        if incarnation := self._turned_down.pop(task.id, None):
            self._roster.doubt(incarnation)
        self._backlog.add(task)


def refused(assignments: Sequence[Assignment], accepted: frozenset[TaskId]) -> list[Assignment]:
    """The assignments that the database did not take."""
    if len(accepted) == len(assignments):
        return []
    return [assignment for assignment in assignments if assignment.task.id not in accepted]

"""The roster: which workers are there, and how many of their slots are free.

Everything here is a state that workers and rows report, never a sum of remembered changes:
a report that is lost, doubled or late can hide a free slot until the next one, but never
leaks or invents one.
"""

from collections.abc import Sequence
from functools import partial
from random import Random

from fcs.domain.facts import Lane, WorkerReported, WorkerState
from fcs.domain.ids import Incarnation
from fcs.domain.ring import Ring
from fcs.domain.strategy import Choice, Opening, Strategy, choose

STRIKES_MAX = 3
"""A worker that left this many dispatches in a row unanswered is skipped for a while."""

SKIP_FOR = 30.0
"""Seconds for which such a worker is skipped."""

FORGED_BEATS = 3
"""A report that is ahead of the worker's own row for this many beats is not the worker's."""


class _Member:
    def __init__(self, row: WorkerState, at: float) -> None:
        self.row = row
        self.report_no = -1
        self.heard_at_beat = row.beat_no
        self.busy = 0
        self.taken = 0
        self.sent = 0
        self.moved_at = at
        self.doubtful = False
        self.strikes = 0
        self.skip_until = at
        self.update(row, at)

    def update(self, row: WorkerState, at: float) -> None:
        """Take the worker's row as it is; what was sent is known to the row alone."""
        self.row = row
        if row.beat_no >= self.heard_at_beat + FORGED_BEATS and row.report_no < self.report_no:
            # Anybody may notify. What the worker itself has not confirmed by now was forged.
            self.report_no = -1
        self.sent = row.tasks_sent
        self.doubtful = False
        self.hear(row.report_no, row.slots_busy, row.tasks_taken, at)

    def hear(self, report_no: int, busy: int, taken: int, at: float) -> None:
        if report_no < self.report_no:
            return
        if taken != self.taken:
            self.moved_at = at
            self.strikes = 0
        self.report_no, self.busy, self.taken = report_no, busy, taken
        self.heard_at_beat = self.row.beat_no

    def under_way(self) -> int:
        """Dispatches not yet taken. A report may have left before the last of them arrived."""
        return max(0, self.sent - self.taken)

    def slots_free(self) -> int:
        return self.row.slots_total - self.busy - self.under_way()

    def is_open(self, at: float) -> bool:
        return (
            self.row.state == "live"
            and not self.doubtful
            and at >= self.skip_until
            and self.slots_free() > 0
        )

    def can_do(self, queue: str, ty: str) -> bool:
        return ty in self.row.types and (not self.row.queues or queue in self.row.queues)


class Roster:
    """The workers known to be alive. `at` is a moment of the local clock, in seconds.

    Who was silent for a `lease` begins nothing until it has beaten again. Whoever supervises from
    now on may not call it lost so soon, but need not fill its slots either.
    """

    def __init__(self, *, lease: float) -> None:
        self._lease = lease
        self._members: dict[Incarnation, _Member] = {}
        self._ring = Ring()

    def __len__(self) -> int:
        return len(self._members)

    def survey(self, workers: Sequence[WorkerState], at: float) -> None:
        """Take in all workers that are there; whoever is missing is gone."""
        members: dict[Incarnation, _Member] = {}
        for row in workers:
            member = self._members.get(row.incarnation)
            if member is None:
                member = _Member(row, at)
            else:
                member.update(row, at)
            members[row.incarnation] = member
        self._members = members
        self._ring.keep_only({member.row.id for member in members.values()})

    def hear(self, report: WorkerReported, at: float) -> None:
        """Take in a report; from a stranger it means nothing until the next survey."""
        member = self._members.get(report.incarnation)
        if member is not None:
            member.hear(report.report_no, report.slots_busy, report.tasks_taken, at)

    def sent(self, incarnation: Incarnation, tasks: int, at: float) -> None:
        """Count tasks that the database agreed to dispatch."""
        member = self._members.get(incarnation)
        if member is None:
            return
        if not member.under_way():
            member.moved_at = at
        member.sent += tasks

    def doubt(self, incarnation: Incarnation) -> None:
        """The database refused this worker: leave it alone until its row was read again."""
        if member := self._members.get(incarnation):
            member.doubtful = True

    def strike(self, incarnation: Incarnation, at: float) -> None:
        """The worker let a dispatch go stale; after a few in a row it is skipped."""
        if member := self._members.get(incarnation):
            member.moved_at = at
            member.strikes += 1
            if member.strikes >= STRIKES_MAX:
                member.skip_until = at + SKIP_FOR
                member.strikes = 0

    def unanswered(self, at: float, patience: float) -> list[Incarnation]:
        """Workers that have had dispatches under way for so long without taking any."""
        return [
            incarnation
            for incarnation, member in self._members.items()
            if member.under_way() and at - member.moved_at >= patience
        ]

    def has_slot(self, incarnation: Incarnation, at: float) -> bool:
        """Whether a worker could be given a task now."""
        member = self._members.get(incarnation)
        return member is not None and self._is_open(member, at)

    def _is_open(self, member: _Member, at: float) -> bool:
        return member.row.silent < self._lease and member.is_open(at)

    def openings(
        self,
        at: float,
        rng: Random,
        *,
        due: int = 0,
        strategy: Strategy = Strategy.RANDOM,
        only: Incarnation | None = None,
    ) -> "Openings":
        """The free slots as they are now, to be given out to at least `due` tasks.

        With `only`, those of one worker.
        """
        members = [
            member
            for incarnation, member in self._members.items()
            if (only is None or incarnation == only) and self._is_open(member, at)
        ]
        share = due // max(1, len(members))
        return Openings(members, strategy, share=share, rng=rng, ring=self._ring)


class Openings:
    """Free slots of one moment, given out to workers that can do a task, as a strategy says."""

    def __init__(
        self, members: list[_Member], strategy: Strategy, *, share: int, rng: Random, ring: Ring
    ) -> None:
        self._openings = [(member, Opening(member.row, member.slots_free())) for member in members]
        self._choose = partial(choose, strategy, share=share, rng=rng, ring=ring)
        self._choices: dict[tuple[str, str], Choice] = {}
        self._choice: Choice | None = None

    def has_slot(self, lane: Lane) -> bool:
        """Whether a worker that can do this lane's tasks has a slot left; picks one."""
        key = lane.queue, lane.ty
        choice = self._choices.get(key)
        if choice is None:
            capable = [opening for member, opening in self._openings if member.can_do(*key)]
            choice = self._choices[key] = self._choose(capable)
        self._choice = choice
        return choice.pick(lane)

    def take_slot(self) -> Incarnation:
        """Take the slot that `has_slot` has just found."""
        assert self._choice is not None, "take_slot without has_slot"
        return self._choice.take()

"""The office of whoever hands out tasks: a leader's for a term, or a worker's seat in hash mode.

It says what a session of supervising may do, and raises what ends it.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from fcs.database.leadership import Candidate, Look
from fcs.database.workers import Survey, Tenure
from fcs.domain.errors import LeadershipLost
from fcs.domain.facts import WorkerReported, WorkerState
from fcs.domain.ids import Incarnation, TaskId, WorkerId
from fcs.domain.leadership import Leadership
from fcs.domain.share import Share, until_relief
from fcs.domain.topology import Mode, is_candidate


class ModeChanged(Exception):
    """The cluster is to be led by others from now on, or by nobody."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(f"the mode of the cluster is {mode} now")
        self.mode = mode


class Office(Protocol):
    """`share` is what falls to a worker, where each hands out to itself alone."""

    @property
    def tenure(self) -> Tenure | None: ...
    @property
    def share(self) -> Share | None: ...

    def surveyed(self, seen: Survey, *, asked_at: float, answered_at: float) -> None:
        """Take in a survey. Raises `LeadershipLost` and `ModeChanged`."""

    def is_over(self, seen: Look) -> bool:
        """Whether the office has ended, by what another look has found."""

    def may_reap(self, worker: WorkerState) -> bool:
        """Whether it falls to this one to end a silent worker, and to chase what one has left."""

    def does_upkeep(self, now: datetime) -> bool:
        """Whether it falls to this one to do what has to be done once for all."""

    def until_relief(self, now: datetime) -> float:
        """Seconds until that may fall to another."""


class Term:
    """The office of a leader: everything falls to it, as long as its lease lasts."""

    share = None

    def __init__(self, me: Candidate, leadership: Leadership, *, term: int, lease: float) -> None:
        self.tenure = Tenure(me.node, term, lease)
        self._me, self._leadership = me, leadership

    def surveyed(self, seen: Survey, *, asked_at: float, answered_at: float) -> None:
        """A survey renews the term."""
        if not seen.is_renewed:
            self._leadership.refused(answered_at)
            raise LeadershipLost(f"somebody else leads, or this term was ended: {self}")
        self._leadership.renewed(asked_at=asked_at)
        if not is_candidate(self._me.part, seen.mode):
            raise ModeChanged(seen.mode)

    def is_over(self, seen: Look) -> bool:
        return (seen.lease.term, seen.lease.holder) != (self.tenure.term, self.tenure.node)

    def may_reap(self, worker: WorkerState) -> bool:
        return True

    def does_upkeep(self, now: datetime) -> bool:
        return True

    def until_relief(self, now: datetime) -> float:
        return float("inf")

    def __str__(self) -> str:
        return f"term={self.tenure.term}"


class Seat:
    """The office of a worker in hash mode: its own share, handed out to itself.

    The worker runs in another thread; `account` reads how it is, and `hint` names tasks to it.
    """

    tenure = None

    def __init__(
        self,
        id: WorkerId,
        incarnation: Incarnation,
        *,
        account: Callable[[], tuple[int, int, int]],
        hint: Callable[[Sequence[TaskId]], None],
        lease: float,
    ) -> None:
        self.share = Share(id, incarnation)
        self.hint = hint
        self._account = account
        self._lease = lease
        self._waker: Callable[[], object] | None = None

    def report(self) -> WorkerReported:
        """How the worker is just now."""
        return WorkerReported(self.share.incarnation, *self._account())

    def wake_when_freed(self, wake: Callable[[], None]) -> None:
        """Call `wake` in this event loop, once, when a slot has become free."""
        loop = asyncio.get_running_loop()
        self._waker = lambda: loop.call_soon_threadsafe(wake)

    def freed(self) -> None:
        """A slot has become free. Called in the worker's thread."""
        if self._waker is not None:
            waker, self._waker = self._waker, None
            try:
                waker()
            except RuntimeError:
                pass  # that session has ended

    def surveyed(self, seen: Survey, *, asked_at: float, answered_at: float) -> None:
        if seen.mode is not Mode.HASH:
            raise ModeChanged(seen.mode)

    def is_over(self, seen: Look) -> bool:
        return seen.mode is not Mode.HASH

    def may_reap(self, worker: WorkerState) -> bool:
        return self.share.may_reap(worker, lease=self._lease)

    def does_upkeep(self, now: datetime) -> bool:
        return self.share.is_on_duty(now, lease=self._lease)

    def until_relief(self, now: datetime) -> float:
        return until_relief(now)

    def __str__(self) -> str:
        return f"worker by worker, incarnation={self.share.incarnation}"

"""The small model: what each statement ought to do, told without a database.

It is written from the promise and the protocol, not from the SQL. Times are seconds since noon.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fcs.domain.task import FINAL, Status

PRUNE_AFTER: Final = 30.0


def moment(seconds: float) -> float:
    """As Postgres keeps it: to the microsecond."""
    return round(seconds, 6)


@dataclass
class Task:
    """What the row of a task ought to say."""

    created_at: float
    scheduled_at: float | None = None
    max_attempts: int = 1
    runs_again: bool = False
    """Whether it asked to run again when its worker dies."""
    needs: set[int] = field(default_factory=set)
    """Those whose ends are still to be counted."""
    needs_may_fail: bool = False
    status: Status = Status.PENDING
    due_at: float | None = None
    due_at_least: float | None = None
    """Where chance has a part in when it falls due: not before this."""
    incarnation: int | None = None
    dispatch_no: int = 0
    attempt: int = 0
    run: int | None = None
    is_unwanted: bool = False
    ended_at: float = 0.0

    @property
    def usual_due_at(self) -> float:
        return max(self.created_at, self.scheduled_at or self.created_at)

    def wait(self, due_at: float) -> None:
        self.status, self.due_at, self.due_at_least = Status.PENDING, moment(due_at), None
        self.incarnation = self.run = None

    def end(self, status: Status, now: float) -> None:
        self.status, self.ended_at = status, now
        self.due_at = self.due_at_least = self.incarnation = None


@dataclass
class Worker:
    """What the row of a process ought to say."""

    state: str = "live"
    beat_no: int = 0
    sent: int = 0
    taken: int = 0
    """How many dispatches it has moved on itself, whether it has heard so or not."""

    @property
    def is_there(self) -> bool:
        return self.state in ("live", "draining")


class Begin(NamedTuple):
    incarnation: int
    task: int
    dispatch_no: int
    run: int
    attempt: int


class Model:
    """The tables. Each method is a statement; it returns what that ought to answer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: dict[int, Task] = {}
        self.workers: dict[int, Worker] = {}
        self.homes: dict[int, int] = {}
        """The latest process of each worker id."""
        self.term = 0
        self.leader: str | None = None
        self.lease_ends_at = 0.0

    # Clients

    def create(self, n: int, task: Task) -> bool:
        if n in self.tasks:
            return False
        task.needs = {need for need in task.needs if self._status(need) is not Status.SUCCEEDED}
        task.due_at = None if task.needs else task.usual_due_at
        self.tasks[n] = task
        return True

    def cancel(self, n: int) -> None:
        task = self.tasks.get(n)
        if task is None:
            return
        if task.status in (Status.PENDING, Status.DISPATCHED):
            self._unsend(task)
            task.end(Status.CANCELLED, self.now)
            task.is_unwanted = True
        elif task.status is Status.RUNNING:
            task.is_unwanted = True

    def delete(self, n: int) -> None:
        task = self.tasks.get(n)
        if task is not None and task.status is not Status.RUNNING and not self.is_awaited(n):
            self._unsend(task)
            del self.tasks[n]

    # Supervisors and reapers

    def dispatch(self, n: int, incarnation: int, term: int | None) -> bool:
        task, worker = self.tasks.get(n), self.workers[incarnation]
        if task is None or task.status is not Status.PENDING or worker.state != "live":
            return False
        if task.due_at is None or task.due_at > self.now or term not in (None, self.term):
            return False
        task.status, task.incarnation, task.due_at = Status.DISPATCHED, incarnation, None
        task.dispatch_no += 1
        worker.sent += 1
        return True

    def take_back(self, n: int, incarnation: int, dispatch_no: int) -> bool:
        task = self._dispatched(n, incarnation, dispatch_no)
        if task is None:
            return False
        self._unsend(task)
        task.wait(task.usual_due_at)
        return True

    def reap(self, incarnation: int, state: str) -> None:
        for task in self.tasks.values():
            if task.incarnation == incarnation:
                self._lose(task)
        worker = self.workers[incarnation]
        worker.state, worker.sent, worker.taken = state, 0, 0

    def _lose(self, task: Task) -> None:
        """Its worker is gone."""
        if task.status is Status.DISPATCHED:
            task.wait(task.usual_due_at)
        elif task.runs_again and task.attempt < task.max_attempts and not task.is_unwanted:
            pause = min(300.0, 2.0 ** min(task.attempt, 9))
            not_before = task.scheduled_at or self.now
            task.wait(max(self.now + pause, not_before))
            task.due_at_least = max(self.now + pause / 2, not_before)
        else:
            task.end(Status.INTERRUPTED, self.now)

    def settle(self) -> None:
        """Until nothing is left to be counted."""
        while any(self._settle(task) for task in self.tasks.values()):
            pass

    def _settle(self, task: Task) -> bool:
        ended = {need for need in task.needs if self._status(need) in (None, *FINAL)}
        task.needs -= ended
        if not ended or task.status is not Status.PENDING:
            return False
        failed = any(self._status(need) is not Status.SUCCEEDED for need in ended)
        if failed and not task.needs_may_fail:
            task.end(Status.CANCELLED, self.now)
            task.is_unwanted = True
        elif not task.needs:
            task.due_at = max(self.now, task.scheduled_at or self.now)
        return True

    def prune(self) -> list[int]:
        """Everything that ended long enough ago, and is not waited for."""
        ripe = [
            n
            for n, task in self.tasks.items()
            if task.status in FINAL
            and task.ended_at < moment(self.now - PRUNE_AFTER)
            and not any(n in other.needs for other in self.tasks.values())
        ]
        for n in ripe:
            del self.tasks[n]
        return ripe

    def bid(self, node: str, term: int, lease: float) -> bool:
        is_taken = self.leader not in (None, node) and self.lease_ends_at > self.now
        if term != self.term + 1 or is_taken:
            return False
        self.term, self.leader, self.lease_ends_at = term, node, moment(self.now + lease)
        return True

    def renew(self, node: str, term: int, lease: float) -> bool:
        if (node, term) != (self.leader, self.term):
            return False
        self.lease_ends_at = moment(self.now + lease)
        return True

    def resign(self, node: str, term: int) -> None:
        if (node, term) == (self.leader, self.term):
            self.leader, self.lease_ends_at = None, self.now

    # Workers

    def fetch(self, incarnation: int) -> dict[int, int]:
        """What lies with a process: tasks, and the numbers of their dispatches."""
        return {
            n: task.dispatch_no
            for n, task in self.tasks.items()
            if (task.status, task.incarnation) == (Status.DISPATCHED, incarnation)
        }

    def begin(self, asked: Begin) -> bool:
        task = self._dispatched(asked.task, asked.incarnation, asked.dispatch_no)
        if task is not None and task.attempt + 1 == asked.attempt:
            task.status, task.run, task.attempt = Status.RUNNING, asked.run, asked.attempt
            self.workers[asked.incarnation].taken += 1
            return True
        known = self._running(asked.task, asked.run)
        return known is not None and known.incarnation == asked.incarnation

    def finish(self, n: int, run: int, status: Status) -> bool:
        task = self._running(n, run)
        if task is not None:
            task.end(status, self.now)
        return task is not None

    def retry(self, n: int, run: int, delay: float, more_attempts: int) -> bool:
        task = self._running(n, run)
        if task is None or task.attempt >= task.max_attempts + more_attempts or task.is_unwanted:
            return False
        task.max_attempts += more_attempts
        task.wait(max(self.now + delay, task.scheduled_at or self.now))
        return True

    def release(self, n: int, run: int) -> bool:
        task = self._running(n, run)
        if task is None:
            return False
        task.attempt -= 1
        task.run = None
        if task.is_unwanted:
            task.end(Status.CANCELLED, self.now)
        else:
            task.wait(task.usual_due_at)
        return True

    def hand_back(self, n: int, incarnation: int, dispatch_no: int) -> bool:
        task = self._dispatched(n, incarnation, dispatch_no)
        if task is not None:
            self.workers[incarnation].taken += 1
            task.wait(task.usual_due_at)
        return task is not None

    def refuse(self, n: int, incarnation: int, dispatch_no: int) -> bool:
        task = self._dispatched(n, incarnation, dispatch_no)
        if task is not None:
            self.workers[incarnation].taken += 1
            task.end(Status.FAILED, self.now)
        return task is not None

    # Looking

    def lying(self, incarnation: int) -> int:
        return len(self.fetch(incarnation))

    def _status(self, n: int) -> Status | None:
        return self.tasks[n].status if n in self.tasks else None

    def _dispatched(self, n: int, incarnation: int, dispatch_no: int) -> Task | None:
        task = self.tasks.get(n)
        if task is None or task.status is not Status.DISPATCHED:
            return None
        return task if (task.incarnation, task.dispatch_no) == (incarnation, dispatch_no) else None

    def _running(self, n: int, run: int) -> Task | None:
        task = self.tasks.get(n)
        return task if task and task.status is Status.RUNNING and task.run == run else None

    def _unsend(self, task: Task) -> None:
        if task.status is Status.DISPATCHED and task.incarnation is not None:
            self.workers[task.incarnation].sent -= 1

    def is_awaited(self, n: int) -> bool:
        return any(
            n in task.needs and task.status is Status.PENDING for task in self.tasks.values()
        )

"""A task: one piece of work, its statuses, and the table of moves between them.

The table is the one description of a task's life. The SQL statements, the diagram in the
documentation and the tests are all held against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

import msgspec

from fcs.domain.ids import RunId, TaskId, WorkerId

DEFAULT_QUEUE: Final = "default"
PRIORITY_MIN: Final = -100
PRIORITY_MAX: Final = 100


class Status(StrEnum):
    PENDING = "pending"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED, Status.CANCELLED})


class Actor(StrEnum):
    """Who may make a move."""

    CLIENT = "client"
    SUPERVISOR = "supervisor"
    WORKER = "worker"
    OWNER = "owner"
    """The worker that holds the run's token."""
    REAPER = "reaper"
    WITNESS = "witness"
    """A worker that knows of runs which the database has forgotten."""
    OPERATOR = "operator"
    """Whoever adopts a database that may have forgotten something."""


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed change of a task, and the statement that makes it.

    `before` or `after` is `None` where the row does not exist. `fence` names the columns
    that the statement compares before it sets anything.
    """

    name: str
    before: Status | None
    after: Status | None
    actor: Actor
    statement: str
    fence: tuple[str, ...]


_DISPATCHED = ("id", "status", "incarnation", "dispatch_no")
_RUN = ("id", "status", "run_id")
_HELD = ("status", "incarnation")

MOVES: Final[tuple[Move, ...]] = (
    Move("create", None, Status.PENDING, Actor.CLIENT, "create", ("id",)),
    Move("repeat", None, Status.PENDING, Actor.CLIENT, "repeat", ("id",)),
    Move("create plain", None, Status.PENDING, Actor.CLIENT, "create_plain", ("id",)),
    Move("create alike", None, Status.PENDING, Actor.CLIENT, "create_alike", ("id",)),
    Move("create linked", None, Status.PENDING, Actor.CLIENT, "create_linked", ("id", "key")),
    Move("dispatch", Status.PENDING, Status.DISPATCHED, Actor.SUPERVISOR, "dispatch",
         ("id", "status", "due_at")),
    Move("begin", Status.DISPATCHED, Status.RUNNING, Actor.WORKER, "begin",
         (*_DISPATCHED, "attempt")),
    Move("hand back", Status.DISPATCHED, Status.PENDING, Actor.WORKER, "hand_back", _DISPATCHED),
    Move("refuse", Status.DISPATCHED, Status.FAILED, Actor.WORKER, "refuse", _DISPATCHED),
    Move("take back", Status.DISPATCHED, Status.PENDING, Actor.SUPERVISOR, "take_back",
         _DISPATCHED),
    Move("reap", Status.DISPATCHED, Status.PENDING, Actor.REAPER, "reap", _HELD),
    Move("succeed", Status.RUNNING, Status.SUCCEEDED, Actor.OWNER, "succeed", _RUN),
    Move("succeed with a result", Status.RUNNING, Status.SUCCEEDED, Actor.OWNER, "finish", _RUN),
    Move("fail", Status.RUNNING, Status.FAILED, Actor.OWNER, "finish", _RUN),
    Move("interrupt", Status.RUNNING, Status.INTERRUPTED, Actor.OWNER, "finish", _RUN),
    Move("stop", Status.RUNNING, Status.CANCELLED, Actor.OWNER, "finish", _RUN),
    Move("retry", Status.RUNNING, Status.PENDING, Actor.OWNER, "retry", (*_RUN, "max_attempts")),
    Move("testify", Status.RUNNING, Status.INTERRUPTED, Actor.OWNER, "testify", _RUN),
    Move("testify and retry", Status.RUNNING, Status.PENDING, Actor.OWNER, "testify",
         (*_RUN, "retry_interrupted", "max_attempts")),
    Move("testify", Status.RUNNING, Status.INTERRUPTED, Actor.WITNESS, "testify",
         (*_RUN, "on_hold_since")),
    Move("testify and retry", Status.RUNNING, Status.PENDING, Actor.WITNESS, "testify",
         (*_RUN, "on_hold_since", "retry_interrupted", "max_attempts")),
    Move("testify", Status.PENDING, Status.INTERRUPTED, Actor.WITNESS, "testify", _RUN),
    Move("testify", Status.DISPATCHED, Status.INTERRUPTED, Actor.WITNESS, "testify", _RUN),
    Move("testify and retry", Status.DISPATCHED, Status.PENDING, Actor.WITNESS, "testify",
         (*_RUN, "retry_interrupted", "max_attempts")),
    Move("adopt", Status.DISPATCHED, Status.INTERRUPTED, Actor.OPERATOR, "adopt",
         ("id", *_HELD)),
    Move("adopt and retry", Status.DISPATCHED, Status.PENDING, Actor.OPERATOR, "adopt",
         ("id", *_HELD, "retry_interrupted", "max_attempts")),
    Move("release unwanted", Status.RUNNING, Status.CANCELLED, Actor.OWNER, "release",
         (*_RUN, "cancel_requested_at")),
    Move("release", Status.RUNNING, Status.PENDING, Actor.OWNER, "release", _RUN),
    Move("reap", Status.RUNNING, Status.INTERRUPTED, Actor.REAPER, "reap", _HELD),
    Move("reap and retry", Status.RUNNING, Status.PENDING, Actor.REAPER, "reap",
         (*_HELD, "retry_interrupted", "max_attempts")),
    Move("cancel", Status.PENDING, Status.CANCELLED, Actor.CLIENT, "cancel", ("id", "status")),
    Move("cancel", Status.DISPATCHED, Status.CANCELLED, Actor.CLIENT, "cancel", ("id", "status")),
    Move("settle", Status.PENDING, Status.CANCELLED, Actor.SUPERVISOR, "settle",
         ("id", "status", "open_needs")),
    Move("delete", Status.PENDING, None, Actor.CLIENT, "delete", ("id", "status")),
    Move("delete", Status.DISPATCHED, None, Actor.CLIENT, "delete", ("id", "status")),
    *(
        Move("delete", status, None, Actor.CLIENT, "delete", ("id", "status"))
        for status in sorted(FINAL)
    ),
    *(
        Move("prune", status, None, Actor.SUPERVISOR, "prune", ("id", "status", "updated_at"))
        for status in sorted(FINAL)
    ),
)  # fmt: skip


def is_allowed(before: Status | None, after: Status | None) -> bool:
    """Whether any actor may move a task so; staying in a status is not a move."""
    return any((move.before, move.after) == (before, after) for move in MOVES)


class OnInterrupt(StrEnum):
    """What becomes of a run whose worker died."""

    INTERRUPT = "interrupt"
    """The task is over: nobody knows how far its body came."""
    RETRY = "retry"
    """The body may run again, as long as attempts are left."""


class WhenNeedsFail(StrEnum):
    """What becomes of a task when one that it needs ends without success."""

    CANCEL = "cancel"
    """It is cancelled, and so is what needs it in turn."""
    RUN = "run"
    """It runs all the same, once all have ended."""


class StopLevel(StrEnum):
    """How a task was brought to stop: what it took."""

    BEFORE_START = "before_start"
    """The body was never started."""
    FLAG = "flag"
    """The body saw that it was asked, and left."""
    CANCEL = "cancel"
    """The async body was cancelled where it awaited."""
    KILL = "kill"
    """The child process was killed."""


# Nothing that it holds leads back to it, so the collector of garbage need not look at it.
class NewTask(msgspec.Struct, frozen=True, gc=False):
    """What a client writes down: a task to be.

    `args` is a JSON object as text. `scheduled_at` is aware; `None` means as soon as possible.
    `delay` and `timeout` are in seconds: the delay counts from the creation, by the database's
    clock, the timeout from the begin of each run. `limit_key` names what the task shares a
    limit with, "" nothing. `key` is that of the request, the same for all its tasks.
    `after` names the tasks that have to end first.
    """

    id: TaskId
    ty: str
    args: bytes
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    scheduled_at: datetime | None = None
    delay: float | None = None
    max_attempts: int = 1
    timeout: float | None = None
    on_interrupt: OnInterrupt = OnInterrupt.INTERRUPT
    limit_key: str = ""
    key: str | None = None
    after: tuple[TaskId, ...] = ()
    when_needs_fail: WhenNeedsFail = WhenNeedsFail.CANCEL


def are_alike(tasks: Sequence[NewTask]) -> bool:
    """Whether tasks differ in nothing but their ids and arguments."""
    kinds = map(_kind, tasks)
    first = next(kinds, None)
    return all(kind == first for kind in kinds)


_kind = attrgetter(*(name for name in NewTask.__struct_fields__ if name not in ("id", "args")))


class LateReport(msgspec.Struct, frozen=True):
    """What the worker of a lost run said afterwards. It changes no status."""

    run_id: RunId
    status: Status
    error: str | None
    reported_at: datetime


class CancelRequest(msgspec.Struct, frozen=True):
    """That somebody asked for the end of a task; `level` once it has come to that."""

    requested_at: datetime
    reason: str
    level: StopLevel | None


class AttemptOutcome(StrEnum):
    """How one run came out. What that means for the task, its status tells."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"


class Attempt(msgspec.Struct, frozen=True):
    """One run of a task; `outcome` and `ended_at` are `None` while it runs."""

    attempt: int
    run_id: RunId
    worker_id: WorkerId | None
    outcome: AttemptOutcome | None
    started_at: datetime
    ended_at: datetime | None
    error_type: str | None
    error: str | None
    trace: str | None
    logs: str | None
    late_report: LateReport | None = None


class Need(msgspec.Struct, frozen=True):
    """A task that another one waits for, or waited for; without a status it is gone."""

    id: TaskId
    status: Status | None


class TaskView(msgspec.Struct, frozen=True):
    """A task as people and programs look at it.

    `args_text`, `result_text` and `progress_text` are JSON as the row holds it. `due_at` is when
    a pending task falls due, which for a later attempt is not `scheduled_at`. From `late_report`
    on it is what only a look at the single task shows; of `after` the first hundred, those that
    have yet to end before the others.
    """

    id: TaskId
    ty: str
    args_text: str
    status: Status
    worker_id: WorkerId | None
    queue: str
    priority: int
    attempt: int
    created_at: datetime
    updated_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    error: str | None
    due_at: datetime | None = None
    max_attempts: int = 1
    timeout: float | None = None
    on_interrupt: OnInterrupt = OnInterrupt.INTERRUPT
    limit_key: str = ""
    result_text: str | None = None
    progress_text: str | None = None
    cancel: CancelRequest | None = None
    late_report: LateReport | None = None
    key: str | None = None
    after: list[Need] = []

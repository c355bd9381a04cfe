"""A task: one piece of work, its statuses, and the table of moves between them.

The table is the one description of a task's life. The SQL statements, the diagram in the
documentation and the tests are all held against it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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

MOVES: Final[tuple[Move, ...]] = (
    Move("create", None, Status.PENDING, Actor.CLIENT, "create", ("id",)),
    Move("dispatch", Status.PENDING, Status.DISPATCHED, Actor.SUPERVISOR, "dispatch",
         ("id", "status", "due_at")),
    Move("begin", Status.DISPATCHED, Status.RUNNING, Actor.WORKER, "begin", _DISPATCHED),
    Move("hand back", Status.DISPATCHED, Status.PENDING, Actor.WORKER, "hand_back", _DISPATCHED),
    Move("refuse", Status.DISPATCHED, Status.FAILED, Actor.WORKER, "refuse", _DISPATCHED),
    Move("take back", Status.DISPATCHED, Status.PENDING, Actor.SUPERVISOR, "take_back",
         _DISPATCHED),
    Move("reap", Status.DISPATCHED, Status.PENDING, Actor.REAPER, "reap",
         ("status", "incarnation")),
    Move("succeed", Status.RUNNING, Status.SUCCEEDED, Actor.OWNER, "finish", _RUN),
    Move("fail", Status.RUNNING, Status.FAILED, Actor.OWNER, "finish", _RUN),
    Move("interrupt", Status.RUNNING, Status.INTERRUPTED, Actor.OWNER, "finish", _RUN),
    Move("release", Status.RUNNING, Status.PENDING, Actor.OWNER, "release", _RUN),
    Move("reap", Status.RUNNING, Status.INTERRUPTED, Actor.REAPER, "reap",
         ("status", "incarnation")),
    Move("delete", Status.PENDING, None, Actor.CLIENT, "delete", ("id", "status")),
    Move("delete", Status.DISPATCHED, None, Actor.CLIENT, "delete", ("id", "status")),
    *(
        Move("delete", status, None, Actor.CLIENT, "delete", ("id", "status"))
        for status in sorted(FINAL)
    ),
)  # fmt: skip


def is_allowed(before: Status | None, after: Status | None) -> bool:
    """Whether any actor may move a task so; staying in a status is not a move."""
    return any((move.before, move.after) == (before, after) for move in MOVES)


class NewTask(msgspec.Struct, frozen=True):
    """What a client writes down: a task to be.

    `args` is a JSON object as text. `scheduled_at` is aware; `None` means as soon as possible.
    """

    id: TaskId
    ty: str
    args: bytes
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    scheduled_at: datetime | None = None


class LateReport(msgspec.Struct, frozen=True):
    """What the worker of a lost run said afterwards. It changes no status."""

    run_id: RunId
    status: Status
    error: str | None
    reported_at: datetime


class TaskView(msgspec.Struct, frozen=True):
    """A task as people and programs look at it. `args_text` is JSON as the row holds it."""

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
    late_report: LateReport | None = None

"""Bodies of tasks, and the ledger that says which of them started: kept by the simulation alone."""

from typing import NamedTuple

import msgspec

from fcs.domain.ids import Incarnation, RunId, TaskId


class Script(NamedTuple):
    """What the body of a task does, whatever attempt it is."""

    seconds: float
    fails: int
    """So many of its first attempts raise."""
    heeds: bool
    """Whether it ends when it is asked to."""
    is_readable: bool = True
    """Whether its arguments can be bound."""


class Start(msgspec.Struct):
    """A body that started. Times are the kernel's."""

    no: int
    task_id: TaskId
    run_id: RunId
    attempt: int
    incarnation: Incarnation
    at: float
    ended_at: float | None = None
    end: str = ""
    """How it ended: `returned`, `raised`, `stopped` or `cut`; empty while it runs."""
    is_forgotten: bool = False
    """Whether a failover has lost its begin."""
    witnessed_by: int | None = None
    """The commit by which its worker has told so."""
    is_excused: bool = False
    """Whether its worker had not told so when somebody adopted the database: nobody knew of it."""


class Ledger:
    """All starts, in order."""

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.by_task: dict[TaskId, list[Start]] = {}
        self.by_run: dict[RunId, Start] = {}
        self.running: dict[Incarnation, int] = {}

    def started(self, start: Start) -> None:
        self.starts.append(start)
        self.by_task.setdefault(start.task_id, []).append(start)
        self.by_run[start.run_id] = start
        self.running[start.incarnation] = self.running.get(start.incarnation, 0) + 1

    def ended(self, start: Start, how: str, at: float) -> None:
        if not start.end:
            start.end, start.ended_at = how, at
            self.running[start.incarnation] -= 1

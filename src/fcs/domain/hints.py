"""Hints: the words of a notification. They name rows to look at and give no authority.

    tasks ID ID …          these tasks are new, or pending again (to the supervisor)
    scan                   tasks came in that are too many to name (to the supervisor)
    settle                 needed tasks have ended, or are newly needed (to the supervisor)
    rescan                 tasks came back that are too many to name (to the supervisor)
    workers                a worker joined, drains or left (to the supervisor)
    schedules              a schedule was made, changed or removed (to the supervisor)
    queues                 a queue was paused, resumed, or has other limits (to the supervisor)
    report INC NO BUSY N   how a worker is: report number, busy slots, tasks taken so far
    ID ID …                these tasks were dispatched to you (to a worker)
    cancel ID ID …         somebody wants the end of these, which you run (to a worker)

Anything else is somebody's garbage: it is counted and ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from fcs.domain.facts import WorkerReported
from fcs.domain.ids import Incarnation, TaskId, read_ids

SUPERVISOR_CHANNEL = "fcs_supervisor"
NUMBER_MAX = 2**62


@dataclass(frozen=True, slots=True)
class TasksNamed:
    ids: list[TaskId]


@dataclass(frozen=True, slots=True)
class Scan:
    pass


@dataclass(frozen=True, slots=True)
class Rescan:
    pass


@dataclass(frozen=True, slots=True)
class Settle:
    pass


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    pass


@dataclass(frozen=True, slots=True)
class SchedulesChanged:
    pass


@dataclass(frozen=True, slots=True)
class QueuesChanged:
    pass


@dataclass(frozen=True, slots=True)
class CancelAsked:
    ids: list[TaskId]


Hint = (
    TasksNamed
    | Scan
    | Rescan
    | Settle
    | WorkersChanged
    | SchedulesChanged
    | QueuesChanged
    | WorkerReported
)


def worker_channel(incarnation: Incarnation) -> str:
    """The channel on which a worker hears of its tasks; one for each process start."""
    return f"fcs_worker_{incarnation.hex}"


def report(incarnation: Incarnation, report_no: int, busy: int, taken: int) -> str:
    """A worker's account of itself, as `parse_for_supervisor` reads it."""
    return f"report {incarnation} {report_no} {busy} {taken}"


def parse_for_supervisor(payload: str) -> Hint | None:
    """Read a hint; `None` for garbage."""
    try:
        if payload.startswith("tasks "):
            return TasksNamed(_read_tasks(payload.removeprefix("tasks ")))
        word, *rest = payload.split()[:1000] or [""]
        match word, rest:
            case "scan", []:
                return Scan()
            case "rescan", []:
                return Rescan()
            case "settle", []:
                return Settle()
            case "workers", []:
                return WorkersChanged()
            case "schedules", []:
                return SchedulesChanged()
            case "queues", []:
                return QueuesChanged()
            case "report", [incarnation, *numbers]:
                no, busy, taken = (_number(text) for text in numbers)
                return WorkerReported(Incarnation(UUID(incarnation)), no, busy, taken)
    except ValueError:
        pass
    return None


def parse_for_worker(payload: str) -> TasksNamed | CancelAsked | None:
    """Read a hint; `None` for garbage."""
    try:
        if payload.startswith("cancel "):
            return CancelAsked(_read_tasks(payload.removeprefix("cancel ")))
        return TasksNamed(_read_tasks(payload))
    except ValueError:
        return None


def name_tasks(ids: Sequence[TaskId]) -> str:
    """The hint by which a worker is told of tasks once more."""
    return " ".join(str(id) for id in ids)


def _read_tasks(text: str) -> list[TaskId]:
    return cast(list[TaskId], read_ids(text))


def _number(text: str) -> int:
    number = int(text) if len(text) <= 20 else -1
    if not 0 <= number < NUMBER_MAX:
        raise ValueError(text)
    return number

"""A life of a task as it should be, as the books of a torture tell it, and what it is made of."""

from typing import Any

from proof.torture.finding import Finding
from proof.torture.history import Act, Call, Event, History, Instance, Line

NOON = 1_000_000.0
"""What is to be added to boot time for the machine's clock."""

WORKER = "w-1"
INSTANCE = "worker-1.1"

Row = dict[str, Any]


def line(mark: str, boot: float, **other: Any) -> Line:
    plain = Line(mark, 1, "task", "run", 1, boot, NOON + boot, 70, INSTANCE)
    return plain._replace(**{"real": NOON + boot, **other})


def event(no: int, before: str | None, after: str, boot: float, **other: Any) -> Event:
    at = NOON + boot
    plain = Event(no, "task", before, after, int(no > 2), None, WORKER, at, at)
    return plain._replace(**other)


def row(**other: Any) -> Row:
    plain = {
        "id": "task",
        "ty": "nap",
        "serial": 1,
        "status": "succeeded",
        "attempt": 1,
        "max_attempts": 1,
        "run": "run",
        "worker": WORKER,
        "scheduled_at": None,
        "due_at": None,
        "cancel_level": None,
    }
    return plain | other


def act(kind: str, began: float, ended: float, *instances: str, **other: Any) -> Act:
    detail = {"seconds": 0.0, **other}
    return Act(1, kind, instances or (INSTANCE,), began, ended, other.get("pid"), detail)


EVENTS = (
    event(1, None, "pending", 10.0),
    event(2, "pending", "dispatched", 10.1),
    event(3, "dispatched", "running", 10.2, run="run"),
    event(4, "running", "succeeded", 11.1, run="run"),
)

GOOD = History(
    lines=(line("began", 10.3), line("ended", 11.0), line("left", 11.0)),
    events=EVENTS,
    calls=(Call((1,), None, "ok", ("task",), "", NOON + 9.9),),
    instances={INSTANCE: Instance(INSTANCE, WORKER, 2, 60, 0.0, None, None)},
    marks={"load over": 50.0, "dumped": 60.0},
    tasks={"task": row()},
    workers=(
        {"worker": WORKER, "state": "live", "slots_busy": 0, "tasks_sent": 1, "tasks_taken": 1},
    ),
    logs={"worker-1.1.log": "ready\n"},
    secrets=("canary",),
    to_real=NOON,
)
"""One task that was created, handed out, begun, run, and that has succeeded."""


def says(found: Finding) -> list[str]:
    return [what for _, what in found.violations]

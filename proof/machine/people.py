"""What the processes know and do that the tables cannot: bodies, and messages on their way."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class Fetched(NamedTuple):
    """A dispatched task as its worker has read it."""

    task: int
    dispatch_no: int
    attempt: int
    max_attempts: int


@dataclass
class Process:
    """A worker's process. It only knows what it was answered."""

    worker: int
    incarnation: int
    slots: int
    is_alive: bool = True
    is_fenced: bool = False
    """It has heard that it was declared lost, or replaced: it takes nothing up any more."""
    held: dict[int, Fetched] = field(default_factory=dict)
    """What it has fetched, and not begun so far."""
    asked: dict[int, Fetched] = field(default_factory=dict)
    """Begins whose answers it does not know, by run."""
    begun: dict[int, Fetched] = field(default_factory=dict)
    """Runs that are its own, and whose bodies have not started."""
    bodies: dict[int, Fetched] = field(default_factory=dict)
    taken: int = 0
    report_no: int = 0

    @property
    def busy(self) -> int:
        return len(self.begun) + len(self.bodies)

    @property
    def takes_up(self) -> bool:
        return self.is_alive and not self.is_fenced

    def die(self) -> None:
        self.is_alive = False
        for memory in (self.held, self.asked, self.begun, self.bodies):
            memory.clear()


class Ledger:
    """Every start and every end of a body, kept apart from the database."""

    def __init__(self) -> None:
        self.starts: Counter[tuple[int, int]] = Counter()
        self.owners: dict[int, tuple[int, int]] = {}
        """Of each run: the process that made it, and its task."""
        self.let_go: set[int] = set()
        """Runs that their owners have told to be over; no row may say that they go on."""
        self.returned: set[int] = set()
        """Runs whose bodies have come to an end by themselves."""

    def start(self, task: int, attempt: int, *, max_attempts: int) -> None:
        """ONCE: no second body of an attempt, and no attempt too many."""
        self.starts[task, attempt] += 1
        assert self.starts[task, attempt] == 1, f"ONCE: task {task} attempt {attempt} starts again"
        bodies = sum(count for (other, _), count in self.starts.items() if other == task)
        assert bodies <= max_attempts, f"ONCE: body {bodies} of task {task}, of {max_attempts}"

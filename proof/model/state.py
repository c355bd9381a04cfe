"""What a state of the model consists of: rows, runs as their workers know them, processes."""

from typing import Final, NamedTuple

from fcs.domain.task import Status

NOBODY: Final = -1
"""No process; the holder of a row that nobody holds."""
NO_RUN: Final = -1

# How far a run has come, by what its worker knows of it. Numbers, as there are many millions.
UNHEARD: Final = 0
"""The row runs; its worker has not heard the answer."""
HEARD: Final = 1
"""Its worker knows that it has begun; the body has not started."""
STARTED: Final = 2
RETURNED: Final = 3
RAISED: Final = 4
CUT: Final = 5
"""Its own worker ended the body: somebody asked for that, or the worker leaves."""
GIVEN_UP: Final = 6
"""Its worker will never start the body, whatever the row says."""
UNKNOWN: Final = 7
"""As `UNHEARD`, but without an answer under way: nobody knows whether the commit will last."""

WAS_STARTED: Final = frozenset({STARTED, RETURNED, RAISED, CUT})
BODY_IS_OVER: Final = frozenset({RETURNED, RAISED, CUT})

# How a process is, and its row: whether others may give it tasks, whether a reaper may end it.
UNBORN: Final = 0
LIVE: Final = 1
FENCED: Final = 2
"""It goes on, but its row was ended: it was suspected."""
DEAD: Final = 3
"""It is gone, and nobody knows."""
BURIED: Final = 4
"""It is gone, and its row was ended."""
ROBBED: Final = 5
"""As `LIVE`, but a reaper without a lock has moved its tasks, and is about to end the row."""
ROBBED_DEAD: Final = 6
"""As `DEAD`, likewise."""
CONDITIONS: Final = 7

IS_ALIVE: Final = (False, True, True, False, False, True, False)
IS_LISTED: Final = (False, True, False, True, False, True, True)
"""Whether the row says that the process is there."""


class Run(NamedTuple):
    """One begin that went through. Runs are numbered as they come: the number is the run id."""

    worker: int
    no: int
    """The number of the dispatch that the worker had read."""
    attempt: int
    """The number of the attempt that it had read: what the body is told."""
    phase: int


class Told(NamedTuple):
    """What the worker of one dispatch could read in the row."""

    worker: int
    no: int
    attempt: int


class Task(NamedTuple):
    """A row, and beside it the runs, of which the row knows the last one at most."""

    status: Status | None = Status.PENDING
    attempt: int = 0
    holder: int = NOBODY
    no: int = 0
    run: int = NO_RUN
    asked: bool = False
    """Whether somebody asked for its end while it was running."""
    runs: tuple[Run, ...] = ()
    told: tuple[Told, ...] = ()
    """One entry for each dispatch, where the model has to remember them; two with one number,
    where a failover has lost the first of them."""


Row = tuple[Status | None, int, int, int, int, bool]
"""What of a task is columns, and so is as old as its server."""


def row_of(task: Task) -> Row:
    """The columns."""
    return (task.status, task.attempt, task.holder, task.no, task.run, task.asked)


def with_row(task: Task, row: Row) -> Task:
    """The task with its row as it was, and its workers as they are."""
    return Task(*row, task.runs, task.told)


Workers = tuple[int, ...]
"""The condition of each process."""


class Offer(NamedTuple):
    """What a statement brings along to compare with the row, and to write into it."""

    holder: int = NOBODY
    no: int = 0
    run: int = NO_RUN
    attempt: int = 0
    """What the worker believes to be the number of the attempt."""


class Label(NamedTuple):
    """What happened."""

    verb: str
    who: int = NOBODY
    run: int = NO_RUN
    no: int = 0


Step = tuple[Label, Task, str]
"""What happens to a task, what becomes of it, and what is wrong with that."""

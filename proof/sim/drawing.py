"""What the steps of a twin run are about: drawn by looking at the fake tables."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from fcs.database.connect import Connection
from fcs.database.runs import Ending, Evidence
from fcs.domain.ids import Incarnation, RunId, TaskId, WorkerId
from fcs.domain.task import AttemptOutcome, Status, StopLevel
from proof.sim.database.tables import Tables, TaskRow, Transaction

TASKS, WORKERS = 12, 3
TYPES: Final = ["a", "b"]
OUCH: Final = Evidence(AttemptOutcome.FAILED, "Ouch", "ouch")


class Step(NamedTuple):
    """The same call for the real database and for the fake one."""

    name: str
    real: Callable[[Connection], Awaitable[Any]]
    fake: Callable[[Transaction], Any]


class Drawing:
    """Things of which most are there, and some are old."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._incarnations = [Incarnation(UUID(int=0xCC00 + no)) for no in range(WORKERS)]
        self._tables_seen: Tables
        self._runs: list[tuple[TaskId, RunId]] = []

    def _is(self, chance: float) -> bool:
        return self._rng.random() < chance

    def _task(self, tables: Tables, *statuses: Status) -> TaskRow | None:
        """Some task, most likely in one of these statuses."""
        rows = list(tables.tasks.values())
        fitting = [row for row in rows if row.status in statuses]
        if fitting and self._is(0.75):
            rows = fitting
        return self._rng.choice(rows) if rows else None

    def _some(self, tables: Tables, *statuses: Status) -> list[TaskRow]:
        rows = [self._task(tables, *statuses) for _ in range(self._rng.randint(1, 3))]
        return list({row.id: row for row in rows if row is not None}.values())

    def _incarnation(self, row: TaskRow | None = None) -> Incarnation:
        if row and row.incarnation and self._is(0.9):
            return row.incarnation
        there = [one.incarnation for one in self._tables_seen.workers.values()]
        return self._rng.choice(there if there and self._is(0.85) else self._incarnations)

    def _worker_id(self) -> WorkerId:
        return WorkerId(UUID(int=0xBB00 + self._rng.randrange(WORKERS)))

    def _run_id(self, row: TaskRow) -> RunId:
        """Most likely the one of the row, or else an old one."""
        if row.run_id and self._is(0.7):
            return row.run_id
        old = [run_id for task_id, run_id in self._runs if task_id == row.id]
        return self._rng.choice(old) if old else RunId(UUID(int=1))

    def _endings(self, tables: Tables) -> list[Ending]:
        made = []
        for row in self._some(tables, Status.RUNNING):
            status = self._rng.choice(
                (Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED, Status.CANCELLED)
            )
            error, evidence, level = None, None, None
            if status is not Status.SUCCEEDED:
                error = "ouch"
                evidence = OUCH if self._is(0.6) else None
            if status is Status.CANCELLED:
                level = StopLevel.FLAG
            made.append(Ending(row.id, self._run_id(row), status, error, None, level, evidence))
        return made

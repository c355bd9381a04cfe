"""Runs in the database: one function for each statement of `queries/runs.sql`.

All of them may be sent twice: each names the run, and says what it finds done as done.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.errors import OnHold
from fcs.domain.ids import Incarnation, RunId, TaskId, WorkerId
from fcs.domain.task import AttemptOutcome, Status, StopLevel

_SQL = load("runs")
_json = msgspec.json.Encoder()

FORGOTTEN: Final = (
    "its worker had begun it, and the database has forgotten that: it is a copy from before, or a"
    " standby that was promoted before it knew"
)

SUCCEEDED: Final = Status.SUCCEEDED
"""By a name of its own, for code that asks for each task: enums are slow to find their members."""


class Beginning(msgspec.Struct, frozen=True, gc=False):
    """What a worker shows to begin a task; `attempt` is the number that the body will be told."""

    task_id: TaskId
    dispatch_no: int
    run_id: RunId
    attempt: int = 1


class Receipt(NamedTuple):
    """A run that a worker knows to have started so many seconds ago; whether it is over by now."""

    task_id: TaskId
    run_id: RunId
    attempt: int
    age: float
    is_over: bool


class Evidence(NamedTuple):
    """What a run leaves behind beside its task's row; safe text throughout."""

    outcome: AttemptOutcome
    error_type: str | None = None
    error: str | None = None
    trace: str | None = None
    logs: str | None = None


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How a run ended that was its task's last. `result` is JSON."""

    task_id: TaskId
    run_id: RunId
    status: Status
    error: str | None = None
    result: str | None = None
    level: StopLevel | None = None
    evidence: Evidence | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say but that it succeeded."""
        return self.status is SUCCEEDED and self.result is None and self.evidence is None


class Again(NamedTuple):
    """A run after which its task is to run again, in `delay` seconds; with `more_attempts` for
    a run that shall not count."""

    task_id: TaskId
    run_id: RunId
    delay: float
    evidence: Evidence
    more_attempts: int = 0

    @property
    def as_last(self) -> Ending:
        """The same run, where its task may not run again after all."""
        status, level = _AS_LAST[self.evidence.outcome]
        return Ending(
            self.task_id, self.run_id, status, self.evidence.error, None, level, self.evidence
        )


_AS_LAST = {
    AttemptOutcome.FAILED: (Status.FAILED, None),
    AttemptOutcome.INTERRUPTED: (Status.INTERRUPTED, None),
    AttemptOutcome.SNOOZED: (Status.CANCELLED, StopLevel.BEFORE_START),
}


async def begin(
    db: Connection, incarnation: Incarnation, beginnings: Sequence[Beginning]
) -> set[TaskId]:
    """Take tasks up; return those that now run under the run ids shown.

    Raises `OnHold` where nothing begins.
    """
    params = {
        "incarnation": incarnation,
        "task_ids": UuidArray(beginning.task_id for beginning in beginnings),
        "dispatch_nos": [beginning.dispatch_no for beginning in beginnings],
        "run_ids": UuidArray(beginning.run_id for beginning in beginnings),
        "attempts": _attempts(beginnings),
    }
    row = await (await db.execute(_SQL["begin"], params, binary=True)).fetchone()
    assert row is not None, "begin always answers"
    ids, is_open = row
    if not is_open:
        raise OnHold
    if ids is None:
        return {beginning.task_id for beginning in beginnings}
    return set(ids)


class Recorded(set[TaskId]):
    """The tasks whose ends were recorded."""

    rang = False
    """Whether the supervisor was told."""


async def succeed(
    db: Connection, endings: Sequence[Ending], report: str, *, is_urgent: bool = True
) -> Recorded:
    """As `finish`, for plain endings: it writes less."""
    params = {
        "task_ids": UuidArray(ending.task_id for ending in endings),
        "run_ids": UuidArray(ending.run_id for ending in endings),
        "report": report,
        "is_urgent": is_urgent,
    }
    row = await (await db.execute(_SQL["succeed"], params, binary=True)).fetchone()
    return _recorded(endings, row)


async def finish(
    db: Connection, endings: Sequence[Ending], report: str, *, is_urgent: bool = True
) -> Recorded:
    """Record how runs ended; return those that were still these runs' to finish.

    `report` is the worker's account of itself, sent along to a supervisor that sleeps; if it is
    urgent, to one that is awake as well.
    """
    params = _endings(endings) | {
        "results": [ending.result for ending in endings],
        "levels": [ending.level for ending in endings],
        "evidence": _evidence(endings),
        "report": report,
        "is_urgent": is_urgent,
    }
    row = await (await db.execute(_SQL["finish"], params, binary=True)).fetchone()
    return _recorded(endings, row)


async def report(db: Connection, report: str) -> None:
    """Tell the supervisor how a worker is."""
    await db.execute(_SQL["report"], {"report": report})


def _recorded(endings: Sequence[Ending], row: tuple[Any, ...] | None) -> Recorded:
    assert row is not None, "an end is always answered"
    ids, rang = row
    recorded = Recorded((ending.task_id for ending in endings) if ids is None else ids)
    recorded.rang = rang is not None
    return recorded


async def retry(db: Connection, agains: Sequence[Again], report: str) -> set[RunId]:
    """Return tasks to pending for another attempt; return the runs that another one follows."""
    params = {
        "task_ids": UuidArray(again.task_id for again in agains),
        "run_ids": UuidArray(again.run_id for again in agains),
        "errors": [again.evidence.error for again in agains],
        "delays": [again.delay for again in agains],
        "more_attempts": [again.more_attempts for again in agains],
        "evidence": _evidence(agains),
        "report": report,
    }
    row = await (await db.execute(_SQL["retry"], params)).fetchone()
    assert row is not None, "retry always answers"
    return set(row[0])


async def release(db: Connection, runs: Sequence[tuple[TaskId, RunId | None]]) -> set[TaskId]:
    """Return runs whose body was never started to pending, the attempt given back; or end their
    tasks, where somebody asked for that. Return the tasks concerned. Only a row that somebody wrote
    by hand runs without a run id."""
    params = {"task_ids": [task for task, _ in runs], "run_ids": [run for _, run in runs]}
    return _first(await (await db.execute(_SQL["release"], params)).fetchone())


async def record_late(db: Connection, endings: Sequence[Ending]) -> set[TaskId]:
    """Keep reports of runs that were lost, as evidence; return the tasks concerned.

    A report that merely repeats what the row says is not late, and is not kept.
    """
    cursor = await db.execute(_SQL["record_late"], _endings(endings))
    return {row[0] for row in await cursor.fetchall()}


async def hold_told(db: Connection, receipts: Sequence[Receipt]) -> None:
    """Lock the tasks of these runs for the rest of the caller's transaction, before `testify`."""
    await db.execute(
        _SQL["hold_told"], {"task_ids": UuidArray(receipt.task_id for receipt in receipts)}
    )


async def testify(db: Connection, worker_id: WorkerId, receipts: Sequence[Receipt]) -> set[TaskId]:
    """Tell of runs that this database may have forgotten, the oldest first; return the tasks that
    are interrupted by that, or run again where they asked for it. The caller holds the tasks."""
    params = {
        "worker_id": worker_id,
        "task_ids": UuidArray(receipt.task_id for receipt in receipts),
        "run_ids": UuidArray(receipt.run_id for receipt in receipts),
        "attempts": [receipt.attempt for receipt in receipts],
        "ages": [receipt.age for receipt in receipts],
        "are_over": [receipt.is_over for receipt in receipts],
        "reason": FORGOTTEN,
    }
    cursor = await db.execute(_SQL["testify"], params)
    return {row[0] for row in await cursor.fetchall()}


async def report_progress(
    db: Connection, progress: Mapping[tuple[TaskId, RunId], str]
) -> set[TaskId]:
    """Write down how far runs have come, as JSON; return the tasks that these runs still own."""
    params = {
        "task_ids": UuidArray(task_id for task_id, _ in progress),
        "run_ids": UuidArray(run_id for _, run_id in progress),
        "progress": list(progress.values()),
    }
    cursor = await db.execute(_SQL["report_progress"], params)
    return {row[0] for row in await cursor.fetchall()}


def _attempts(beginnings: Sequence[Beginning]) -> list[int] | None:
    """Nothing, which takes no room, where all are first attempts: most are."""
    attempts = [beginning.attempt for beginning in beginnings]
    return attempts if any(attempt != 1 for attempt in attempts) else None


def _endings(endings: Sequence[Ending]) -> dict[str, Any]:
    return {
        "task_ids": UuidArray(ending.task_id for ending in endings),
        "run_ids": UuidArray(ending.run_id for ending in endings),
        "statuses": [str(ending.status) for ending in endings],
        "errors": [ending.error for ending in endings],
    }


def _evidence(ends: Sequence[Ending] | Sequence[Again]) -> str:
    return _json.encode(
        [
            {"task_id": end.task_id, "run_id": end.run_id, **end.evidence._asdict()}
            for end in ends
            if end.evidence is not None
        ]
    ).decode()


def _first(row: tuple[Any, ...] | None) -> set[TaskId]:
    return set(row[0]) if row else set()

"""What the tables say, as the machine looks at it after each step."""

import json
from typing import Any, Final, NamedTuple

from tests.database.scene import NOON, incarnation, run_id, task_id

from fcs.database.connect import Connection
from fcs.domain.task import Status
from proof.machine.model import moment

_LOOK: Final = """
select json_build_object(
           'tasks', (
               select json_agg(json_build_array(
                          id, status, incarnation, dispatch_no, attempt, max_attempts, run_id,
                          extract(epoch from due_at), cancel_requested_at is not null
                      ))
                 from fcs.tasks
           ),
           'workers', (
               select json_agg(json_build_array(
                          incarnation, state, beat_no, tasks_sent, slots_busy, tasks_taken
                      ))
                 from fcs.workers
           ),
           'leadership', (select json_build_array(term, node is null) from fcs.leadership)
       )::text
"""

_NOON: Final = NOON.timestamp()
_TASK, _RUN, _PROCESS = (make(0).int for make in (task_id, run_id, incarnation))


class TaskRow(NamedTuple):
    status: Status
    incarnation: int | None
    dispatch_no: int
    attempt: int
    max_attempts: int
    run: int | None
    due_at: float | None
    is_unwanted: bool


class WorkerRow(NamedTuple):
    state: str
    beat_no: int
    sent: int
    busy: int
    taken: int


class Rows(NamedTuple):
    tasks: dict[int, TaskRow]
    workers: dict[int, WorkerRow]
    term: int
    is_vacant: bool


async def look(db: Connection) -> Rows:
    row = await (await db.execute(_LOOK)).fetchone()
    assert row is not None
    found: dict[str, Any] = json.loads(row[0])
    tasks = {
        _number(id, _TASK): TaskRow(
            Status(status),
            _number(held_by, _PROCESS),
            dispatch_no,
            attempt,
            max_attempts,
            _number(run, _RUN),
            None if due_at is None else moment(due_at - _NOON),
            is_unwanted,
        )
        for id, status, held_by, dispatch_no, attempt, max_attempts, run, due_at, is_unwanted in (
            found["tasks"] or []
        )
    }
    workers = {_number(id, _PROCESS): WorkerRow(*rest) for id, *rest in found["workers"] or []}
    return Rows(tasks, workers, *found["leadership"])


def _number(id: str | None, base: int) -> Any:
    """The number by which the machine knows an id."""
    return None if id is None else int(id.replace("-", ""), 16) - base

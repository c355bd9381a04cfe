"""What is around a task: one function for each statement of `queries/why.sql`."""

from datetime import datetime
from typing import NamedTuple

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.ids import TaskId
from fcs.domain.task import AttemptOutcome
from fcs.domain.why import IDS_SHOWN, QueueSeen, SomeTasks

_SQL = load("why")

COUNT_MAX = 10_000


class Surroundings(NamedTuple):
    """As in `fcs.domain.why.Around`, as far as one statement can tell."""

    now: datetime
    last_outcome: AttemptOutcome | None
    ahead: int
    needs: SomeTasks
    queue: QueueSeen


async def look_around(db: Connection, id: TaskId) -> Surroundings | None:
    """Look at what surrounds a task; `None` when it is not there."""
    params = {"id": id, "count_max": COUNT_MAX, "ids_max": IDS_SHOWN}
    row = await (await db.execute(_SQL["look_around"], params)).fetchone()
    if row is None:
        return None
    now, outcome, ahead, needs, needs_ids, *rules, held, held_ids, key_held, key_held_ids = row
    return Surroundings(
        now,
        AttemptOutcome(outcome) if outcome else None,
        ahead,
        SomeTasks(needs, needs_ids),
        QueueSeen(*(*rules, SomeTasks(held, held_ids), SomeTasks(key_held, key_held_ids))),
    )

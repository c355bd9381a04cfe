"""Gathering what explains where a task is: a few bounded statements, and the domain's word."""

from fcs.database import cluster, insights, why
from fcs.database.connect import Connection
from fcs.database.home import hold_on
from fcs.domain.ids import TaskId
from fcs.domain.why import Around, Why, explain


async def explain_task(db: Connection, id: TaskId) -> Why | None:
    """Why the task is where it is; `None` when it is not there (any more)."""
    task = await insights.find_task(db, id)
    seen = await why.look_around(db, id)
    if task is None or seen is None:
        return None
    workers = await insights.list_workers(db)
    around = Around(*seen, workers, await cluster.show(db), await hold_on(db))
    return explain(task, around)

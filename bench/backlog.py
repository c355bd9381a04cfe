"""Backlogs that are made by the database itself, as millions of creates would take too long."""

import asyncio
from collections.abc import Callable

from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.connect import connect
from fcs.domain.task import NewTask

TOP_UP = 1_000
LOOK_AGAIN = 0.005

# In the order in which they fall due, as if created one after the other in the past days.
_FILL = """
    insert into fcs.tasks (id, ty, created_at, updated_at, due_at)
         select (
                    lpad(to_hex((extract(epoch from born) * 1000)::bigint), 12, '0') || '7'
                    || substr(replace(gen_random_uuid()::text, '-', ''), 14)
                )::uuid,
                'noop', born, born, born
           from (
                    select fcs.now() - (%(count)s - no) * interval '0.1 ms' as born
                      from generate_series(1, %(count)s::int) as no
                ) as births
"""


async def fill(url: str, count: int) -> None:
    """So many waiting tasks, and a table in the order in which a calm hour would leave it."""
    async with await connect(url, part="bench") as db:
        await db.execute("set statement_timeout = 0")
        await db.execute(_FILL, {"count": count})
        await db.execute("vacuum (analyze) fcs.tasks")
        await db.execute("checkpoint")


async def keep_up(url: str, waiting: int, *, target: int, done: Callable[[], int]) -> None:
    """Create tasks so that about `target` of them wait, until cancelled."""
    created = waiting
    async with await connect(url, part="bench", keys_only=True) as db:
        while True:
            if created - done() >= target:
                await asyncio.sleep(LOOK_AGAIN)
                continue
            await tasks.create(db, [NewTask(new_task_id(), "noop", b"{}") for _ in range(TOP_UP)])
            created += TOP_UP

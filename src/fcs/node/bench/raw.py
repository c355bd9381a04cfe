"""The raw limit: what this Postgres could do for any task queue, over one connection."""

from time import perf_counter
from uuid import uuid4

from fcs.client.ids import new_task_id
from fcs.database import rawlimit
from fcs.database.connect import connect

BATCH = 1_000


async def lifecycle_rate(url: str, tasks: int, *, plain: bool = False) -> float:
    """Tasks per second: copied in, then dispatched, begun and finished in batches.

    In a table made for it, as fcs's own are, or in a plain one.
    """
    ids = [new_task_id() for _ in range(tasks)]
    worker_id = uuid4()
    async with await connect(url, part="bench", keys_only=True) as db:
        await (rawlimit.create_plain_table(db) if plain else rawlimit.create_table(db))
        try:
            began = perf_counter()
            await rawlimit.copy_in(db, ids)
            for start in range(0, tasks, BATCH):
                batch, run_id = ids[start : start + BATCH], uuid4()
                await rawlimit.dispatch(db, batch, worker_id=worker_id)
                await rawlimit.begin(db, batch, worker_id=worker_id, run_id=run_id)
                await rawlimit.finish(db, batch, run_id=run_id)
            return tasks / (perf_counter() - began)
        finally:
            await rawlimit.drop_table(db)


async def insert_rate(url: str, tasks: int) -> float:
    """Inserts per second, one a commit, each durable before the next."""
    async with await connect(url, part="bench", keys_only=True) as db:
        await rawlimit.create_table(db)
        try:
            began = perf_counter()
            for _ in range(tasks):
                await rawlimit.insert_one(db, new_task_id())
            return tasks / (perf_counter() - began)
        finally:
            await rawlimit.drop_table(db)


async def copy_rate(url: str, tasks: int, *, like_ours: bool = False) -> float:
    """Tasks per second, all copied by one statement: into a plain table, or one like our own."""
    ids = [new_task_id() for _ in range(tasks)]
    async with await connect(url, part="bench") as db:
        make, copy_in = (
            (rawlimit.create_like_table, rawlimit.copy_like_in)
            if like_ours
            else (rawlimit.create_plain_table, rawlimit.copy_in)
        )
        await make(db)
        try:
            began = perf_counter()
            await copy_in(db, ids)
            return tasks / (perf_counter() - began)
        finally:
            await rawlimit.drop_table(db)

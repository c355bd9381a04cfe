"""The yardstick of `fcs bench`: one function for each statement of `queries/rawlimit.sql`."""

from collections.abc import Sequence
from uuid import UUID

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection
from fcs.database.sql import load

_SQL = load("rawlimit")


async def create_table(db: Connection) -> None:
    """Make the yardstick's own schema and table."""
    await db.execute(_SQL["create_table"])


async def create_plain_table(db: Connection) -> None:
    """The same with a plain table: densely packed, its index on pending names the status."""
    await db.execute(_SQL["create_plain_table"])


async def create_like_table(db: Connection) -> None:
    """Make a table as that of tasks is."""
    await db.execute(_SQL["create_like_table"])


async def copy_like_in(db: Connection, ids: Sequence[UUID]) -> None:
    """Write tasks in bulk into such a table."""
    async with db.cursor() as cursor, cursor.copy(_SQL["copy_like_in"]) as copy:
        for id in ids:
            await copy.write_row((id, "noop", "{}"))


async def copy_in(db: Connection, ids: Sequence[UUID]) -> None:
    """Write tasks in bulk."""
    async with db.cursor() as cursor, cursor.copy(_SQL["copy_in"]) as copy:
        for id in ids:
            await copy.write_row((id, "{}"))


async def dispatch(db: Connection, ids: Sequence[UUID], *, worker_id: UUID) -> int:
    """Hand tasks to a worker."""
    params = {"ids": UuidArray(ids), "worker_id": worker_id}
    return (await db.execute(_SQL["dispatch"], params)).rowcount


async def begin(db: Connection, ids: Sequence[UUID], *, worker_id: UUID, run_id: UUID) -> int:
    """Take tasks up."""
    params = {"ids": UuidArray(ids), "worker_id": worker_id, "run_id": run_id}
    return (await db.execute(_SQL["begin"], params)).rowcount


async def finish(db: Connection, ids: Sequence[UUID], *, run_id: UUID) -> int:
    """Record their end."""
    return (await db.execute(_SQL["finish"], {"ids": UuidArray(ids), "run_id": run_id})).rowcount


async def insert_one(db: Connection, id: UUID) -> None:
    """Write one task and wait until it is durable."""
    await db.execute(_SQL["insert_one"], {"id": id})


async def drop_table(db: Connection) -> None:
    """Remove whatever the yardstick made."""
    await db.execute(_SQL["drop_table"])

"""The sleep of a supervisor: one function for each statement of `queries/sleep.sql`."""

from psycopg.errors import LockNotAvailable

from fcs.database.connect import Connection
from fcs.database.sql import load

_SQL = load("sleep")


async def fall_asleep(db: Connection) -> bool:
    """Ask to be rung. Look once more afterwards: what came before did not ring."""
    row = await (await db.execute(_SQL["fall_asleep"])).fetchone()
    return row is not None and bool(row[0])


async def is_rung(db: Connection) -> bool:
    """Whether who has news rings, because somebody sleeps or waits in line for it."""
    row = await (await db.execute(_SQL["is_rung"])).fetchone()
    return row is not None and bool(row[0])


async def fall_asleep_in_line(db: Connection) -> bool:
    """As `fall_asleep`, and wait for the news that is under way. False if that takes too long, or
    somebody else sleeps."""
    try:
        await db.execute(_SQL["fall_asleep_in_line"])
    except LockNotAvailable:
        return False
    return True


async def wake_up(db: Connection) -> None:
    """Ask not to be rung."""
    await db.execute(_SQL["wake_up"])


async def still_asleep(db: Connection) -> None:
    """Make sure of the connection. Raises what psycopg raises when it is gone, and with it the
    sleep, of which nobody else would tell."""
    await db.execute(_SQL["still_asleep"])

"""A made-up past, for measurements: one function for each statement of `queries/history.sql`."""

from fcs.database.connect import Connection
from fcs.database.sql import load

_SQL = load("history")


async def fill(db: Connection, *, tasks: int) -> None:
    """Write down so many tasks of more than a week ago; 99 of every hundred succeeded then."""
    await db.execute("set statement_timeout = 0")
    await db.execute(_SQL["fill"], {"tasks": tasks})
    await db.execute("analyze fcs.tasks")

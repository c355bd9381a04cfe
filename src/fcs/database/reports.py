"""Reports in writing: one function for each statement of `queries/reports.sql`."""

from collections.abc import Collection

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.ids import Incarnation

_SQL = load("reports")


async def ask_for(db: Connection, incarnations: Collection[Incarnation]) -> None:
    """Have these workers, and no others, write their reports instead of ringing."""
    await db.execute(_SQL["ask_for"], {"incarnations": list(incarnations)})


async def read(db: Connection) -> list[str]:
    """The last report of each that has written one, as it would have been rung."""
    return [row[0] for row in await (await db.execute(_SQL["read"])).fetchall()]

"""What there is to do, at a glance: the statement of `queries/glance.sql`."""

from typing import NamedTuple

from fcs.database.connect import Connection
from fcs.database.sql import load

_SQL = load("glance")


class Glance(NamedTuple):
    """Whether there is anything of a kind; `next_fire` in seconds, `None` without a schedule."""

    has_notes: bool
    has_waiting: bool
    has_held: bool
    has_rules: bool
    next_fire: float | None


async def glance(db: Connection) -> Glance:
    """Look at everything that a supervisor looks after."""
    row = await (await db.execute(_SQL["glance"])).fetchone()
    assert row is not None
    return Glance(*row)

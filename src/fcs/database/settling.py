"""Settling what others wait for: one function for each statement of `queries/settling.sql`."""

from typing import NamedTuple

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.database.tasks import waiting
from fcs.domain.facts import Waiting

_SQL = load("settling")

NOTES_MAX = 1_000
EDGES_MAX = 5_000
"""What one step takes in at the most: notes, and dependencies that hang on them."""


class Settled(NamedTuple):
    """What a step came to: the notes that it took, and the tasks that fell due."""

    notes: int
    due: list[Waiting]


async def mark_needed(db: Connection, *, limit: int = NOTES_MAX) -> int:
    """Mark tasks that are newly needed; return how many notes were taken."""
    row = await (await db.execute(_SQL["mark_needed"], {"limit": limit})).fetchone()
    assert row is not None
    return int(row[0])


async def settle(
    db: Connection, *, limit: int = NOTES_MAX, edges: int = EDGES_MAX, rings: bool = False
) -> Settled:
    """Count the ends of needed tasks for those that wait for them.

    With `rings` others who hand out hear of what fell due.
    """
    params = {"limit": limit, "edges": edges, "rings": rings}
    cursor = await db.execute(_SQL["settle"], params)
    found = await cursor.fetchall()
    return Settled(found[0][0], [waiting(*row) for _, *row in found if row[0] is not None])

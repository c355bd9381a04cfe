"""Pruning in the database: one function for each statement of `queries/retention.sql`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from fcs.database.connect import Connection
from fcs.database.session import adjust, is_shared
from fcs.database.sql import load
from fcs.domain.retention import Space, Stretch
from fcs.domain.task import FINAL, Status

_SQL = load("retention")
_LOCK: Final = 0x66_63_73_00_02  # "fcs", and 2 for whoever prunes

Cutoffs = Mapping[Status, datetime]


class Moved(NamedTuple):
    """The place of the last row that was moved, and the last page that rows came to."""

    last: str
    farthest: int | None


async def try_turn(db: Connection) -> bool:
    """Take the turn to prune, for as long as the connection lives; `False` if another has it.

    In a shared session nothing can be held: then it only tells that nobody has it just now.
    """
    return await _one("try_turn", db, {"key": _LOCK, "is_shared": is_shared(db)}) is True


async def set_up(connection: Connection, *, lock: float) -> None:
    """Set the connection up: it waits for other people's locks for so many seconds only.

    Vacuuming may take its time. What hangs on tasks is found by their ids, whatever the
    statistics say.
    """
    changes = {"statement_timeout": "0", "enable_seqscan": "off"}
    await adjust(connection, {**changes, "lock_timeout": f"{round(lock * 1_000)}ms"})


async def step_end(db: Connection, stretch: Stretch, *, rows: int) -> UUID:
    """The last id of a step of so many rows into the stretch."""
    end: UUID | None = await _one("step_end", db, stretch._asdict() | {"rows": rows})
    return stretch.upto if end is None else end


async def prune(db: Connection, stretch: Stretch, ripe: Cutoffs) -> dict[Status, int]:
    """Delete the ripe tasks of a stretch; return how many of each status there were.

    Nothing is deleted if somebody holds one of them just now.
    """
    try:
        return await _count("prune", db, stretch, ripe)
    except psycopg.errors.LockNotAvailable:
        return {}


async def count_ripe(db: Connection, stretch: Stretch, ripe: Cutoffs) -> dict[Status, int]:
    """How many tasks `prune` would delete, by status."""
    return await _count("count_ripe", db, stretch, ripe)


async def overripe(db: Connection, ripe: Cutoffs, *, rows: int) -> float | None:
    """For how many seconds a task has been past its time, among so many of the oldest."""
    past: float | None = await _one("overripe", db, _moments(ripe) | {"rows": rows})
    return past


async def _count(
    statement: str, db: Connection, stretch: Stretch, ripe: Cutoffs
) -> dict[Status, int]:
    cursor = await db.execute(_SQL[statement], stretch._asdict() | _moments(ripe))
    return {Status(status): count for status, count in await cursor.fetchall()}


def _moments(ripe: Cutoffs) -> dict[str, Any]:
    return {str(status): ripe.get(status) for status in FINAL}


async def owns_tasks(db: Connection) -> bool:
    """Whether this role may vacuum the table and build its index anew."""
    return await _one("owns_tasks", db) is True


async def space(db: Connection) -> Space:
    """What the tasks take on disk."""
    row = await (await db.execute(_SQL["space"])).fetchone()
    assert row is not None
    return Space(*row)


async def vacuum(db: Connection) -> bool:
    """Make the space of deleted rows usable, and cut off empty pages at the end."""
    return await _unless_locked("vacuum", db)


async def move_rows(db: Connection, *, after: str, before: str, rows: int) -> Moved | None:
    """Move some rows from between two places to the front, in one short transaction.

    `None` when there is none that could be moved.
    """
    params = {"after": after, "before": before, "rows": rows}
    row = await (await db.execute(_SQL["move_rows"], params)).fetchone()
    return Moved(*row) if row and row[0] is not None else None


def place(page: int) -> str:
    """The place before the first row of a page."""
    return f"({page},0)"


async def reindex(db: Connection) -> bool:
    """Build the index of the ids anew, while everybody goes on."""
    return await _unless_locked("reindex", db)


async def drop_unfinished_index(db: Connection) -> bool:
    """Drop what a `reindex` left that was cut off before it was done."""
    return await _unless_locked("drop_unfinished_index", db)


async def drop_replaced_index(db: Connection) -> bool:
    """Drop what a `reindex` left that was cut off right after it was done."""
    return await _unless_locked("drop_replaced_index", db)


async def _unless_locked(statement: str, db: Connection) -> bool:
    """Whether it was done; else some transaction that was there before would not end in time."""
    try:
        await db.execute(_SQL[statement])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


async def _one(statement: str, db: Connection, params: Mapping[str, Any] | None = None) -> Any:
    row = await (await db.execute(_SQL[statement], params)).fetchone()
    return row[0] if row else None

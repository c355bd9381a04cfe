"""Many tasks at a time: one function for each statement of `queries/bulk.sql`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.ids import TaskId
from fcs.domain.task import Status

_SQL = load("bulk")

PAGE = 5_000
"""Rows of the table that one look takes in."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks are meant; what is `None` says nothing. `older_than` is in seconds."""

    status: Status | None = None
    ty: str | None = None
    queue: str | None = None
    older_than: float | None = None


class Page(NamedTuple):
    """The ids that match among the rows down to `last`; `last` is `None` where no row was left."""

    ids: list[TaskId]
    last: TaskId | None


async def match(
    db: Connection,
    filter: Filter,
    *,
    among: Sequence[Status],
    before: UUID | None,
    limit: int = PAGE,
) -> Page:
    """Look through `limit` rows below the id `before`, from the newest to the oldest.

    Only tasks in a status `among` those given match.
    """
    params = {
        "statuses": [s.value for s in among if filter.status in (None, s)],
        "ty": filter.ty,
        "queue": filter.queue,
        "older_than": filter.older_than,
        "before": before,
        "limit": limit,
    }
    row = await (await db.execute(_SQL["match"], params)).fetchone()
    return Page([], None) if row is None else Page(row[1], row[0])


async def repeat(db: Connection, copies: Mapping[TaskId, TaskId]) -> dict[TaskId, Status]:
    """Create ended tasks anew, each under the new id given for it.

    Returns the status in which each was found: nothing was created where that is not final.
    """
    cursor = await db.execute(_SQL["repeat"], _copies(copies))
    return {id: Status(status) for id, status in await cursor.fetchall()}


def repeat_sync(
    db: psycopg.Connection[Any], copies: Mapping[TaskId, TaskId]
) -> dict[TaskId, Status]:
    """The twin of `repeat` for code without an event loop."""
    cursor = db.execute(_SQL["repeat"], _copies(copies))
    return {id: Status(status) for id, status in cursor.fetchall()}


def _copies(copies: Mapping[TaskId, TaskId]) -> dict[str, list[TaskId]]:
    return {"task_ids": list(copies), "new_ids": list(copies.values())}

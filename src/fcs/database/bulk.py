"""Many tasks at a time: one function for each statement of `queries/bulk.sql`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.bulk import Filter
from fcs.domain.ids import TaskId
from fcs.domain.task import Status

_SQL = load("bulk")

PAGE = 5_000
"""Rows of the table that one look takes in."""


class Page(NamedTuple):
    """What matches among the rows down to the id `last`, the newest first, each with its status.

    `last` is `None` where no row was left.
    """

    matches: list[tuple[TaskId, Status]]
    last: TaskId | None


async def match(
    db: Connection,
    filter: Filter,
    *,
    statuses: Sequence[Status],
    before: UUID | None,
    limit: int,
) -> Page:
    """Look through `limit` rows below the id `before`, from the newest to the oldest.

    `statuses` stand in for the filter's own.
    """
    params = {
        "among": [status.value for status in statuses],
        "ty": filter.ty,
        "queue": filter.queue,
        "older_than": filter.older_than,
        "before": before,
        "limit": limit,
    }
    row = await (await db.execute(_SQL["match"], params)).fetchone()
    if row is None:
        return Page([], None)
    last, ids, found = row
    return Page(list(zip(ids, map(Status, found), strict=True)), last)


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

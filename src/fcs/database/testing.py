"""What tests ask of a database of their own: one function for each statement of its .sql file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from fcs.database.connect import connect_sync
from fcs.database.sql import load
from fcs.domain.ids import TaskId
from fcs.domain.task import Status

Database = psycopg.Connection[Any]

_SQL = load("testing")

_FROZEN = """
    create or replace function fcs.now() returns timestamptz stable parallel safe language sql as
    $$ select {}::timestamptz $$
"""


class Enqueued(NamedTuple):
    """A task as a test finds it. `args_text` is JSON as the row holds it."""

    id: TaskId
    args_text: str
    status: Status
    queue: str
    priority: int
    scheduled_at: datetime | None


@contextmanager
def copied_database(server: str, name: str, template: str) -> Iterator[str]:
    """A database of that name while the block runs, as a copy; yields its URL.

    `server` is the URL of a role that may create databases.
    """
    create = sql.SQL("create database {} template {}").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
    with connect_sync(server, part="testing") as admin:
        admin.execute(create)
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            admin.execute(drop)


def find_enqueued(
    db: Database, ty: str, wanted: str, *, limit: int
) -> tuple[list[Enqueued], list[Enqueued]]:
    """Tasks of a type: those whose arguments hold what is wanted (JSON), and the others."""
    matching: list[Enqueued] = []
    others: list[Enqueued] = []
    params = {"ty": ty, "wanted": wanted, "limit": limit}
    for id, args, status, *rest, is_match in db.execute(_SQL["find_enqueued"], params):
        found = Enqueued(id, args, Status(status), *rest)
        (matching if is_match else others).append(found)
    return matching, others


def left_due(
    db: Database, types: Sequence[str], schedules: Sequence[str], *, limit: int
) -> list[str]:
    """What could go on by now, in words: tasks of these types, and schedules."""
    params = {"types": list(types), "schedules": list(schedules), "limit": limit}
    return [words for (words,) in db.execute(_SQL["left_due"], params)]


def find_clock(db: Database) -> str:
    """How the clock of this database is made: the definition of its function."""
    [(definition,)] = db.execute(_SQL["find_clock"]).fetchall()
    return str(definition)


def set_clock(database: Database, moment: datetime) -> None:
    """Let the clock of a whole database stand at a moment, for all sessions, at once."""
    database.execute(sql.SQL(_FROZEN).format(sql.Literal(moment.isoformat())))


def restore_clock(database: Database, definition: str) -> None:
    """Make the clock anew, as it was found."""
    database.execute(definition.encode())

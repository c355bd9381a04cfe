"""How fast many calls become tasks: by which statement, at once or in parts, and by COPY.

python bench/copy_or_json.py [ROUNDS]

On a Postgres of its own, without an event loop. Prints tasks a second, packing included, the best
of the rounds, for each number of tasks.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import psycopg

from fcs import App
from fcs.client.packing import Packing
from fcs.database import creation, tasks
from fcs.database.ahead import SyncAhead
from fcs.database.migrate import migrate
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask
from fcs.embedded import Postgres

STAGE = "create temporary table stage (id uuid, ty text, args jsonb) on commit drop"
INSERT = """
    insert into fcs.tasks (id, ty, args, created_at, updated_at, due_at)
         select id, ty, args, fcs.now(), fcs.now(), fcs.now() from stage
    on conflict (id) do nothing
"""
RING = "select pg_notify('fcs_supervisor', 'scan')"

Database = psycopg.Connection[tuple[object, ...]]


def by_json(db: Database, packing: Packing) -> None:
    tasks.create_sync(db, packing.all())


def by_columns(db: Database, packing: Packing) -> None:
    """By the statement for tasks that are alike."""
    creation.create_alike_sync(db, packing.all())


def by_json_in_parts(db: Database, packing: Packing) -> None:
    with db.transaction(), db.pipeline():
        for part in packing:
            tasks.create_sync(SyncAhead(db), part)


def by_columns_in_parts(db: Database, packing: Packing) -> None:
    """As `enqueue_many` does."""
    creation.add_parts_sync(db, packing)


def by_copy_and_insert(db: Database, packing: Packing) -> None:
    """Keeps what the statement promises: an id that is there already is left as it is."""
    with db.transaction():
        db.execute(STAGE)
        copy(db, "copy stage from stdin", packing)
        db.execute(INSERT)
        db.execute(RING)


def by_copy(db: Database, packing: Packing) -> None:
    """Fails for an id that is there, so that a lost answer cannot be settled by sending again."""
    with db.transaction():
        copy(db, "copy fcs.tasks (id, ty, args) from stdin", packing)
        db.execute(RING)


def copy(db: Database, statement: str, packing: Packing) -> None:
    with db.cursor().copy(statement.encode()) as copy:
        for part in packing:
            for task in part:
                copy.write_row((task.id, task.ty, task.args.decode()))


WAYS: list[Callable[[Database, Packing], None]] = [
    by_json,
    by_columns,
    by_json_in_parts,
    by_columns_in_parts,
    by_copy_and_insert,
    by_copy,
]


def measure(db: Database, count: int, rounds: int) -> None:
    @App().task
    def mail(to: str) -> None: ...

    def pack(id: TaskId, call: Mapping[str, Any]) -> NewTask:
        return NewTask(id, "mail", mail.task_type.pack(**call))

    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(rounds):
        for way in WAYS:
            began = perf_counter()
            calls = [{"to": "ann@example.org"} for _ in range(count)]
            way(db, Packing(calls, pack))
            best[way] = max(best[way], count / (perf_counter() - began))
            db.execute("truncate fcs.tasks")
    shown = "  ".join(f"{way.__name__} {best[way]:8,.0f}/s" for way in WAYS)
    print(f"{count:7,} tasks  {shown}")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder, Postgres(folder) as server:
        asyncio.run(migrate(server.url()))
        with psycopg.connect(server.url(), autocommit=True) as db:
            for count in (1_000, 10_000, 100_000):
                measure(db, count, rounds)


if __name__ == "__main__":
    main()

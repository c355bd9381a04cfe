"""How fast many tasks are written: by the JSON statement, by COPY and an insert, by COPY alone.

python bench/copy_or_json.py [ROUNDS]

On a Postgres of its own. Prints tasks a second, the best of the rounds, for each number of tasks.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from time import perf_counter

import psycopg

from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.migrate import migrate
from fcs.domain.task import NewTask
from fcs.embedded import Postgres

STAGE = "create temporary table stage (id uuid, ty text, args jsonb) on commit drop"
INSERT = """
    insert into fcs.tasks (id, ty, args, created_at, updated_at, due_at)
         select id, ty, args, fcs.now(), fcs.now(), fcs.now() from stage
    on conflict (id) do nothing
"""

Database = psycopg.Connection[tuple[object, ...]]


def by_json(db: Database, new: list[NewTask]) -> None:
    tasks.create_sync(db, new)


def by_copy_and_insert(db: Database, new: list[NewTask]) -> None:
    """Keeps what the statement promises: an id that is there already is left as it is."""
    with db.transaction():
        db.execute(STAGE)
        with db.cursor().copy("copy stage from stdin") as copy:
            for task in new:
                copy.write_row((task.id, task.ty, task.args.decode()))
        db.execute(INSERT)
        db.execute("select pg_notify('fcs_supervisor', 'scan')")


def by_copy(db: Database, new: list[NewTask]) -> None:
    """Fails for an id that is there, so that a lost answer cannot be settled by sending again."""
    with db.transaction():
        with db.cursor().copy("copy fcs.tasks (id, ty, args) from stdin") as copy:
            for task in new:
                copy.write_row((task.id, task.ty, task.args.decode()))
        db.execute("select pg_notify('fcs_supervisor', 'scan')")


WAYS: list[Callable[[Database, list[NewTask]], None]] = [by_json, by_copy_and_insert, by_copy]


def measure(db: Database, count: int, rounds: int) -> None:
    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(rounds):
        for way in WAYS:
            new = [
                NewTask(new_task_id(), "mail", b'{"to": "ann@example.org"}') for _ in range(count)
            ]
            began = perf_counter()
            way(db, new)
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

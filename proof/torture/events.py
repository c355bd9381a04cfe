"""What the database is made to write down itself: each change of a task's status, in order.

A trigger, in a schema of the proof's own. It runs in the statement that changes the row, while
that holds the row's lock, so the numbers of one task's events are in their order.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import dict_row

SET_UP: Final = """
    create schema proof;

    create table proof.events (
        no         bigint generated always as identity,
        task       uuid not null,
        before     text,
        after      text not null,
        attempt    integer not null,
        run        uuid,
        worker     uuid,
        -- The database's clock, as fcs reads it, and the machine's.
        at         timestamptz not null default fcs.now(),
        real       timestamptz not null default clock_timestamp()
    );

    create function proof.note() returns trigger language plpgsql as $$
    begin
        insert into proof.events (task, before, after, attempt, run, worker)
             values (
                 new.id,
                 case tg_op when 'UPDATE' then old.status::text end,
                 new.status::text,
                 new.attempt,
                 -- Who gives a run up takes its name off the row.
                 case tg_op when 'UPDATE' then coalesce(new.run_id, old.run_id) end,
                 coalesce(new.worker_id, case tg_op when 'UPDATE' then old.worker_id end)
             );
        return null;
    end
    $$;

    create trigger proof_notes_insert after insert on fcs.tasks
        for each row execute function proof.note();

    create trigger proof_notes_update after update on fcs.tasks
        for each row when (old.status is distinct from new.status)
        execute function proof.note();

    -- Workers come and go, and rows of old ones may be forgotten.
    create table proof.ends (
        worker uuid not null,
        state  text not null,
        real   timestamptz not null default clock_timestamp()
    );

    create function proof.note_end() returns trigger language plpgsql as $$
    begin
        insert into proof.ends (worker, state) values (new.id, new.state::text);
        return null;
    end
    $$;

    create trigger proof_notes_end after update on fcs.workers
        for each row when (old.state is distinct from new.state)
        execute function proof.note_end();
"""

TABLES: Final[Mapping[str, str]] = {
    "tasks": """
        select id, ty, queue, status::text, attempt, max_attempts, run_id as run,
               worker_id as worker, incarnation, key, cancel_level, error,
               (args ->> 'serial')::bigint as serial,
               extract(epoch from created_at)::float as created_at,
               extract(epoch from scheduled_at)::float as scheduled_at,
               extract(epoch from due_at)::float as due_at,
               extract(epoch from started_at)::float as started_at,
               extract(epoch from updated_at)::float as updated_at
          from fcs.tasks
      order by id
    """,
    "attempts": """
        select task_id as task, attempt, run_id as run, worker_id as worker, outcome, error,
               extract(epoch from ended_at)::float as ended_at
          from fcs.attempts
      order by task_id, attempt
    """,
    "late_reports": """
        select task_id as task, run_id as run, status::text
          from fcs.late_reports
      order by run_id
    """,
    "workers": """
        select id as worker, state::text, slots_total, slots_busy, tasks_sent, tasks_taken
          from fcs.workers
      order by id
    """,
    "ends": """
        select worker, state, extract(epoch from real)::float as real
          from proof.ends
      order by real
    """,
    "events": """
        select no, task, before, after, attempt, run, worker,
               extract(epoch from at)::float as at,
               extract(epoch from real)::float as real
          from proof.events
      order by task, no
    """,
}
"""What is kept of a run, by the name of the file."""


def set_up(url: str) -> None:
    """Make the tables and triggers."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(SET_UP)


def dump(url: str, folder: Path) -> None:
    """Write the final tables, a JSON object a row."""
    with psycopg.connect(url) as db:
        db.execute("set transaction isolation level repeatable read, read only")
        for name, query in TABLES.items():
            with (
                (folder / f"{name}.jsonl").open("w") as file,
                db.cursor(name=name, row_factory=dict_row) as cursor,
            ):
                cursor.itersize = 10_000
                cursor.execute(query.encode())
                file.writelines(json.dumps(row, default=str) + "\n" for row in cursor)

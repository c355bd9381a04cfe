"""Scenes, set in one go, and what is in the tables afterwards."""

from collections.abc import Mapping
from typing import Any, Final

import psycopg

_ORDER: Final = {
    "fcs.tasks": "id",
    "fcs.workers": "id",
    "fcs.attempts": "task_id, attempt",
    "fcs.late_reports": "run_id",
    "fcs.dependencies": "task_id, needs_id",
    "fcs.unsettled": "task_id",
    "fcs.keys": "key",
    "fcs.queues": "name",
    "fcs.schedules": "name",
    "fcs.fires": "schedule, fire_at",
    "fcs.leadership": "term",
    "fcs.cluster": "mode",
    "fcs.identity": "on_hold_since",
    "proof.orders": "id",
}
"""Every table that an act may write to, and how its rows are told apart."""

# What chance or the connection decides is left out: it would differ from one play to the next.
_SHOWN: Final = {
    "fcs.tasks": "to_jsonb(t) || jsonb_build_object('due_at', date_trunc('minute', due_at))",
    "fcs.unsettled": "distinct to_jsonb(t) - 'no'",
    "fcs.leadership": "to_jsonb(t) - 'backend'",
    "fcs.identity": "to_jsonb(t) - 'id'",
}

_SET_UP: Final = """
create schema proof;

-- A table of somebody who creates tasks in his own transactions.
create table proof.orders (id integer primary key);

create function proof.set_scene(scene jsonb) returns void language plpgsql as $$
begin
    {inserts}
end
$$;

create function proof.scene() returns text stable language sql as $$
    select jsonb_build_object({rows})::text
$$;

create function proof.look() returns text stable language sql as $$
    select jsonb_build_object({shown})::text
$$;
"""

_INSERT: Final = """
    delete from TABLE;
    insert into TABLE overriding system value
         select * from jsonb_populate_recordset(null::TABLE, scene -> 'TABLE');
"""

_ROWS: Final = """
    'TABLE', coalesce((select jsonb_agg(SHOWN) from (select * from TABLE order by KEY) as t), '[]')
"""


def set_up(url: str) -> None:
    """Make what the plays need besides the schema of fcs."""
    inserts = "".join(_INSERT.replace("TABLE", table) for table in _ORDER)
    text = _SET_UP.format(inserts=inserts, rows=_rows({}), shown=_rows(_SHOWN))
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(text.encode())


def _rows(shown: Mapping[str, str]) -> str:
    return ", ".join(
        _ROWS.replace("TABLE", table).replace("KEY", key).replace("SHOWN", _shown(table, shown))
        for table, key in _ORDER.items()
    )


def _shown(table: str, shown: Mapping[str, str]) -> str:
    return shown.get(table, "to_jsonb(t)")


async def scene(db: psycopg.AsyncConnection[Any]) -> str:
    """Everything that is in the tables now, to be set again."""
    return await _one(db, "select proof.scene()")


async def set_scene(db: psycopg.AsyncConnection[Any], scene: str) -> None:
    """Put the tables back. Quietly: no trigger adds anything of its own."""
    await db.execute("select proof.set_scene(%s::jsonb)", [scene])


async def look(db: psycopg.AsyncConnection[Any]) -> str:
    """What is in the tables, but for what differs from one time to the next."""
    return await _one(db, "select proof.look()")


async def _one(db: psycopg.AsyncConnection[Any], query: str) -> str:
    row = await (await db.execute(query)).fetchone()
    assert row is not None
    return str(row[0])

"""The schema: applied once, by one migrator at a time, and never over somebody else's work."""

import asyncio
import re

import psycopg
import pytest
from tests.database.scene import rows
from tests.database.test_connect import SURPRISES, surprise

from fcs.database import migrate as module
from fcs.database.connect import Connection, connect
from fcs.database.migrate import Migration, check_schema, known, migrate, schema_version
from fcs.domain.errors import (
    DatabaseUnavailable,
    FcsError,
    InvalidSettings,
    MigrationChanged,
    SchemaNewer,
    SchemaOutdated,
)
from fcs.domain.task import Status

NAMES = [migration.name for migration in known()]


async def applied(url: str) -> list[str]:
    async with await connect(url, part="test") as db:
        return [found["name"] for found in await rows(db, "select name from fcs.migrations")]


async def change(url: str, statement: str) -> None:
    async with await connect(url, part="test") as db:
        await db.execute(statement.encode())


async def check(url: str) -> None:
    async with await connect(url, part="test") as db:
        await check_schema(db)


async def assert_refused(url: str, error: type[FcsError]) -> None:
    with pytest.raises(error) as refused:
        await migrate(url)
    assert refused.value.hint


async def test_an_empty_database_gets_everything_and_then_nothing_more(
    blank_database_url: str,
) -> None:
    assert await migrate(blank_database_url) == NAMES
    assert await migrate(blank_database_url) == []
    assert await applied(blank_database_url) == NAMES
    await check(blank_database_url)


async def test_of_several_at_once_one_applies_each_file(blank_database_url: str) -> None:
    """Nodes that are started together, each with `fcs init`."""
    for _ in range(10):
        results = await asyncio.gather(*(migrate(blank_database_url) for _ in range(3)))

        assert sorted(name for applied_here in results for name in applied_here) == NAMES
        await check(blank_database_url)
        await change(blank_database_url, "drop schema fcs cascade")


async def test_it_works_whatever_the_database_has_set(blank_database_url: str) -> None:
    surprise(blank_database_url, **SURPRISES)

    assert await migrate(blank_database_url) == NAMES


async def test_a_newer_schema_is_refused(database_url: str) -> None:
    """F-70: an old program must not write into a schema that it does not know."""
    newer = f"insert into fcs.migrations values ({schema_version() + 1}, 'future', 'x')"
    await change(database_url, newer)

    await assert_refused(database_url, SchemaNewer)
    with pytest.raises(SchemaNewer):
        await check(database_url)


async def test_a_changed_migration_is_refused(database_url: str) -> None:
    await change(database_url, "update fcs.migrations set checksum = 'other' where number = 1")

    await assert_refused(database_url, MigrationChanged)
    with pytest.raises(MigrationChanged, match=NAMES[0]):
        await check(database_url)


async def test_somebody_else_s_tables_are_left_alone(blank_database_url: str) -> None:
    """A TODO of the seed: `init` over existing tables."""
    await change(blank_database_url, "create schema fcs create table tasks (mine text)")
    await change(blank_database_url, "insert into fcs.tasks values ('precious')")

    await assert_refused(blank_database_url, InvalidSettings)
    async with await connect(blank_database_url, part="test") as db:
        assert await rows(db, "select * from fcs.tasks") == [{"mine": "precious"}]
        assert await rows(db, "select to_regclass('fcs.migrations') as made") == [{"made": None}]


async def test_a_database_without_the_schema_is_told_apart(blank_database_url: str) -> None:
    with pytest.raises(SchemaOutdated) as outdated:
        await check(blank_database_url)

    assert "fcs init" in outdated.value.hint


async def test_a_migration_that_fails_leaves_nothing_behind(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Migration(9999, "9999_broken", "create table fcs.half (); select 1 / 0;")
    monkeypatch.setattr(module, "known", lambda: [*known(), broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        await migrate(blank_database_url)

    assert await applied(blank_database_url) == NAMES
    async with await connect(blank_database_url, part="test") as db:
        assert await rows(db, "select to_regclass('fcs.half') as made") == [{"made": None}]
        with pytest.raises(SchemaOutdated, match="9999_broken"):
            await check_schema(db)


async def test_an_older_schema_is_brought_up_step_by_step(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it ends as a fresh one does."""
    extra = Migration(9999, "9999_more", "create table fcs.more (a int primary key)")
    assert await migrate(blank_database_url) == NAMES
    with monkeypatch.context() as patch:
        patch.setattr(module, "known", lambda: [*known(), extra])
        assert await migrate(blank_database_url) == ["9999_more"]
        assert await migrate(blank_database_url) == []

    assert await applied(blank_database_url) == [*NAMES, "9999_more"]


async def test_an_upgraded_schema_equals_a_fresh_one(
    blank_database_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = known()
    for number in range(1, len(every) + 1):
        monkeypatch.setattr(module, "known", lambda upto=number: every[:upto])
        assert await migrate(blank_database_url) == [every[number - 1].name]

    async with (
        await connect(blank_database_url, part="test") as upgraded,
        await connect(database_url, part="test") as fresh,
    ):
        assert await description(upgraded) == await description(fresh)


async def test_tasks_of_an_older_schema_are_kept_and_guarded(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = [migration for migration in known() if migration.number <= 8]
    with monkeypatch.context() as patch:
        patch.setattr(module, "known", lambda: older)
        await migrate(blank_database_url)
    async with await connect(blank_database_url, part="test") as db:
        await db.execute(
            """
            insert into fcs.tasks (
                            id, ty, status, due_at, incarnation, attempt, timeout, cancel_level
                        )
                 select gen_random_uuid(),
                        status::text,
                        status,
                        case when status = 'pending' then now() end,
                        case when status in ('dispatched', 'running') then gen_random_uuid() end,
                        (status >= 'running')::int,
                        7,
                        case when status = 'cancelled' then 'kill' end
                   from unnest(enum_range(null::fcs.status)) as status
            """
        )
        before = await rows(db, "select * from fcs.tasks order by id")
        await migrate(blank_database_url)

        assert await rows(db, "select * from fcs.tasks order by id") == before
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="stays so"):
            await db.execute("update fcs.tasks set status = 'failed' where status = 'succeeded'")
        with pytest.raises(psycopg.errors.CheckViolation):
            await db.execute("update fcs.tasks set incarnation = null where status = 'running'")


async def description(db: Connection) -> list[dict[str, object]]:
    """Everything that the schema consists of, in words."""
    return await rows(
        db,
        """
          select 'column' as kind, c.oid::regclass::text as home, attname::text as name,
                 format('%s %s %s %s', attnum, format_type(atttypid, atttypmod), attnotnull,
                        pg_get_expr(adbin, adrelid)) as text
            from pg_class as c
            join pg_attribute as a on attrelid = c.oid and attnum > 0 and not attisdropped
            left join pg_attrdef on adrelid = c.oid and adnum = attnum
           where relnamespace = 'fcs'::regnamespace
        union all
          select 'relation', relkind::text, relname, format('%s %s', relpersistence, reloptions)
            from pg_class where relnamespace = 'fcs'::regnamespace
        union all
          select 'constraint',
                 coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text),
                 conname,
                 pg_get_constraintdef(oid)
            from pg_constraint where connamespace = 'fcs'::regnamespace
        union all
          select 'index', tablename, indexname, indexdef from pg_indexes where schemaname = 'fcs'
        union all
          select 'function', '', proname, pg_get_functiondef(oid)
            from pg_proc where pronamespace = 'fcs'::regnamespace
        union all
          select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid)
            from pg_trigger as t join pg_class as c on c.oid = tgrelid
           where relnamespace = 'fcs'::regnamespace
        union all
          select 'enum', enumtypid::regtype::text, enumlabel, enumsortorder::text
            from pg_enum join pg_type as t on t.oid = enumtypid
           where typnamespace = 'fcs'::regnamespace
        order by 1, 2, 3, 4
        """,
    )


async def test_nothing_is_made_outside_the_schema(database_url: str) -> None:
    async with await connect(database_url, part="test") as db:
        foreign = await rows(
            db,
            """
            select relname from pg_class where relnamespace not in (
                'fcs'::regnamespace, 'pg_catalog'::regnamespace,
                'information_schema'::regnamespace, 'pg_toast'::regnamespace)
            """,
        )
    assert foreign == []


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in known()] == [*range(1, schema_version() + 1)]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+", name) for name in NAMES)


async def test_a_role_that_may_only_use_the_tables_can_run_init_again(
    blank_database_url: str, modest_role: str
) -> None:
    """A deployment calls `fcs init` each time, and not always as the owner of the database."""
    await migrate(blank_database_url)
    await change(blank_database_url, f"grant usage on schema fcs to {modest_role}")
    await change(blank_database_url, f"grant all on all tables in schema fcs to {modest_role}")

    url = psycopg.conninfo.make_conninfo(blank_database_url, user=modest_role)
    assert await migrate(url) == []
    await check(url)
    await change(blank_database_url, f"drop owned by {modest_role}")


async def test_a_schema_made_by_somebody_with_more_rights_is_filled(
    blank_database_url: str, modest_role: str
) -> None:
    await change(blank_database_url, f"create schema fcs authorization {modest_role}")

    url = psycopg.conninfo.make_conninfo(blank_database_url, user=modest_role)
    assert await migrate(url) == NAMES
    await change(blank_database_url, f"drop owned by {modest_role} cascade")


async def test_an_old_postgres_is_refused_by_name(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POSTGRES_MIN", 99)

    with pytest.raises(InvalidSettings, match="needs 99"):
        await migrate(blank_database_url)


async def test_without_a_database_it_says_so() -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate("host=127.0.0.1 port=1")


async def test_the_database_knows_the_same_statuses_as_the_code(database_url: str) -> None:
    async with await connect(database_url, part="test") as db:
        found = await rows(db, "select unnest(enum_range(null::fcs.status))::text as status")

    assert [each["status"] for each in found] == [*Status]

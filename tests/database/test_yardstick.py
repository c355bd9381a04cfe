"""What `fcs bench` measures with: a yardstick of its own, in a database of its own."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import psycopg
import pytest
from tests.database.scene import rows

from fcs.database import rawlimit
from fcs.database.connect import Connection, connect
from fcs.database.migrate import check_schema
from fcs.database.scratch import scratch_database
from fcs.domain.errors import InvalidSettings

IDS = [UUID(int=n) for n in range(1, 6)]
WORKER, RUN = UUID(int=100), UUID(int=200)


@pytest.mark.parametrize("create", [rawlimit.create_table, rawlimit.create_plain_table])
async def test_the_yardstick_s_tasks_go_through_all_three_moves(
    db: Connection, create: Callable[[Connection], Awaitable[None]]
) -> None:
    await create(db)
    await rawlimit.copy_in(db, IDS[:4])
    await rawlimit.insert_one(db, IDS[4])

    assert await rawlimit.dispatch(db, IDS, worker_id=WORKER) == 5
    assert await rawlimit.dispatch(db, IDS, worker_id=WORKER) == 0
    assert await rawlimit.begin(db, IDS, worker_id=RUN, run_id=RUN) == 0
    assert await rawlimit.begin(db, IDS, worker_id=WORKER, run_id=RUN) == 5
    assert await rawlimit.finish(db, IDS[:3], run_id=RUN) == 3
    assert await rawlimit.finish(db, IDS, run_id=RUN) == 2
    [counted] = await rows(db, "select count(*) from fcs_bench.tasks where status = 3")
    assert counted["count"] == 5


async def test_the_yardstick_like_our_own_has_its_defaults_and_checks(db: Connection) -> None:
    await rawlimit.create_like_table(db)
    await rawlimit.copy_like_in(db, IDS)

    query = "select distinct status::text, queue, due_at is null as idle from fcs_bench.tasks"
    assert await rows(db, query) == [{"status": "pending", "queue": "default", "idle": False}]


async def test_the_yardstick_leaves_nothing_behind(db: Connection) -> None:
    await rawlimit.create_table(db)
    await rawlimit.drop_table(db)
    await rawlimit.drop_table(db)

    assert await rows(db, "select to_regnamespace('fcs_bench') as left") == [{"left": None}]


async def databases(url: str) -> set[str]:
    async with await connect(url, part="test") as db:
        return {found["datname"] for found in await rows(db, "select datname from pg_database")}


async def test_a_scratch_database_has_the_schema_and_is_removed(shared_url: str) -> None:
    name = f"{psycopg.conninfo.conninfo_to_dict(shared_url)['dbname']}_scratch"
    async with (
        scratch_database(shared_url, name=name) as url,
        await connect(url, part="test") as db,
    ):
        await check_schema(db)
        assert db.info.dbname == name

    assert name not in await databases(shared_url)


async def test_a_scratch_database_is_removed_although_the_measurement_failed(
    shared_url: str,
) -> None:
    name = f"{psycopg.conninfo.conninfo_to_dict(shared_url)['dbname']}_scratch"
    with pytest.raises(ZeroDivisionError):
        async with scratch_database(shared_url, name=name):
            raise ZeroDivisionError

    assert name not in await databases(shared_url)


async def test_who_may_not_make_databases_is_told_what_helps(
    shared_url: str, modest_role: str
) -> None:
    url = psycopg.conninfo.make_conninfo(shared_url, user=modest_role)
    with pytest.raises(InvalidSettings) as refused:
        async with scratch_database(url, name=f"{modest_role}_scratch"):
            pass

    assert "CREATEDB" in refused.value.hint

"""The real PgBouncer, where it is installed, in the place of the other tests' pooler."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from tests.conftest import Plant
from tests.parts.stage import count, supervising, working

from bench.pgbouncer import BINARY, free_port, pgbouncer
from fcs import App
from fcs.client.packing import PART_MAX
from fcs.database.connect import connect
from fcs.database.hearing import hears
from fcs.database.migrate import migrate
from fcs.embedded import Postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pgbouncer"),
    pytest.mark.skipif(BINARY is None, reason="there is no pgbouncer on this machine"),
]

TRACES = """
    select name from pg_settings where source = 'session' and name <> 'application_name'
 union all
    select name from pg_prepared_statements
 union all
    select * from pg_listening_channels()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> Iterator[Postgres]:
    place = ("127.0.0.1", free_port())
    with Postgres(plant(tmp_path_factory.mktemp("postgres")), listen=place) as server:
        yield server


async def test_all_works_and_leaves_no_traces(server: Postgres) -> None:
    await migrate(server.url())
    with pgbouncer(server, mode="transaction") as way:
        url = way("postgres")
        app = App(database=url)

        @app.task
        async def double(n: int) -> int:
            return 2 * n

        async with supervising(url), working(url, app.registry, slots=20):
            tasks = await double.enqueue_many([{"n": n} for n in range(100)])
            assert [await task.result(30) for task in tasks] == [2 * n for n in range(100)]
        later, many = double.using(delay="1h"), [{"n": n} for n in range(PART_MAX + 1)]
        await later.enqueue_many(many)
        await asyncio.to_thread(later.enqueue_many_sync, many)
        await app.close()

        async with await connect(url, part="test") as db:
            assert await count(db, "select count(*) from fcs.tasks") == 100 + 2 * len(many)
            assert not await hears(db, url, direct=None)
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            assert other.execute(TRACES).fetchall() == []


async def test_hints_arrive_where_sessions_are_kept(server: Postgres) -> None:
    with pgbouncer(server, mode="session") as way:
        url = way("postgres")
        async with await connect(url, part="test") as db:
            assert await hears(db, url, direct=None)

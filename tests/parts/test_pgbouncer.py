"""The real PgBouncer, where it is installed, in the place of the other tests' pooler."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests.parts.stage import count, supervising, until, working

from fcs import App
from fcs.client.packing import PART_MAX
from fcs.database.connect import connect
from fcs.database.hearing import hears
from fcs.database.migrate import migrate
from fcs.embedded import Postgres
from fcs.node.ports import find_port

BINARY: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="there is no pgbouncer on this machine"),
]

CONFIGURATION = """
    [databases]
    {dbname} = host={host} port={port} user={user} password={password}
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = {own_port}
    unix_socket_dir =
    auth_type = any
    pool_mode = {mode}
    default_pool_size = 4
"""

TRACES = """
    select name from pg_settings where source = 'session' and name <> 'application_name'
 union all
    select name from pg_prepared_statements
 union all
    select * from pg_listening_channels()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    # PgBouncer runs as somebody who may not enter the folder of the socket.
    place = ("127.0.0.1", find_port("127.0.0.1", 0))
    with Postgres(tmp_path_factory.mktemp("postgres"), listen=place) as server:
        yield server


@contextmanager
def pgbouncer(server: Postgres, mode: str) -> Iterator[str]:
    """A PgBouncer while the block runs; yields the way through it."""
    assert BINARY is not None
    place = conninfo_to_dict(server.tcp_url())
    own_port = find_port("127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="fcs-pgbouncer-") as folder:
        path = Path(folder) / "pgbouncer.ini"
        path.write_text(CONFIGURATION.format(**place, own_port=own_port, mode=mode))
        Path(folder).chmod(0o755)
        who = ["--user", "nobody"] if os.geteuid() == 0 else []
        with subprocess.Popen([BINARY, "--quiet", *who, path]) as process:
            try:
                yield make_conninfo(
                    "", host="127.0.0.1", port=own_port, user=place["user"], dbname=place["dbname"]
                )
            finally:
                process.terminate()


async def reachable(url: str) -> bool:
    try:
        async with await psycopg.AsyncConnection.connect(url):
            return True
    except psycopg.OperationalError:
        return False


async def test_all_works_and_leaves_no_traces(server: Postgres) -> None:
    await migrate(server.url())
    with pgbouncer(server, "transaction") as url:
        await until(lambda: reachable(url))
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
    with pgbouncer(server, "session") as url:
        await until(lambda: reachable(url))
        async with await connect(url, part="test") as db:
            assert await hears(db, url, direct=None)

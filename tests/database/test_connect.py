"""Connections that no default of a role or database surprises, and errors that help at night."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import Plant
from tests.database.scene import (
    add_dispatched,
    add_workers,
    beginning,
    incarnation,
    new,
    rows,
    task_id,
)

from fcs.database import backlog, insights, runs, tasks, workers
from fcs.database.connect import connect, connect_sync, cut_off, describe
from fcs.domain.errors import DatabaseUnavailable, InvalidSettings
from fcs.embedded import Postgres

SURPRISES = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "statement_timeout": "1h",
    "lock_timeout": "1h",
    "idle_in_transaction_session_timeout": "1h",
    "idle_session_timeout": "1h",
    "client_connection_check_interval": "1h",
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "search_path": "nowhere",
}


def surprise(url: str, **settings: str) -> None:
    """Set defaults on the database of a test's own."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as db:
        for setting, value in settings.items():
            alter = psycopg.sql.SQL("alter database {} set {} = {}")
            # A list such as DateStyle's is not one quoted word.
            db.execute(
                alter.format(
                    psycopg.sql.Identifier(str(name)),
                    psycopg.sql.Identifier(setting),
                    psycopg.sql.SQL(value) if "," in value else psycopg.sql.Literal(value),
                )
            )


async def test_defaults_of_the_database_change_nothing(database_url: str) -> None:
    """F-16, F-17, F-89."""
    surprise(database_url, **SURPRISES)

    async with await connect(database_url, part="test", keys_only=True) as db:
        await add_workers(db, 7)
        await add_dispatched(db, 7, 1)
        async with db.transaction():
            [level] = await rows(db, "show transaction_isolation")
            assert level["transaction_isolation"] == "read committed"
            assert await runs.begin(db, incarnation(7), [beginning(1)]) == {task_id(1)}
        assert (await backlog.now(db)).utcoffset() == timedelta()
        await workers.survey(db)
        for setting in SURPRISES:
            [shown] = await rows(db, f"show {setting}")
            assert "1h" not in shown.values()


async def test_what_a_client_had_asked_for_ends_with_it(database_url: str) -> None:
    """F-83: a statement that goes on for nobody would keep its locks."""
    surprise(database_url, client_connection_check_interval="0")

    async with await connect(database_url, part="observer") as observer:
        client = await connect(database_url, part="client")
        await client.execute("set statement_timeout = 0")  # would end it as well, in a minute
        asked = asyncio.create_task(client.execute("select pg_sleep(3600)"))
        while not await rows(observer, SLEEPING):
            await asyncio.sleep(0.05)
        cut_off(client)
        with pytest.raises(psycopg.OperationalError):
            await asked
        await client.close()
        async with asyncio.timeout(30):
            while await rows(observer, SLEEPING):
                await asyncio.sleep(0.05)


SLEEPING = """
    select pid
      from pg_stat_activity
     where datname = current_database()
       and application_name = 'fcs client'
       and wait_event = 'PgSleep'
"""


def test_nor_do_they_for_code_without_an_event_loop(database_url: str) -> None:
    surprise(database_url, **SURPRISES)

    with connect_sync(database_url, part="test") as db:
        assert tasks.create_sync(db, [new(1)]) == 1
        view = insights.find_task_sync(db, task_id(1))
        assert view is not None
        assert view.created_at.utcoffset() == timedelta()


@pytest.fixture
def reached(tmp_path: Path, plant: Plant) -> Iterator[Postgres]:
    """A server that can be reached by TCP as well."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    with Postgres(plant(tmp_path / "postgres"), listen=("127.0.0.1", port)) as server:
        yield server


KEEPALIVES = """
    select current_setting('tcp_keepalives_idle')::int
               + current_setting('tcp_keepalives_interval')::int
               * current_setting('tcp_keepalives_count')::int
"""


async def test_postgres_asks_whether_the_machine_of_a_silent_session_is_there(
    reached: Postgres,
) -> None:
    """F-83: of one that vanished nobody tells, and its session keeps the locks that it holds. By a
    socket of Unix there is no other machine."""
    url = reached.tcp_url()
    async with (
        await connect(url, part="test") as far,
        await connect(reached.url(), part="test") as near,
    ):
        assert await (await far.execute(KEEPALIVES)).fetchone() == (30,)
        assert await (await near.execute(KEEPALIVES)).fetchone() == (0,)
    with connect_sync(url, part="test") as db:
        assert db.execute(KEEPALIVES).fetchone() == (30,)


async def test_a_connection_says_whose_it_is(shared_url: str) -> None:
    async with await connect(shared_url, part="canary") as db:
        [name] = await rows(db, "show application_name")

    assert name["application_name"] == "fcs canary"


async def test_what_the_url_asks_for_wins(shared_url: str) -> None:
    url = psycopg.conninfo.make_conninfo(shared_url, application_name="mine", connect_timeout=3)
    async with await connect(url, part="test") as db:
        [name] = await rows(db, "show application_name")
        assert db.info.get_parameters()["connect_timeout"] == "3"

    assert name["application_name"] == "mine"


async def test_statements_by_key_never_scan_a_table(shared_url: str) -> None:
    async with await connect(shared_url, part="test", keys_only=True) as db:
        for setting, wanted in {
            "enable_seqscan": "off",
            "plan_cache_mode": "force_generic_plan",
        }.items():
            [shown] = await rows(db, f"show {setting}")
            assert shown[setting] == wanted


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/db",
        "postgresql://ann:s3cret@127.0.0.1:1/db?connect_timeout=2",
        "host=127.0.0.1 port=1 user=ann password=s3cret dbname=db",
        "host=/nowhere user=ann password=s3cret dbname=db",
        "postgresql://ann:s3cret@nowhere.invalid/db",
    ],
)
async def test_who_cannot_connect_is_told_where_and_not_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as unavailable:
        await connect(url, part="test")
    with pytest.raises(DatabaseUnavailable) as unavailable_too:
        connect_sync(url, part="test")

    for error in (unavailable.value, unavailable_too.value):
        told = f"{error} {error.hint} {describe(url)}"
        assert "s3cret" not in told
        assert "/db" in told
        assert error.hint


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://ann:s3cret@h1:1,h2:2/db", "h1:1,h2:2/db"),
        ("postgres://ann@h1,h2/db?port=7", "h1:7,h2:7/db"),
        ("host=/one,/two dbname=db", "/one:5432,/two:5432/db"),
        ("postgres://h1,h2:2/db", "h1:5432,h2:2/db"),
        ("postgres://h1:1/db", "h1:1/db"),
        ("dbname=db", "the default socket:5432/db"),
    ],
)
def test_every_host_of_a_url_is_named_with_its_port(url: str, said: str) -> None:
    assert describe(url) == said


@pytest.mark.parametrize(
    ("hosts", "wanted"),
    [
        ("127.0.0.1", None),
        ("127.0.0.1,127.0.0.1", "read-write"),
        ("127.0.0.1,127.0.0.1?target_session_attrs=any", "any"),
    ],
)
async def test_of_several_hosts_the_one_that_takes_writes_is_meant(
    hosts: str, wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-17. Where the URL says itself what it wants, that wins."""
    asked: list[dict[str, Any]] = []

    async def dial(url: str, **options: str) -> None:
        asked.append(psycopg.conninfo.conninfo_to_dict(url, **options))
        raise psycopg.OperationalError

    monkeypatch.setattr("fcs.database.connect.Session.connect", dial)
    with pytest.raises(DatabaseUnavailable):
        await connect(f"postgres://{hosts.replace('?', '/db?')}", part="test")

    assert asked[0].get("target_session_attrs") == wanted


@pytest.mark.parametrize(
    "url", ["postgres//typo", "postgresql://h:notaport/db?nonsense=1", "host='", "nonsense=1"]
)
async def test_a_url_that_cannot_be_read_is_said_to_be_unreadable(url: str) -> None:
    with pytest.raises(InvalidSettings) as unreadable:
        await connect(url, part="test")

    assert "postgres://" in unreadable.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@h:5432/db?sslmode=banana&password=s3cret",
        "postgresql://ann:s3cret@h:port/db",
        "postgresql://ann:s3cret@[h/db",
        "host=h password='s3cret",
        "password=s3cret nonsense",
    ],
)
async def test_an_unreadable_url_does_not_give_the_password_away(url: str) -> None:
    """SEC: the error is logged and printed."""
    with pytest.raises((InvalidSettings, DatabaseUnavailable)) as refused:
        await connect(url, part="test")

    assert "s3cret" not in f"{refused.value} {refused.value.hint} {describe(url)}"

"""Behind a pooler of transactions: the same answers, and no traces in shared sessions."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.conftest import Server
from tests.pooler import Pooler, pooling

from fcs.database.connect import Connection, connect, connect_sync
from fcs.database.hearing import hears
from fcs.database.session import adjust, is_shared
from fcs.domain.errors import InvalidSettings

SETTINGS = """
    select current_setting('statement_timeout'),
           current_setting('TimeZone'),
           current_setting('transaction_isolation')
"""
OURS = ("1min", "UTC", "read committed")

TRACES = """
    select name
      from pg_settings
     where source = 'session'
       and name not in ('client_encoding', 'application_name')
 union all
    select name from pg_prepared_statements
 union all
    select * from pg_listening_channels()
 union all
    select locktype from pg_locks where locktype = 'advisory'
"""


@pytest.fixture(scope="module")
def pooler(postgres: Server) -> Iterator[Pooler]:
    with pooling(postgres.url()) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: Pooler, database_url: str) -> str:
    return pooler.url(database_url)


@pytest.fixture
async def pooled(pooled_url: str) -> AsyncIterator[Connection]:
    async with await connect(pooled_url, part="test") as db:
        yield db


async def value(db: Connection, query: str) -> Any:
    row = await (await db.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


async def test_a_shared_session_is_told_from_ones_own(
    pooled: Connection, database_url: str
) -> None:
    assert is_shared(pooled)
    assert len({await value(pooled, "select pg_backend_pid()") for _ in range(4)}) > 1
    async with await connect(database_url, part="test") as own:
        assert not is_shared(own)


async def test_each_transaction_has_our_settings(pooled: Connection, pooled_url: str) -> None:
    for _ in range(4):
        assert await (await pooled.execute(SETTINGS)).fetchone() == OURS
    async with pooled.transaction():
        assert await (await pooled.execute(SETTINGS)).fetchone() == OURS
    with connect_sync(pooled_url, part="test") as db:
        for _ in range(4):
            assert db.execute(SETTINGS).fetchone() == OURS
        with db.transaction():
            assert db.execute(SETTINGS).fetchone() == OURS


async def test_settings_can_be_changed_for_all_transactions_to_come(pooled: Connection) -> None:
    await adjust(pooled, {"lock_timeout": "1500ms"})

    for _ in range(4):
        assert await value(pooled, "show lock_timeout") == "1500ms"
        assert await value(pooled, "show statement_timeout") == "1min"


async def test_nothing_is_left_behind(pooled: Connection, pooled_url: str) -> None:
    """Whoever has the session next would have to live with it."""
    await adjust(pooled, {"enable_seqscan": "off"})
    for number in range(20):
        await pooled.execute("select %s::int", [number])
    with connect_sync(pooled_url, part="test") as db:
        for number in range(20):
            db.execute("select %s::int", [number])
    assert not await hears(pooled, pooled_url, direct=None)

    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        for _ in range(4):
            assert other.execute(TRACES).fetchall() == []


async def test_an_error_is_told_and_the_next_statement_goes_on(pooled: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await pooled.execute("select 1 / 0")

    assert await value(pooled, "select 1") == 1


async def test_statements_that_meet_fail_each_for_itself(pooled: Connection) -> None:
    queries = ["select 1 / 0" if n == 5 else f"select {n}" for n in range(10)]

    answers = await asyncio.gather(
        *(value(pooled, query) for query in queries), return_exceptions=True
    )

    assert isinstance(answers.pop(5), psycopg.errors.DivisionByZero)
    assert answers == [0, 1, 2, 3, 4, 6, 7, 8, 9]


async def test_sessions_of_another_isolation_are_refused(pooler: Pooler, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        change = "alter database {} set default_transaction_isolation = 'serializable'"
        admin.execute(sql.SQL(change).format(sql.Identifier(admin.info.dbname)))

    with pytest.raises(InvalidSettings, match="serializable") as refused:
        await connect(pooler.url(database_url), part="test")

    assert "alter role" in refused.value.hint


async def test_a_session_of_ones_own_hears(database_url: str, pooled_url: str) -> None:
    async with await connect(database_url, part="test") as own:
        assert await hears(own, database_url, direct=None)
        assert await hears(own, pooled_url, direct=database_url)


async def test_a_way_around_that_leads_elsewhere_hears_nothing(
    pooled_url: str, postgres: Server
) -> None:
    async with await connect(postgres.url(), part="test") as elsewhere:
        assert not await hears(elsewhere, pooled_url, direct=postgres.url())

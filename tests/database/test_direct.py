"""Statements without a cursor: all that is sent arrives, and no answer comes too early."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from fcs.database.connect import Connection, connect
from fcs.database.direct import Direct

ECHO = "select length(%(text)s::text), %(more)s::jsonb"


@pytest.fixture
async def direct(database_url: str) -> AsyncIterator[Direct]:
    async with await connect(database_url, part="direct") as db:
        yield Direct(db)


@pytest.mark.parametrize("prepare_threshold", [None, 0, 5])
async def test_a_statement_answers_alike_prepared_or_not(
    direct: Direct, db: Connection, prepare_threshold: int | None
) -> None:
    direct.db.prepare_threshold = prepare_threshold
    for number in range(8):
        text = "ü" * number
        assert await direct.run(ECHO, {"text": text, "more": "[1]"}) == [(number, [1])]
    [(prepared,)] = await direct.run("select count(*) from pg_prepared_statements", {})
    assert (prepared > 0) == (prepare_threshold is not None)


async def test_what_does_not_fit_in_one_go_arrives_whole(direct: Direct) -> None:
    size = 8 * 1024 * 1024
    for _ in range(2):
        assert await direct.run(ECHO, {"text": "x" * size, "more": "{}"}) == [(size, {})]


async def test_a_refusal_has_its_own_name_and_the_connection_goes_on(direct: Direct) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        await direct.run(ECHO, {"text": "", "more": "{"})
    assert await direct.run(ECHO, {"text": "", "more": "{}"}) == [(0, {})]


async def test_what_the_commit_refuses_is_refused(direct: Direct) -> None:
    """Postgres has answered the statement itself by then."""
    await direct.run("create table doubt (n int unique deferrable initially deferred)", {})
    for _ in range(7):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await direct.run("insert into doubt values (1), (1) returning n", {})


async def test_whoever_goes_away_leaves_no_answer_for_the_next(direct: Direct) -> None:
    waiting = asyncio.create_task(direct.run("select pg_sleep(60)", {}))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert direct.db.closed


async def test_a_server_that_goes_away_is_heard(direct: Direct, db: Connection) -> None:
    waiting = asyncio.create_task(direct.run("select pg_sleep(60)", {}))
    await asyncio.sleep(0)
    await db.execute("select pg_terminate_backend(%s)", [direct.db.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        await waiting

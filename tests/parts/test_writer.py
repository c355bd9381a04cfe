"""The writer: creates that meet go out as one statement, and each is told its own truth."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.parts.proxy import Kind, Proxy, proxied
from tests.parts.stage import count, until, until_so

from fcs.client.ids import new_task_id
from fcs.database.connect import Connection
from fcs.database.creation import Created
from fcs.database.writer import BATCH_MAX, Writer
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.task import NewTask

TASKS = "select count(*) from fcs.tasks"


def new(n: int = 1, *, ty: str = "noop") -> list[NewTask]:
    return [NewTask(new_task_id(), ty, b"{}") for _ in range(n)]


def bad() -> list[NewTask]:
    """What only Postgres refuses: the name is too long."""
    return new(ty="x" * 201)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with proxied(database_url) as proxy:
        yield proxy


@pytest.fixture
async def writer(proxy: Proxy) -> AsyncIterator[Writer]:
    writer = Writer(proxy.url, rng=Random(1))
    yield writer
    await writer.close()


class Met:
    """Creates that meet: the first is held on its way, the others come in meanwhile."""

    def __init__(self, writer: Writer, proxy: Proxy) -> None:
        self._writer = writer
        self.first = proxy.trouble(Kind.HOLD, "create_plain")
        self.all: list[asyncio.Task[Created]] = []

    async def come(self, *creates: Sequence[NewTask]) -> None:
        self.all.append(asyncio.create_task(self._writer.create(new())))
        await self.first.reached.wait()
        self.all += [asyncio.create_task(self._writer.create(tasks)) for tasks in creates]
        # They have come in when the writer has them waiting.
        await until_so(lambda: len(self._writer._waiting) == len(creates))

    async def outcomes(self) -> list[BaseException | None]:
        self.first.let_go.set()
        ends = await asyncio.gather(*self.all, return_exceptions=True)
        return [end if isinstance(end, BaseException) else None for end in ends]


async def test_a_created_task_is_there(writer: Writer, db: Connection) -> None:
    tasks = new(3)
    await writer.create(tasks)
    ids = [row[0] for row in await (await db.execute("select id from fcs.tasks")).fetchall()]
    assert set(ids) == {task.id for task in tasks}


async def test_creates_that_meet_are_one_statement(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    met = Met(writer, proxy)
    await met.come(*[new() for _ in range(50)])
    assert await met.outcomes() == [None] * 51
    assert (proxy.sent("create_plain"), proxy.sent("create")) == (1, 1)
    assert await count(db, TASKS) == 51


async def test_a_statement_has_a_bound_but_splits_nobodys_tasks(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    met = Met(writer, proxy)
    half = BATCH_MAX // 2
    await met.come(new(half), new(half), new(1), new(BATCH_MAX + 1))
    assert await met.outcomes() == [None] * 5
    sent = [proxy.sent(name) for name in ("create_plain", "create", "create_alike")]
    assert sum(sent) == 3, sent
    assert await count(db, TASKS) == 1 + 2 * half + 1 + BATCH_MAX + 1


async def test_one_that_cannot_be_written_fails_alone(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    met = Met(writer, proxy)
    await met.come(new(), [*new(2), *bad()], new(2))
    first, good, refused, other = await met.outcomes()
    assert (first, good, other) == (None, None, None)
    assert isinstance(refused, psycopg.errors.CheckViolation)
    # All or none of those that came together.
    assert await count(db, TASKS) == 4


async def test_a_caller_that_goes_away_takes_nobody_along(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    met = Met(writer, proxy)
    await met.come(new(), new(), new())
    met.all[0].cancel()
    met.all[2].cancel()
    await asyncio.sleep(0)
    outcomes = await met.outcomes()
    assert [type(outcome) for outcome in outcomes] == [
        asyncio.CancelledError,
        type(None),
        asyncio.CancelledError,
        type(None),
    ]
    assert await count(db, TASKS) == 4


async def test_nobody_is_blamed_for_the_failure_of_one_that_went_away(
    writer: Writer, proxy: Proxy
) -> None:
    """An exception that nobody collects would be logged as an error of ours."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    met = Met(writer, proxy)
    await met.come(bad())
    met.all[1].cancel()
    await asyncio.sleep(0)
    await met.outcomes()
    await writer.create(new())
    del met
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
@pytest.mark.parametrize(("statement", "count"), [("create_plain", 1), ("create", 3)])
async def test_an_unknown_commit_is_settled_by_the_same_ids(
    writer: Writer, proxy: Proxy, db: Connection, kind: Kind, statement: str, count: int
) -> None:
    trouble = proxy.trouble(kind, statement)
    tasks = new(count)
    await writer.create(tasks)
    assert trouble.over.is_set()
    assert await ids_of(db) == {task.id for task in tasks}


async def ids_of(db: Connection) -> set[UUID]:
    return {row[0] for row in await (await db.execute("select id from fcs.tasks")).fetchall()}


async def test_creates_wait_out_a_short_absence(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    await writer.create(new())
    proxy.leave()
    creates = [asyncio.create_task(writer.create(new())) for _ in range(5)]
    await until_so(lambda: proxy.refused > 1)
    proxy.come_back()
    await asyncio.gather(*creates)
    assert await count(db, TASKS) == 6


async def test_a_database_that_stays_away_is_said_to_be_and_nothing_is_half_written(
    proxy: Proxy, db: Connection
) -> None:
    writer = Writer(proxy.url, rng=Random(1), patience=0.2)
    await writer.create(new())
    proxy.leave()
    creates = [writer.create(new(3)) for _ in range(5)]
    for outcome in await asyncio.gather(*creates, return_exceptions=True):
        assert isinstance(outcome, DatabaseUnavailable)
        assert outcome.hint
    assert await count(db, TASKS) == 1
    proxy.come_back()
    await writer.create(new())
    assert await count(db, TASKS) == 2
    await writer.close()


async def make_slow(db: Connection) -> None:
    """From now on Postgres takes its time over tasks of type `slow`."""
    await db.execute("""
        create function fcs.linger() returns trigger language plpgsql as
            $$ begin perform pg_sleep(3600); return new; end $$
    """)
    await db.execute("""
        create trigger linger before insert on fcs.tasks for each row
            when (new.ty = 'slow') execute function fcs.linger()
    """)


async def until_slow(db: Connection) -> None:
    sleeping = """
        select count(*) from pg_stat_activity
         where datname = current_database() and wait_event = 'PgSleep'
    """
    await until(lambda: count(db, sleeping))


async def test_closing_tells_everybody_who_waits(writer: Writer, db: Connection) -> None:
    await make_slow(db)
    under_way = asyncio.create_task(writer.create(new(ty="slow")))
    await until_slow(db)
    waiting = asyncio.create_task(writer.create(new()))
    await until_so(lambda: len(writer._waiting) == 1)
    await writer.close()
    for outcome in await asyncio.gather(under_way, waiting, return_exceptions=True):
        assert isinstance(outcome, DatabaseUnavailable)
        assert "not known" in str(outcome)
    assert await count(db, TASKS) == 0


async def test_closing_tells_those_as_well_whose_batch_is_being_sorted_out(
    writer: Writer, proxy: Proxy, db: Connection
) -> None:
    await make_slow(db)
    met = Met(writer, proxy)
    await met.come(bad(), new(ty="slow"), new())
    # Timeline: the first is written; the batch of three fails; each goes alone; the bad one
    # fails; the slow one is under way.
    met.first.let_go.set()
    await until_slow(db)
    await writer.close()
    async with asyncio.timeout(10):
        first, refused, *others = await met.outcomes()
    assert first is None
    assert isinstance(refused, psycopg.errors.CheckViolation)
    assert [type(outcome) for outcome in others] == [DatabaseUnavailable] * 2


async def test_a_closed_writer_can_be_used_again(writer: Writer, db: Connection) -> None:
    await writer.create(new())
    await writer.close()
    await writer.create(new())
    assert await count(db, TASKS) == 2

"""Retention as a supervisor keeps it: in steps, one supervisor at a time, and never in the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from tests.parts.stage import (
    CALM,
    connected,
    count,
    end_sessions,
    reach,
    supervising,
    until,
    working,
)
from tests.pooler import around

from fcs import App, Status
from fcs.database import backlog, history, retention
from fcs.database.connect import Connection, connect
from fcs.domain.retention import cutoffs, everywhere
from fcs.domain.settings import Settings
from fcs.supervisor import pruning
from fcs.supervisor import retention as part

RIPE = "select count(*) from fcs.tasks where status = 'succeeded'"
STAY = "select count(*) from fcs.tasks where status in ('failed', 'pending')"


@asynccontextmanager
async def keeping(url: str, settings: Settings = CALM) -> AsyncIterator[asyncio.Task[None]]:
    """The retention of a supervisor for as long as the block runs."""
    keeper = asyncio.create_task(part.run(url, settings, at=time.monotonic))
    try:
        yield keeper
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def none_ripe(db: Connection) -> bool:
    return await count(db, RIPE) == 0


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "STEP_ROWS", 10)


@pytest.fixture
def small_waste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcs.domain.retention.WASTE_MIN", 20)
    monkeypatch.setattr(pruning, "RECLAIM_LOCK", 0.3)
    monkeypatch.setattr(pruning, "PASS_PAUSE", 0.01)


async def test_what_is_past_its_time_goes_and_all_else_goes_on(
    app: App, database_url: str, db: Connection, small_steps: None
) -> None:
    @app.task
    async def noop() -> None: ...

    await history.fill(db, tasks=1_000)
    async with (
        supervising(database_url),
        working(database_url, app.registry),
        keeping(database_url),
    ):
        fresh = [await noop.enqueue() for _ in range(20)]
        await reach(db, [task.id for task in fresh], Status.SUCCEEDED)
        old = "select count(*) from fcs.tasks where created_at < fcs.now() - interval '1 h'"

        async def ten_left() -> bool:
            return await count(db, old) == 10

        await until(ten_left)
    assert await count(db, STAY) == 10
    assert await count(db, RIPE) == 20


async def test_what_is_kept_for_ever_stays(database_url: str, db: Connection) -> None:
    await history.fill(db, tasks=200)
    week = 7 * 86_400.0
    settings = replace(CALM, keep_succeeded=0, keep_failed=week)
    async with keeping(database_url, settings):

        async def failed_are_gone() -> bool:
            return await count(db, STAY) == 1

        await until(failed_are_gone)
    assert await count(db, RIPE) == 198


async def test_a_step_is_bounded_and_the_rest_is_left_to_the_next(
    database_url: str, db: Connection, small_steps: None
) -> None:
    await history.fill(db, tasks=100)
    steps = [sum(step.values()) async for step in prune(db)]

    assert len(steps) >= 10
    assert max(steps) <= 10
    assert sum(steps) == 99
    assert await none_ripe(db)


async def prune(db: Connection) -> AsyncIterator[dict[Status, int]]:
    now, keep = await backlog.now(db), Settings().keep
    async for step in pruning.prune(
        db, everywhere(keep, now), cutoffs(keep, now), at=time.monotonic
    ):
        yield step


async def test_ids_of_any_kind_are_found(database_url: str, db: Connection) -> None:
    await history.fill(db, tasks=50)
    await db.execute("update fcs.tasks set id = gen_random_uuid()")
    async with keeping(database_url):
        await until(lambda: none_ripe(db))


async def test_who_is_cut_off_takes_nothing_that_stays_and_the_next_round_goes_on(
    database_url: str, db: Connection, small_steps: None
) -> None:
    await history.fill(db, tasks=2_000)
    async with keeping(database_url):

        async def under_way() -> bool:
            return 0 < await count(db, RIPE) < 1_980

        await until(under_way)
        await end_sessions(db, "fcs retention")
    assert await count(db, STAY) == 20
    async with keeping(database_url):
        await until(lambda: none_ripe(db))
    assert await count(db, STAY) == 20


async def test_of_several_supervisors_one_prunes(database_url: str, db: Connection) -> None:
    await history.fill(db, tasks=100)
    keeper = part.Keeper(CALM, at=time.monotonic)
    async with connected(database_url) as busy:
        assert await retention.try_turn(busy)
        await keeper.go_round(db)
        assert await count(db, RIPE) == 99
    await until(lambda: retention.try_turn(db))
    await keeper.go_round(db)
    assert await none_ripe(db)


async def test_what_was_looked_at_is_not_walked_over_again(
    database_url: str, db: Connection
) -> None:
    """Or tasks that are kept for ever would cost more each minute, the more there are."""
    keeper = part.Keeper(CALM, at=time.monotonic)
    await keeper.go_round(db)
    await history.fill(db, tasks=100)

    await keeper.go_round(db)

    assert await count(db, RIPE) == 99


@asynccontextmanager
async def modest(db: Connection, url: str, rights: str) -> AsyncIterator[str]:
    """The URL for a role that owns nothing and has these rights on the tables."""
    role = f"{db.info.dbname}_modest"
    await db.execute(f"create role {role} login".encode())
    await db.execute(f"grant usage on schema fcs to {role}".encode())
    await db.execute(f"grant {rights} on all tables in schema fcs to {role}".encode())
    try:
        yield psycopg.conninfo.make_conninfo(url, user=role)
    finally:
        await db.execute(f"drop owned by {role}".encode())
        await db.execute(f"drop role {role}".encode())


async def test_a_role_that_may_not_delete_hears_of_it_and_lives_on(
    database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with modest(db, database_url, "select") as url, keeping(url) as keeper:

        async def said() -> bool:
            return "pruning failed" in caplog.text

        await until(said)
        assert not keeper.done()


# Giving space back

FACTS = """
select md5(string_agg(tasks::text, ';' order by id)) as facts from fcs.tasks
"""


async def facts(db: Connection) -> Any:
    return await (await db.execute(FACTS)).fetchone()


@pytest.fixture
async def pruned(db: Connection) -> None:
    """A table of thousands of pages, of which a few rows are left, all over the place."""
    await history.fill(db, tasks=20_000)
    async for _ in prune(db):
        pass


async def test_space_is_given_back_and_who_stays_stays_as_it_is(
    db: Connection, pruned: None, small_waste: None
) -> None:
    before, told = await retention.space(db), await facts(db)

    await pruning.reclaim(db, at=time.monotonic)

    after = await retention.space(db)
    assert before.pages > 700
    assert after.pages < before.pages / 5
    assert after.index_pages < before.index_pages / 5
    assert await facts(db) == told


async def test_a_keeper_gives_space_back_by_itself(
    database_url: str, db: Connection, small_waste: None
) -> None:
    await history.fill(db, tasks=20_000)
    before = await retention.space(db)
    async with keeping(around(database_url)):  # nobody can vacuum through a pooler

        async def is_small() -> bool:
            space = await retention.space(db)
            return space.pages < before.pages / 5 and space.index_pages < before.index_pages / 5

        await until(is_small)


async def test_a_row_that_somebody_holds_does_not_stop_it(
    database_url: str, db: Connection, pruned: None, small_waste: None
) -> None:
    told = await facts(db)
    async with connected(database_url) as other, other.transaction():
        await other.execute("select from fcs.tasks where status = 'pending' for update")
        await pruning.reclaim(db, at=time.monotonic)

    assert await facts(db) == told


@asynccontextmanager
async def old_snapshot(url: str) -> AsyncIterator[None]:
    """A transaction that may still look at all that is there now."""
    async with connected(url) as old, old.transaction():
        await old.execute("set transaction isolation level repeatable read")
        await old.execute("select from fcs.tasks limit 1")
        yield


async def places(db: Connection) -> set[Any]:
    return set(await (await db.execute("select ctid::text from fcs.tasks")).fetchall())


async def test_an_old_snapshot_makes_it_give_up_at_once(
    database_url: str, db: Connection, small_waste: None
) -> None:
    """What is moved in vain only makes the table grow."""
    await history.fill(db, tasks=20_000)
    async with old_snapshot(database_url):
        async for _ in prune(db):
            pass
        before, lay = await retention.space(db), await places(db)
        await pruning.reclaim(db, at=time.monotonic)
        assert len(lay - await places(db)) <= pruning.MOVED_ROWS

    await pruning.reclaim(db, at=time.monotonic)
    assert (await retention.space(db)).pages < before.pages / 5


async def test_a_keeper_that_gave_up_waits_before_it_tries_again(
    database_url: str, db: Connection, small_waste: None
) -> None:
    await history.fill(db, tasks=20_000)
    keeper = part.Keeper(CALM, at=time.monotonic)
    async with old_snapshot(database_url):
        await keeper.go_round(db)
        assert await none_ripe(db)
        lay = await places(db)
        await keeper.go_round(db)
        assert await places(db) == lay


async def test_a_role_that_does_not_own_the_table_prunes_and_leaves_the_space_to_postgres(
    database_url: str, db: Connection, small_waste: None, caplog: pytest.LogCaptureFixture
) -> None:
    await history.fill(db, tasks=20_000)
    stay = "select count(*) from fcs.tasks where ctid = any(%s::tid[])"
    lay = [place for (place,) in await places(db)]
    async with (
        modest(db, database_url, "all") as url,
        await connect(url, part="test", keys_only=True) as modestly,
    ):
        await part.Keeper(CALM, at=time.monotonic).go_round(modestly)
    assert await none_ripe(db)
    assert await count(db, stay, lay) == 200


async def test_an_index_that_was_left_half_built_is_cleared_away(db: Connection) -> None:
    await db.execute("create index tasks_pkey_ccnew on fcs.tasks (id)")
    assert (await retention.space(db)).is_wasteful(pruned=0)

    await pruning.reclaim(db, at=time.monotonic)

    assert not (await retention.space(db)).has_leftovers

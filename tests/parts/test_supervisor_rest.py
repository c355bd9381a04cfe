"""A supervisor that is rung only when it sleeps misses nothing, asleep, awake or in between.

Nobody looks at the rows by himself here for a minute: what the looks and rings do not find stays
where it is, and the test with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from msgspec import structs
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    ASLEEP,
    CALM,
    DEAF,
    Fake,
    asleep,
    connected,
    count,
    end_sessions,
    hire_fake,
    supervising,
    until,
    working,
)

from fcs import App
from fcs.client.handler import Handler
from fcs.client.ids import new_task_id
from fcs.database import sleep, tasks
from fcs.database.connect import Connection
from fcs.domain.rest import OVERLAP_LATE
from fcs.domain.task import NewTask

Noop = Handler[[], Coroutine[Any, Any, None], None]

sleeping = pytest.mark.direct
"""Whoever polls never sleeps: a sleeper holds a lock of its session, and waits to hear."""


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


async def succeeded(db: Connection, number: int) -> None:
    async def all_of_them() -> bool:
        query = "select count(*) from fcs.tasks where status = 'succeeded'"
        return await count(db, query) == number

    await until(all_of_them)


def holding(fake: Fake, number: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many tasks were handed to it."""

    async def so() -> bool:
        return len(await fake.held()) == number

    return so


async def create_one(db: Connection, ty: str) -> None:
    await tasks.create(db, [NewTask(new_task_id(), ty, b"{}")])


@pytest.mark.parametrize("supervisors", [1, 2])
async def test_creates_of_many_who_ring_only_sleepers_all_run(
    app: App, noop: Noop, database_url: str, db: Connection, supervisors: int
) -> None:
    """They come in bursts and in lulls, so that it falls asleep and wakes all the time."""
    writers, each = 8, 60

    async def write(seed: int) -> None:
        rng = Random(seed)
        async with connected(database_url) as own:
            for _ in range(each):
                await create_one(own, "noop")
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.random() * 0.06)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working(database_url, app.registry, settings=DEAF, slots=3))
        for _ in range(supervisors):
            await stack.enter_async_context(supervising(database_url, DEAF))
        await asyncio.gather(*(write(seed) for seed in range(writers)))
        await succeeded(db, writers * each)


@sleeping
async def test_it_sleeps_when_there_is_nothing_to_do(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with working(database_url, app.registry), supervising(database_url, DEAF):
        await asleep(db)
        await noop.enqueue_many([{}] * 500)
        await succeeded(db, 500)
        await asleep(db)
        await noop.enqueue()
        await succeeded(db, 501)


@sleeping
async def test_what_commits_while_it_falls_asleep_is_found(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """It cannot fall asleep as long as the news of somebody who did not ring is under way."""
    async with (
        working(database_url, app.registry, settings=DEAF),
        connected(database_url) as other,
        connected(database_url) as late,
    ):
        # Somebody else sleeps and wakes: the writer saw that nobody is to be rung.
        assert await sleep.fall_asleep(other)
        await sleep.wake_up(other)
        async with late.transaction():
            await late.execute("select fcs.must_ring()")
            async with supervising(database_url, DEAF):
                await create_one(db, "noop")
                await succeeded(db, 1)
                assert await count(db, ASLEEP) == 0
                await late.execute(
                    "insert into fcs.tasks (id, ty, due_at) values (%s, 'noop', clock_timestamp())",
                    [new_task_id()],
                )
                # The commit comes with the end of this block, and nothing rings.
                await late.execute("commit")
                await succeeded(db, 2)


INSERT = "insert into fcs.tasks (id, ty) values (%s, 'noop')"
"""By hand: nobody is told."""


@sleeping
async def test_what_came_just_before_it_falls_asleep_is_found(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """F-57: after the last look, and before anybody could know that it is to be rung."""
    fake = await hire_fake(db, ["noop"])
    async with proxied(database_url) as proxy:
        falling = proxy.trouble(Kind.HOLD, "fall_asleep")
        async with supervising(proxy.url, DEAF):
            await falling.reached.wait()
            await db.execute(INSERT, [new_task_id()])
            falling.let_go.set()
            await until(fake.held)


@sleeping
async def test_what_nobody_rang_for_is_found_in_its_sleep(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """F-58: by a rescan, and by nothing else."""
    fake = await hire_fake(db, ["noop"])
    async with supervising(database_url, structs.replace(DEAF, rescan_interval=0.1)):
        await asleep(db)
        await noop.enqueue()
        await until(fake.held)
        await db.execute(INSERT, [new_task_id()])
        await until(holding(fake, 2))


@sleeping
async def test_what_was_named_in_a_hint_that_was_dropped_is_found(
    noop: Noop, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-85: there is no room for any, and nobody looks by himself for a minute."""
    monkeypatch.setattr("fcs.database.mail.MAIL_MAX", 0)
    fake = await hire_fake(db, ["noop"])
    async with supervising(database_url, DEAF):
        await asleep(db)
        await noop.enqueue()
        await until(fake.held)


@sleeping
async def test_when_the_one_that_sleeps_for_all_dies_the_other_takes_its_place(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with (
        working(database_url, app.registry, settings=DEAF),
        supervising(database_url, DEAF),
    ):
        async with supervising(database_url, DEAF):
            await asleep(db)
        await asleep(db)
        await noop.enqueue()
        await succeeded(db, 1)


@sleeping
async def test_who_lost_the_lock_in_his_sleep_begins_anew(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """Nobody would ring any more, and each task would wait for a rescan."""
    settings = structs.replace(CALM, rescan_interval=0.2)
    async with supervising(database_url, settings):
        await asleep(db)
        assert await end_sessions(db, "fcs supervisor sleep") == 1
        await asleep(db)


@sleeping
async def test_what_took_long_to_commit_is_found_though_it_never_falls_asleep(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """Those who create one after the other keep it awake, and each of their commits is slow."""
    fake = await hire_fake(db, ["noop"])
    async with connected(database_url) as busy, busy.transaction():
        await busy.execute("select fcs.must_ring()")
        async with supervising(database_url, DEAF):
            await create_one(db, "noop")
            await until(fake.held)
            # Older than an ordinary look reaches back, and seen only now.
            await db.execute(
                "insert into fcs.tasks (id, ty, due_at) values (%s, 'noop', fcs.now() - %s)",
                [new_task_id(), timedelta(seconds=OVERLAP_LATE / 2)],
            )
            await until(holding(fake, 2))


async def test_what_was_created_in_a_long_round_is_found_after_it(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """A look begins where the last one ended, however long ago that was."""
    fake = await hire_fake(db, ["noop"], slots=10)
    async with connected(database_url) as other, AsyncExitStack() as stack:
        async with other.transaction():
            await create_one(db, "noop")
            await other.execute("select from fcs.workers for no key update")
            await stack.enter_async_context(supervising(database_url, DEAF))
            await blocked(db)
            await create_one(db, "noop")
            # Longer than the last look before a sleep reaches back.
            await asyncio.sleep(OVERLAP_LATE + 0.2)

        await until(holding(fake, 2))


async def blocked(db: Connection) -> None:
    """Wait until somebody waits for a lock."""

    async def waits() -> bool:
        return await count(db, "select count(*) from pg_locks where not granted") > 0

    await until(waits)

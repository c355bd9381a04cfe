"""Queues with limits: never exceeded, always full, whatever dies; and queues that are paused."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from tests.parts.stage import (
    DEAF,
    Fake,
    come_round,
    count,
    hire_fake,
    reach,
    supervising,
    until,
    until_so,
    working,
)

from fcs import App, Status
from fcs.database import backlog, queues
from fcs.database.connect import Connection
from fcs.domain.ids import TaskId

OVERLAPS = """
with events as (
    select started_at as at, 1 as change, limit_key from fcs.tasks
    union all
    select updated_at, -1, limit_key from fcs.tasks
)
  select limit_key, sum(change) over (partition by limit_key order by at, change)::int as running
    from events
order by at, change
"""
"""How many ran at each begin and each end, by the database's clock."""


class Relay:
    """Bodies of which none leaves before `crew` run at once: then the first of them does.

    As soon as a place that somebody left is not taken again, everything stands still.
    """

    def __init__(self, crew: int, *, tasks: int) -> None:
        self._crew, self._tasks = crew, tasks
        self._turn = asyncio.Condition()
        self._running: list[object] = []
        self.started = self.most = 0

    async def run(self) -> None:
        me = object()
        async with self._turn:
            self._running.append(me)
            self.started += 1
            self.most = max(self.most, len(self._running))
            self._turn.notify_all()
            await self._turn.wait_for(lambda: self._may_leave(me))
            self._running.remove(me)
            self._turn.notify_all()

    def _may_leave(self, me: object) -> bool:
        if self.started == self._tasks:
            return True
        return len(self._running) == self._crew and self._running[0] is me


async def most_at_once(db: Connection) -> Counter[str]:
    most: Counter[str] = Counter()
    for key, running in await (await db.execute(OVERLAPS)).fetchall():
        most[key] = max(most[key], running)
    return most


async def finished(db: Connection, number: int) -> None:
    """Wait until so many tasks have succeeded, or more."""
    query = "select count(*) from fcs.tasks where status = 'succeeded'"

    async def enough() -> bool:
        return await count(db, query) >= number

    await until(enough)


async def until_held(fake: Fake, number: int) -> list[TaskId]:
    """Wait until so many tasks are dispatched to a worker, or more."""

    async def enough() -> list[TaskId] | None:
        ids = await fake.held()
        return ids if len(ids) >= number else None

    return await until(enough)


@pytest.mark.parametrize(
    "tasks", [60, pytest.param(1_000, marks=pytest.mark.nightly)], ids=["some", "a thousand"]
)
async def test_a_limit_of_three_is_never_exceeded_and_always_full(
    app: App, database_url: str, db: Connection, tasks: int
) -> None:
    """Nobody looks at the rows by himself here: each end makes room through its own report."""
    relay = Relay(3, tasks=tasks)

    @app.task(queue="mail")
    async def send() -> None:
        await relay.run()

    await queues.set_limits(db, "mail", {"running_max": 3})
    await send.enqueue_many([{}] * tasks)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(working(database_url, app.registry, settings=DEAF))
        await stack.enter_async_context(supervising(database_url, DEAF))
        await until_so(lambda: relay.started == tasks)
        await finished(db, tasks)

    assert relay.most == 3
    assert await most_at_once(db) == {"": 3}


async def test_each_key_has_its_own_limit_and_a_hot_one_blocks_nobody(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task(queue="mail", limit_by="customer")
    async def send(customer: str) -> None:
        if customer == "hot":
            await gate.wait()

    await queues.set_limits(db, "mail", {"key_running_max": 1})
    await send.enqueue_many([{"customer": "hot"}] * 20)
    cold = await send.enqueue_many([{"customer": f"cold {n % 3}"} for n in range(12)])
    async with working(database_url, app.registry), supervising(database_url):
        await reach(db, [task.id for task in cold], Status.SUCCEEDED)
        query = "select count(*) from fcs.tasks where limit_key = 'hot' and started_at is not null"
        assert await count(db, query) == 1

        gate.set()
        await finished(db, 32)

    assert set((await most_at_once(db)).values()) == {1}


async def test_a_new_supervisor_counts_what_the_old_one_handed_out(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(queue="mail")
    async def send() -> None: ...

    fake = await hire_fake(db, ["send"], slots=100)
    await queues.set_limits(db, "mail", {"running_max": 3})
    await send.enqueue_many([{}] * 9)
    async with supervising(database_url):
        first, *_ = await until_held(fake, 3)
        run = await fake.begin(first)

    async with supervising(database_url):
        await come_round(db)
        assert len(await fake.held()) == 2  # and one runs
        await fake.finish(run)
        await until_held(fake, 3)
        await come_round(db)
        assert len(await fake.held()) == 3


async def test_no_burst_comes_twice_when_the_supervisor_is_started_again(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(queue="mail")
    async def send() -> None: ...

    fake = await hire_fake(db, ["send"], slots=1_000)
    await queues.set_limits(db, "mail", {"rate": 50, "burst": 40})
    await send.enqueue_many([{}] * 60)
    began_at = await backlog.now(db)
    for number in (10, 20, 30, 40):
        async with supervising(database_url):
            await until_held(fake, number)

    query = "select updated_at from fcs.tasks where status = 'dispatched' order by updated_at"
    moments = [row[0] for row in await (await db.execute(query)).fetchall()]
    for number, moment in enumerate(moments, 1):
        assert (moment - began_at).total_seconds() >= (number - 0.01) / 50


@pytest.mark.slow
async def test_fifty_a_second_over_ten_seconds_are_five_hundred(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(queue="mail")
    async def send() -> None: ...

    await queues.set_limits(db, "mail", {"rate": 50})
    await send.enqueue_many([{}] * 700)
    began_at = await backlog.now(db)
    async with working(database_url, app.registry, slots=50), supervising(database_url):
        await finished(db, 600)

    query = "select started_at from fcs.tasks where started_at is not null order by started_at"
    moments = [row[0] for row in await (await db.execute(query)).fetchall()]
    for number, moment in enumerate(moments, 1):
        assert (moment - began_at).total_seconds() >= (number - 0.01) / 50
    let_through = sum(moment < moments[0] + timedelta(seconds=10) for moment in moments)
    assert abs(let_through - 500) <= 50


async def test_nothing_begins_in_a_paused_queue_until_it_is_resumed(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task(queue="mail")
    async def send() -> None:
        await gate.wait()

    async with working(database_url, app.registry), supervising(database_url):
        under_way = await send.enqueue()
        await reach(db, [under_way.id], Status.RUNNING)
        await queues.pause(db, "mail", by="ann", why="the provider is down")
        await come_round(db)
        waiting = await send.enqueue_many([{}] * 3)
        gate.set()

        # What runs goes on; what waits stays, although slots are free and nobody is asleep.
        await reach(db, [under_way.id], Status.SUCCEEDED)
        await come_round(db)
        await reach(db, [task.id for task in waiting], Status.PENDING)

        await queues.resume(db, "mail")
        await reach(db, [task.id for task in waiting], Status.SUCCEEDED)

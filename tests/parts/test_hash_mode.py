"""Hash mode: each worker hands out to itself, and nothing is missing because nobody leads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec import structs
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    DEAF,
    Fake,
    asleep,
    beating,
    connected,
    count,
    hire_fake,
    reach,
    registration,
    sharing,
    supervising,
    until,
    until_so,
    working,
)
from tests.parts.topology import QUICK, crew, succeeded, switch

from fcs import App, Backoff, Status
from fcs.database import queues, workers
from fcs.database.connect import Connection
from fcs.domain.ids import Incarnation
from fcs.domain.ring import Ring, slot_of
from fcs.domain.share import STEAL_AFTER
from fcs.domain.supervisor import Supervisor
from fcs.supervisor.office import Seat

ROUNDS_MAX = 30
"""Rounds of planning from one survey to the next, at the most, while nothing happens."""


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often was planned, and how often the workers were looked at."""
    counted: Counter[str] = Counter()
    plan, surveyed = Supervisor.plan, Seat.surveyed

    def counting_plan(*args, **kwargs):  # type: ignore[no-untyped-def]
        counted["plan"] += 1
        return plan(*args, **kwargs)

    def counting_surveyed(*args, **kwargs):  # type: ignore[no-untyped-def]
        counted["survey"] += 1
        return surveyed(*args, **kwargs)

    monkeypatch.setattr(Supervisor, "plan", counting_plan)
    monkeypatch.setattr(Seat, "surveyed", counting_surveyed)
    return counted


async def rests(rounds: Counter[str]) -> None:
    """See it plan now and then, and not all the time."""
    before = rounds.copy()
    await until_so(lambda: rounds["survey"] >= before["survey"] + 30)
    surveys = rounds["survey"] - before["survey"]
    assert rounds["plan"] - before["plan"] <= ROUNDS_MAX * surveys


async def running(db: Connection, number: int) -> None:
    async def so_many() -> bool:
        return await count(db, "select count(*) from fcs.tasks where status = 'running'") == number

    await until(so_many)


# Resting


async def test_it_rests_while_its_worker_is_full(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    gate = asyncio.Event()

    @app.task
    async def hold() -> None:
        await gate.wait()

    await switch(db, "hash")
    async with crew(database_url, app, 1, slots=2):
        await hold.enqueue_many([{}] * 5)
        await running(db, 2)
        await rests(rounds)
        gate.set()
        await succeeded(db, 5)


async def test_it_rests_while_a_queue_is_paused_and_goes_on_when_it_is_resumed(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    @app.task(queue="mail")
    async def send() -> None: ...

    @app.task
    async def other() -> None: ...

    await switch(db, "hash")
    await queues.pause(db, "mail", by="me", why="")
    async with crew(database_url, app, 2):
        await send.enqueue_many([{}] * 20)
        await other.enqueue_many([{}] * 20)
        await succeeded(db, 20)
        await rests(rounds)
        await succeeded(db, 20)
        await queues.resume(db, "mail")
        await succeeded(db, 40)


async def test_it_rests_while_a_limit_is_full(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    gate = asyncio.Event()

    @app.task(queue="mail")
    async def send() -> None:
        await gate.wait()

    # By hand: who asks properly is refused one or the other.
    await queues.set_limits(db, "mail", {"running_max": 1})
    await switch(db, "hash")
    async with crew(database_url, app, 1):
        await send.enqueue_many([{}] * 5)
        await running(db, 1)
        await rests(rounds)
        await running(db, 1)
        gate.set()
        await succeeded(db, 5)


# Hearing of it: nobody looks at the rows by himself here for a minute


@pytest.fixture
def nobody_steals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcs.supervisor.stealing.STEAL_AFTER", 1_000.0)


hearing = pytest.mark.usefixtures("nobody_steals")


@hearing
async def test_a_task_is_taken_up_by_the_one_to_whom_it_falls(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    async with crew(database_url, app, 3, DEAF):
        for number in range(1, 31):
            await noop.enqueue()
            await succeeded(db, number)
        assert await count(db, "select count(distinct worker_id) from fcs.tasks") == 3


@asynccontextmanager
async def creating(url: str) -> AsyncIterator[None]:
    """Until the block ends two create all the time, each before the other's commit."""

    async def create(own: Connection) -> None:
        await own.execute("begin")
        await own.execute("select fcs.must_ring()")

    async def take_turns(one: Connection, other: Connection) -> None:
        while True:
            await create(other)
            await one.execute("commit")
            one, other = other, one

    async with connected(url) as one, connected(url) as other:
        await create(one)
        turns = asyncio.create_task(take_turns(one, other))
        try:
            yield
        finally:
            turns.cancel()
            with suppress(asyncio.CancelledError):
                await turns


@hearing
@pytest.mark.direct
async def test_a_create_rings_though_others_create_all_the_time(
    app: App, database_url: str, db: Connection
) -> None:
    """They began before anybody was there to be rung, and leave no gap to fall asleep in."""

    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    async with (
        creating(database_url),
        crew(database_url, app, 3, structs.replace(DEAF, survey_interval=0.1)),
    ):
        await asleep(db)
        for number in range(1, 11):
            await noop.enqueue()
            await succeeded(db, number)


@hearing
async def test_a_slot_that_becomes_free_is_filled_again(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def nap() -> None:
        await asyncio.sleep(0.01)

    await switch(db, "hash")
    async with crew(database_url, app, 1, DEAF, slots=1):
        await nap.enqueue_many([{}] * 20)
        await succeeded(db, 20)


@hearing
async def test_a_task_is_tried_again(app: App, database_url: str, db: Connection) -> None:
    tries: Counter[int] = Counter()

    @app.task(max_attempts=3, backoff=Backoff(first=0.01, cap=0.1))
    async def stumble(number: int) -> None:
        tries[number] += 1
        if tries[number] < 3:
            raise ValueError("not yet")

    await switch(db, "hash")
    async with crew(database_url, app, 3, DEAF):
        await stumble.enqueue_many([{"number": number} for number in range(30)])
        await succeeded(db, 30)
    assert set(tries.values()) == {3}


@hearing
async def test_what_needs_others_runs_after_them(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    async with crew(database_url, app, 3, DEAF):
        last = await noop.enqueue()
        for _ in range(9):
            last = await noop.using(after=[last]).enqueue()
        await succeeded(db, 10)


@hearing
async def test_schedules_are_fired(app: App, database_url: str, db: Connection) -> None:
    @app.schedule("* * * * * *")
    @app.task
    async def tick() -> None: ...

    await switch(db, "hash")
    async with crew(database_url, app, 3, DEAF):
        await until(lambda: at_least(db, 5))
        cursor = await db.execute("select scheduled_at from fcs.tasks")
        moments = [row[0] for row in await cursor.fetchall()]
    assert len(moments) == len(set(moments))


async def at_least(db: Connection, number: int) -> bool:
    query = "select count(*) from fcs.tasks where status = 'succeeded'"
    return await count(db, query) >= number


# Whoever is there


async def test_a_task_of_an_unheard_of_lane_is_stolen_as_soon(
    app: App, database_url: str, db: Connection
) -> None:
    """F-73: its owner does not take it, and nobody else was told of such tasks before."""

    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    deaf = await hire_fake(db, ["noop"], slots=4)
    async with crew(database_url, app, 1, DEAF), beating(deaf):
        await noop.enqueue_many([{}] * 10)
        await succeeded(db, 10)
        for number in range(1, 9):
            await noop.using(priority=number).enqueue()
        await succeeded(db, 18)


async def test_what_falls_to_another_is_left_to_it_for_a_while(
    app: App, database_url: str, db: Connection
) -> None:
    """Or whoever has room would reach for everything, and each task be fought for."""

    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    deaf = await hire_fake(db, ["noop"], slots=4)
    async with crew(database_url, app, 1) as [hired], beating(deaf):
        tasks = []
        for _ in range(40):  # for so long that it looks for what is left meanwhile
            tasks.append(await noop.enqueue())
            await asyncio.sleep(0.05)
        seen = await reach(db, [task.id for task in tasks], Status.SUCCEEDED)
    both, ring = frozenset({hired.id, deaf.papers.id}), Ring()
    stolen = [task for task in seen if ring.owner_of(slot_of(task.id), both) == deaf.papers.id]
    assert stolen
    for task in stolen:
        assert task.started_at is not None
        assert task.started_at >= task.created_at + timedelta(seconds=STEAL_AFTER)


async def test_each_gets_only_what_it_can_do(app: App, database_url: str, db: Connection) -> None:
    @app.task
    async def noop() -> None: ...

    @app.task(queue="mail")
    async def send() -> None: ...

    await switch(db, "hash")
    async with (
        working(database_url, app.registry, queues=["mail"]) as postman,
        sharing(database_url, postman, seed=1),
        working(database_url, app.registry, queues=["default"]) as other,
        sharing(database_url, other, seed=2),
    ):
        await noop.enqueue_many([{}] * 50)
        await send.enqueue_many([{}] * 50)
        await succeeded(db, 100)
        cursor = await db.execute("select queue, worker_id from fcs.tasks group by 1, 2 order by 1")
        assert await cursor.fetchall() == [("default", other.id), ("mail", postman.id)]


async def test_one_that_gets_no_answer_sits_down_again(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else takes its place, so it may wait for as long as any statement may take."""
    monkeypatch.setattr("fcs.supervisor.elector.ANSWER_WITHIN", 1.5)

    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    async with (
        working(database_url, app.registry) as worker,
        proxied(database_url) as proxy,
        sharing(proxy.url, worker, QUICK),
    ):
        await noop.enqueue()
        await succeeded(db, 1)
        await proxy.trouble(Kind.HOLD, "survey").reached.wait()
        await noop.enqueue()
        await succeeded(db, 2)


@pytest.mark.parametrize("is_silent", [True, False])
async def test_what_is_done_once_for_all_passes_to_another_who_can_do_it(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    """One worker after the other settles what needs others. One of them is silent, or beats and
    does nothing more: its seat finds no connection."""
    monkeypatch.setattr("fcs.domain.share.DUTY", 0.5)

    @app.task
    async def tick() -> None: ...

    await switch(db, "hash")
    papers = structs.replace(registration(["tick"]), incarnation=Incarnation(UUID(int=1)))
    assert await workers.register(db, papers, replaces=None)
    first = await tick.enqueue()
    await tick.using(after=[first]).enqueue()
    async with (
        nullcontext() if is_silent else beating(Fake(db, papers)),
        crew(database_url, app, 2, QUICK),
    ):
        await succeeded(db, 2)


async def test_a_mode_that_is_left_hands_out_nothing_more(
    app: App, database_url: str, db: Connection
) -> None:
    """Each part steps down at its next look, and leaves everything to those whose turn it is."""

    @app.task
    async def noop() -> None: ...

    await switch(db, "hash")
    async with crew(database_url, app, 2, QUICK):
        await noop.enqueue_many([{}] * 10)
        await succeeded(db, 10)
        await switch(db, "elected")
        await until(lambda: nobody_sits(db))
        await noop.enqueue_many([{}] * 10)
        async with supervising(database_url, QUICK):
            await succeeded(db, 20)
            await switch(db, "dedicated")
            await noop.enqueue_many([{}] * 10)
            await succeeded(db, 30)


async def nobody_sits(db: Connection) -> bool:
    query = """
        select count(*) = 0
          from pg_stat_activity
         where datname = current_database()
           and application_name = 'fcs supervisor'
    """
    return bool(await count(db, query))

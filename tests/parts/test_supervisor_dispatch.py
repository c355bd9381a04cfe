"""A supervisor at work: every due task finds a free slot, whatever is lost on the way."""

import asyncio
import logging
from collections.abc import Coroutine
from random import Random
from time import monotonic
from typing import Any, LiteralString
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    CALM,
    DEAF,
    PATIENCE,
    Fake,
    beating,
    candidate,
    come_round,
    count,
    end_sessions,
    hire_fake,
    reach,
    supervising,
    until,
    until_so,
    view,
    working,
)

from fcs import App, Status
from fcs.client.handler import Handler
from fcs.database import workers
from fcs.database.connect import Connection, connect
from fcs.domain.errors import SchemaOutdated
from fcs.domain.ids import TaskId
from fcs.supervisor import elector

LISTEN = 'listen "fcs_supervisor"'


Noop = Handler[[], Coroutine[Any, Any, None], None]


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


async def until_held(fake: Fake, number: int) -> list[TaskId]:
    async def held() -> list[TaskId] | None:
        ids = await fake.held()
        return ids if len(ids) == number else None

    return await until(held)


async def test_a_hint_that_comes_before_the_first_look_stops_nobody(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """It may come from when a supervisor listens on, which is before it has looked at anything."""

    async def ring() -> None:
        while True:
            await bell.execute("select pg_notify('fcs_supervisor', 'scan')")

    fake = await hire_fake(db, ["noop"], slots=10)
    async with await connect(database_url, part="test") as bell:
        ringing = asyncio.create_task(ring())
        for number in range(1, 4):
            async with supervising(database_url, DEAF) as supervisor:
                await noop.enqueue()
                await until_held(fake, number)
                assert not supervisor.done()
        ringing.cancel()
        await asyncio.gather(ringing, return_exceptions=True)


async def test_what_waits_when_it_starts_is_dispatched(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"], slots=10)
    tasks = await noop.enqueue_many([{}] * 10)
    async with supervising(database_url, DEAF):
        assert set(await until_held(fake, 10)) == {task.id for task in tasks}


async def test_hints_are_enough_to_dispatch(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    @app.task
    def other() -> None: ...

    first = await hire_fake(db, ["noop"])
    async with supervising(database_url, DEAF):
        await noop.enqueue()
        await until_held(first, 1)
        # It has looked at everything, and will not again for long: now it must be told.
        await noop.enqueue()
        await until_held(first, 2)
        second = await hire_fake(db, ["other"], slots=300)
        await other.enqueue()
        await until_held(second, 1)
        await other.enqueue_many([{}] * 201)  # too many to be named
        await until_held(second, 202)


@pytest.mark.direct  # whoever polls does not listen
async def test_a_task_that_is_created_between_listening_and_looking_is_found(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"])
    async with proxied(database_url) as proxy:
        listen = proxy.trouble_with(Kind.HOLD, LISTEN)
        async with supervising(proxy.url, DEAF):
            # Timeline: the supervisor is about to listen; the task comes, and its hint is heard
            # by nobody; whoever had looked before would not look again for a minute.
            await listen.reached.wait()
            await noop.enqueue()
            listen.let_go.set()
            await until_held(fake, 1)


async def test_a_lost_hint_is_made_good_by_the_slow_floor(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"], slots=2)
    async with supervising(database_url, replace(DEAF, rescan_interval=0.1)):
        await noop.enqueue()
        await until_held(fake, 1)
        await db.execute(
            "insert into fcs.tasks (id, ty) values (%s, 'noop')", [uuid4()]
        )  # nobody is told
        await until_held(fake, 2)


async def test_a_scheduled_task_goes_out_when_it_is_due_and_not_before(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"])
    row = await (await db.execute("select fcs.now() + interval '0.5 s'")).fetchone()
    assert row is not None
    async with supervising(database_url, DEAF):
        task = await noop.using(scheduled_at=row[0]).enqueue()
        await until_held(fake, 1)
    dispatched = await view(db, task.id)
    assert dispatched.updated_at >= row[0]


async def test_what_is_more_urgent_goes_first(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"], slots=1)
    for priority in (-1, 0, 5, 3):
        await noop.using(priority=priority).enqueue()
    order = []
    async with supervising(database_url):
        for _ in range(4):
            [id] = await until_held(fake, 1)
            order.append((await view(db, id)).priority)
            await fake.finish(await fake.begin(id))
    assert order == [5, 3, 0, -1]


async def test_a_worker_gets_what_it_can_do_and_no_more_than_it_has_slots_for(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    @app.task
    async def other() -> None: ...

    small = await hire_fake(db, ["noop"], slots=2, queues=["a", "b"])
    await noop.enqueue()
    await noop.using(queue="c").enqueue()
    await other.using(queue="a").enqueue()
    ours = [(await noop.using(queue=queue).enqueue()).id for queue in "abba"]
    async with supervising(database_url):
        held = await until_held(small, 2)
        for _ in range(3):
            await come_round(db)
        assert set(await small.held()) == set(held) <= set(ours)


async def test_a_draining_worker_gets_nothing_more(
    noop: Noop, database_url: str, db: Connection
) -> None:
    leaving = await hire_fake(db, ["noop"], slots=50)
    staying = await hire_fake(db, ["noop"], slots=50)
    async with supervising(database_url, DEAF):
        await workers.drain(db, leaving.incarnation)
        await noop.enqueue_many([{}] * 30)
        await until_held(staying, 30)


async def test_tasks_are_spread_over_the_workers(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fakes = [await hire_fake(db, ["noop"], slots=100) for _ in range(3)]
    await noop.enqueue_many([{}] * 100)
    async with supervising(database_url, DEAF):
        dispatched = "select count(*) from fcs.tasks where status = 'dispatched'"
        await until(lambda: is_number(db, dispatched, 100))
    assert all([len(await fake.held()) >= 10 for fake in fakes])


async def is_number(db: Connection, query: LiteralString, number: int) -> bool:
    return await count(db, query) == number


async def test_a_free_slot_is_filled_at_once_when_a_task_ends(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"], slots=1)
    await noop.enqueue_many([{}] * 5)
    async with supervising(database_url, DEAF):
        for _ in range(5):
            [id] = await until_held(fake, 1)
            await fake.finish(await fake.begin(id))


async def test_a_lost_database_is_waited_for(noop: Noop, database_url: str, db: Connection) -> None:
    fake = await hire_fake(db, ["noop"], slots=2)
    async with proxied(database_url) as proxy, supervising(proxy.url, DEAF):
        await noop.enqueue()
        await until_held(fake, 1)
        proxy.leave()
        await until_so(lambda: proxy.refused > 3)
        await noop.enqueue()
        proxy.come_back()
        await until_held(fake, 2)


async def test_asked_to_end_while_the_database_goes_away_it_ends(database_url: str) -> None:
    """The trouble must not swallow the cancellation, or the process stays for ever."""
    moments = 0

    def at() -> float:
        nonlocal moments
        moments += 1
        if moments == 50:
            part.cancel()
            raise ConnectionError("gone, at the very moment it is asked to end")
        return monotonic()

    part = asyncio.create_task(elector.run(database_url, CALM, candidate(), rng=Random(1), at=at))
    await asyncio.wait([part], timeout=PATIENCE)
    assert part.cancelled()


@pytest.mark.parametrize(
    "name",
    [
        "fcs supervisor",
        # Whoever polls has no mail.
        pytest.param("fcs supervisor mail", marks=pytest.mark.direct),
    ],
)
async def test_one_lost_connection_is_made_anew(
    noop: Noop, database_url: str, db: Connection, name: str
) -> None:
    fake = await hire_fake(db, ["noop"], slots=2)
    async with supervising(database_url, DEAF):
        await noop.enqueue()
        await until_held(fake, 1)
        await until(lambda: end_sessions(db, name))
        await noop.enqueue()
        await until_held(fake, 2)


GARBAGE = [
    "",
    "tasks",
    "tasks x",
    f"tasks {uuid4()} x",
    "report",
    f"report {uuid4()} 1 2",
    f"report {uuid4()} 1 2 3",
    f"report {uuid4()} {'9' * 4_000} 2 3",
    f"report {uuid4()} -1 2 3",
    "workers please",
    "scan now",
    "drop table fcs.tasks",
    "\ufffd" * 2_000,
    "tasks " + " ".join(str(uuid4()) for _ in range(200)),
]


@pytest.mark.direct  # whoever polls reads no hints, so counts none
async def test_garbage_is_ignored_and_counted(
    noop: Noop,
    database_url: str,
    db: Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = await hire_fake(db, ["noop"])
    with caplog.at_level(logging.WARNING, "fcs.supervisor"):
        async with supervising(database_url, DEAF) as part:
            await noop.enqueue()
            await until_held(fake, 1)
            for payload in GARBAGE * 5:
                await db.execute("select pg_notify('fcs_supervisor', %s)", [payload])
            await noop.enqueue()
            await until_held(fake, 2)
            assert not part.done()
    noted = [record for record in caplog.records if "nobody understands" in record.getMessage()]
    assert len(noted) == 1


async def test_a_forged_report_does_not_stop_dispatch_for_good(
    noop: Noop, database_url: str, db: Connection
) -> None:
    fake = await hire_fake(db, ["noop"])
    async with supervising(database_url), beating(fake):
        await noop.enqueue()
        await until_held(fake, 1)
        forged = f"report {fake.incarnation} {2**61} 1000 0"
        await db.execute("select pg_notify('fcs_supervisor', %s)", [forged])
        await noop.enqueue()
        await until_held(fake, 2)


async def test_a_count_that_somebody_changed_by_hand_is_settled(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    """CAP: the worker's slots look taken, until the worker itself counts anew."""
    settings = replace(CALM, rescan_interval=0.2)
    async with (
        working(database_url, app.registry, settings=settings, slots=2),
        supervising(database_url, CALM),
    ):
        await db.execute("update fcs.workers set tasks_sent = tasks_taken + 2")
        created = await noop.enqueue_many([{}] * 4)
        await reach(db, [task.id for task in created], Status.SUCCEEDED)


async def test_a_supervisor_that_starts_in_the_middle_runs_nothing_twice(
    app: App, database_url: str, db: Connection
) -> None:
    starts: list[int] = []

    @app.task
    async def numbered(n: int) -> None:
        starts.append(n)

    created = await numbered.enqueue_many({"n": n} for n in range(400))
    async with working(database_url, app.registry, slots=8):
        for enough in (100, 200, 300):
            async with supervising(database_url, seed=enough):
                await until_so(lambda enough=enough: len(starts) >= enough)  # type: ignore[misc]
        async with supervising(database_url):
            views = await reach(db, [task.id for task in created], Status.SUCCEEDED)
    assert sorted(starts) == list(range(400))
    assert {task.attempt for task in views} == {1}


async def test_supervisors_side_by_side_run_nothing_twice(
    app: App, database_url: str, db: Connection
) -> None:
    starts: list[int] = []

    @app.task
    async def numbered(n: int) -> None:
        starts.append(n)

    async with (
        working(database_url, app.registry, slots=8),
        working(database_url, app.registry, slots=8),
        supervising(database_url, seed=1),
        supervising(database_url, seed=2),
        supervising(database_url, seed=3),
    ):
        created = await numbered.enqueue_many({"n": n} for n in range(300))
        await reach(db, [task.id for task in created], Status.SUCCEEDED)
    assert sorted(starts) == list(range(300))


async def test_a_database_without_the_schema_is_said_to_be_at_once(
    blank_database_url: str,
) -> None:
    with pytest.raises(SchemaOutdated, match="0001") as raised:
        async with asyncio.timeout(30):
            await elector.run(blank_database_url, CALM, candidate(), rng=Random(1), at=monotonic)
    assert "fcs init" in raised.value.hint

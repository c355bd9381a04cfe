"""How a worker begins: with a free slot, within its lease, once, whatever becomes of the answer."""

import asyncio
import time
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    DEAF,
    beats,
    count,
    end_sessions,
    give,
    reach,
    until,
    until_so,
    view,
    working,
)
from tests.parts.topology import QUICK

from fcs import App, Status
from fcs.client.ids import new_run_ids, new_task_id
from fcs.database import runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Beginning
from fcs.domain.ids import Incarnation

RUNNING = "select count(*) from fcs.tasks where status = 'running'"


async def test_begins_no_more_than_it_has_slots(
    app: App, database_url: str, db: Connection
) -> None:
    inside, most, gate = 0, 0, asyncio.Semaphore(0)

    @app.task
    async def busy() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await gate.acquire()
        inside -= 1

    ids = [task.id for task in await busy.enqueue_many([{}] * 6)]
    async with working(database_url, app.registry, slots=2) as hired:
        await give(db, hired.incarnation, ids)
        await until_so(lambda: inside == 2)
        await beats(db, hired.incarnation, more=3)
        assert await count(db, RUNNING) == 2

        for _ in ids:
            gate.release()
        await reach(db, ids, Status.SUCCEEDED)
    assert most == 2


async def test_a_slot_that_falls_free_takes_what_waits_for_it(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    ids = [task.id for task in await noop.enqueue_many([{}] * 5)]
    async with working(database_url, app.registry, slots=1, settings=DEAF) as hired:
        await give(db, hired.incarnation, ids)
        await reach(db, ids, Status.SUCCEEDED)


@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
@pytest.mark.parametrize("statement", ["fetch", "begin", "succeed", "finish"])
async def test_a_task_runs_once_though_an_answer_is_lost(
    app: App, database_url: str, db: Connection, statement: str, kind: Kind
) -> None:
    starts = 0

    @app.task
    async def counted() -> str | None:
        nonlocal starts
        starts += 1
        return "with a result" if statement == "finish" else None

    task = await counted.enqueue()
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        trouble = proxy.trouble(kind, statement)
        await give(db, hired.incarnation, [task.id])
        await trouble.over.wait()
        [seen] = await reach(db, [task.id], Status.SUCCEEDED)
        await hired.leave()
    assert (starts, seen.attempt) == (1, 1)
    assert await count(db, "select count(*) from fcs.late_reports") == 0


@pytest.mark.parametrize("kind", [Kind.DELAY, Kind.HOLD], ids=["cut off", "given up"])
async def test_a_begin_that_arrives_twice_changes_nothing(
    app: App, database_url: str, db: Connection, kind: Kind
) -> None:
    """ONCE: the connection has died, or its worker has waited for a lease and made another."""
    starts, gate = 0, asyncio.Event()

    @app.task
    async def counted() -> None:
        nonlocal starts
        starts += 1
        await gate.wait()

    task = await counted.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=QUICK) as hired,
    ):
        # Timeline: the worker begins over a new connection; the first backend, half dead or only
        # slow, carries out what it was sent.
        late = proxy.trouble(kind, "begin")
        await give(db, hired.incarnation, [task.id])
        await late.reached.wait()
        [before] = await reach(db, [task.id], Status.RUNNING)
        late.let_go.set()
        await late.over.wait()
        after = await view(db, task.id)
        gate.set()
        await reach(db, [task.id], Status.SUCCEEDED)
    assert (after.status, after.attempt, after.started_at) == (
        Status.RUNNING,
        1,
        before.started_at,
    )
    assert starts == 1


async def begin_for_nobody(db: Connection, incarnation: Incarnation, id: UUID) -> None:
    """What a begin leaves behind that commits after its worker has given up on it."""
    async with db.transaction():
        await give(db, incarnation, [id])
        [found] = await tasks.fetch(db, incarnation, [id], limit=1)  # type: ignore[list-item]
        begun = await runs.begin(
            db, incarnation, [Beginning(found.id, found.dispatch_no, new_run_ids(1)[0])]
        )
        assert begun == {id}


async def test_a_begin_that_commits_for_nobody_is_given_back(
    app: App, database_url: str, db: Connection
) -> None:
    starts, gate = 0, asyncio.Event()

    @app.task
    async def counted() -> None:
        nonlocal starts
        starts += 1
        await gate.wait()

    own, stray = await counted.enqueue(), await counted.enqueue()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [own.id])
        await until_so(lambda: starts == 1)
        await begin_for_nobody(db, hired.incarnation, stray.id)
        [released] = await reach(db, [stray.id], Status.PENDING)
        assert (released.attempt, released.started_at) == (0, None)
        # The audit knows a run of its own when it sees one.
        assert (await view(db, own.id)).status is Status.RUNNING

        await give(db, hired.incarnation, [stray.id])
        gate.set()
        await reach(db, [own.id, stray.id], Status.SUCCEEDED)
    assert starts == 2


async def test_what_is_given_back_does_not_start_if_somebody_has_asked_for_its_end(
    app: App, database_url: str, db: Connection
) -> None:
    starts = 0

    @app.task
    async def counted() -> None:
        nonlocal starts
        starts += 1

    unwanted = await counted.enqueue()
    async with working(database_url, app.registry) as hired:
        async with db.transaction():
            await begin_for_nobody(db, hired.incarnation, unwanted.id)
            found = await tasks.cancel(db, [unwanted.id], reason="no need")
        assert found == {unwanted.id: Status.RUNNING}
        [cancelled] = await reach(db, [unwanted.id], Status.CANCELLED)
    assert cancelled.error == "cancelled before it started: no need"
    assert (starts, cancelled.attempt) == (0, 0)


class Clock:
    """The local clock, as a machine knows it that was put to sleep and woke up."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


async def test_a_begin_answered_after_the_lease_starts_nothing(
    app: App, database_url: str, db: Connection
) -> None:
    starts, clock = 0, Clock()

    @app.task
    async def counted() -> None:
        nonlocal starts
        starts += 1

    task = await counted.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, at=clock) as hired,
    ):
        await beats(db, hired.incarnation, more=1)
        beat = proxy.trouble(Kind.HOLD, "beat")
        await beat.reached.wait()
        begin = proxy.trouble(Kind.HOLD, "begin")
        await give(db, hired.incarnation, [task.id])
        await begin.reached.wait()
        clock.slept = 1_000
        begin.let_go.set()
        [released] = await reach(db, [task.id], Status.PENDING)
        assert not hired.worker.is_trusted()
        assert (starts, released.attempt) == (0, 0)

        beat.let_go.set()
        await until_so(hired.worker.is_trusted)
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.SUCCEEDED)
    assert starts == 1


async def test_nothing_is_begun_while_the_lease_is_in_doubt(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    task, clock = await noop.enqueue(), Clock()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, at=clock) as hired,
    ):
        await beats(db, hired.incarnation, more=1)
        beat = proxy.trouble(Kind.HOLD, "beat")
        await beat.reached.wait()
        clock.slept = 1_000
        await give(db, hired.incarnation, [task.id])
        # It has looked at its rows since, and knows of the task.
        looks = proxy.sent("held")
        await until_so(lambda: proxy.sent("held") > looks + 2)
        assert proxy.sent("begin") == 0

        beat.let_go.set()
        await reach(db, [task.id], Status.SUCCEEDED)


async def test_a_beat_that_is_answered_late_is_trusted_from_when_it_was_sent(
    app: App, database_url: str, db: Connection
) -> None:
    """F-10, F-39: the machine slept while the beat was on its way, and the lease is over."""
    clock = Clock()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, at=clock) as hired,
    ):
        await beats(db, hired.incarnation, more=1)
        beat, next_beat = proxy.trouble(Kind.HOLD, "beat"), proxy.trouble(Kind.HOLD, "beat")
        await beat.reached.wait()
        clock.slept = 1_000
        beat.let_go.set()
        await next_beat.reached.wait()
        assert not hired.worker.is_trusted()

        next_beat.let_go.set()
        await until_so(hired.worker.is_trusted)


async def test_a_type_it_does_not_know_is_handed_back(
    app: App, database_url: str, db: Connection
) -> None:
    stranger = App(database=database_url)

    @stranger.task
    async def elsewhere() -> None: ...

    @app.task
    async def known() -> None: ...

    strange, own = await elsewhere.enqueue(), await known.enqueue()
    await stranger.close()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [strange.id, own.id])
        await reach(db, [own.id], Status.SUCCEEDED)
        [back] = await reach(db, [strange.id], Status.PENDING)
        await account_is_settled(db, hired.incarnation)
    assert (back.attempt, back.worker_id) == (0, None)


UNREADABLE = [
    "[1]",
    "7",
    "null",
    "{}",
    '{"n": "one"}',
    '{"n": 1, "more": 2}',
    '{"n": ' + "9" * 5_000 + "}",
    '{"n": ' + "[" * 2_000 + "]" * 2_000 + "}",
]


async def test_arguments_that_cannot_be_read_are_said_to_have_never_started(
    app: App, database_url: str, db: Connection
) -> None:
    numbers = []

    @app.task
    async def counted(n: int) -> None:
        numbers.append(n)

    insert = "insert into fcs.tasks (id, ty, args) values (%s, 'counted', %s)"
    ids = [new_task_id() for _ in UNREADABLE]
    async with working(database_url, app.registry) as hired:
        for id, args in zip(ids, UNREADABLE, strict=True):
            await db.execute(insert, [id, args])
        good = await counted.enqueue(n=1)
        await give(db, hired.incarnation, [*ids, good.id])
        refused = await reach(db, ids, Status.FAILED)
        await reach(db, [good.id], Status.SUCCEEDED)
        await account_is_settled(db, hired.incarnation)
    for task in refused:
        assert task.error is not None
        assert task.error.startswith("never started: ")
        assert (task.attempt, task.started_at) == (0, None)
    assert "`n`" in str(refused[4].error)
    assert numbers == [1]


async def account_is_settled(db: Connection, incarnation: Incarnation) -> None:
    """What was sent is what was taken: no slot is counted as on its way for ever."""
    query = "select count(*) from fcs.workers where incarnation = %s and tasks_sent = tasks_taken"
    await until(lambda: count(db, query, incarnation))


@pytest.mark.parametrize("timeout", ["NaN", "Infinity", "1e-45", "3e38"])
async def test_a_time_limit_written_by_hand_ends_no_worker(
    app: App, database_url: str, db: Connection, timeout: str
) -> None:
    """Postgres takes NaN for a number that is greater than any other."""

    @app.task
    async def noop() -> None: ...

    odd, good = await noop.enqueue_many([{}] * 2)
    query = "update fcs.tasks set timeout = %s where id = %s"
    await db.execute(query, [timeout, odd.id])
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [odd.id, good.id])
        await reach(db, [good.id], Status.SUCCEEDED)
        [refused] = await reach(db, [odd.id], Status.FAILED)
    assert (refused.attempt, str(refused.error)[:14]) == (0, "never started:")


@pytest.mark.parametrize("run_id", [None, UUID(int=7)])
async def test_a_row_that_says_it_runs_here_and_does_not_is_given_back_and_runs(
    app: App, database_url: str, db: Connection, run_id: UUID | None
) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    async with working(database_url, app.registry) as hired:
        await db.execute(
            "update fcs.tasks set status = 'running', due_at = null, incarnation = %s, run_id = %s"
            " where id = %s",
            [hired.incarnation, run_id, task.id],
        )
        await reach(db, [task.id], Status.PENDING)
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.SUCCEEDED)


async def test_a_lost_hint_is_made_good_by_the_next_beats(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    settings = replace(DEAF, beat_interval=0.1)
    async with working(database_url, app.registry, settings=settings) as hired:
        await beats(db, hired.incarnation, more=1)
        await give_silently(db, hired.incarnation, task.id)
        await reach(db, [task.id], Status.SUCCEEDED)


async def test_a_lost_hint_is_made_good_by_the_slow_floor(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    settings = replace(DEAF, rescan_interval=0.1)
    async with working(database_url, app.registry, settings=settings) as hired:
        await give_silently(db, hired.incarnation, task.id)
        await reach(db, [task.id], Status.SUCCEEDED)


async def give_silently(db: Connection, incarnation: Incarnation, id: UUID) -> None:
    """Dispatch as the database has it, without the hint."""
    async with db.transaction():
        await db.execute(
            "update fcs.workers set tasks_sent = tasks_sent + 1 where incarnation = %s",
            [incarnation],
        )
        await db.execute(
            "update fcs.tasks set status = 'dispatched', due_at = null, incarnation = %s,"
            " dispatch_no = 1 where id = %s",
            [incarnation, id],
        )


@pytest.mark.direct  # whoever polls has no mail to lose
async def test_what_came_while_the_mail_was_lost_is_found(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=DEAF) as hired,
    ):
        channel = f'listen "fcs_worker_{hired.incarnation.hex}"'
        await until_so(lambda: channel in proxy.statements)
        again = proxy.trouble_with(Kind.HOLD, channel)
        await until(lambda: end_sessions(db, "fcs worker mail"))
        await again.reached.wait()
        await give(db, hired.incarnation, [task.id])
        again.let_go.set()
        await reach(db, [task.id], Status.SUCCEEDED)

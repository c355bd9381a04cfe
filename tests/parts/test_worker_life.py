"""A worker's life: it takes up its id, drains when asked, and leaves no row that lies."""

import asyncio
import threading
from random import Random
from uuid import uuid4

import pytest
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import (
    DEAF,
    Fake,
    Hired,
    connected,
    count,
    give,
    hire_fake,
    reach,
    registration,
    until,
    until_so,
    view,
    working,
)

from fcs import App, Status
from fcs.database import workers
from fcs.database.connect import Connection
from fcs.domain.errors import DatabaseUnavailable, Fenced, WorkerIdTaken
from fcs.domain.ids import TaskId, WorkerId
from fcs.worker.enrol import enrol


async def state(db: Connection, id: WorkerId) -> str:
    row = await (
        await db.execute("select state::text from fcs.workers where id = %s", [id])
    ).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_second_process_with_a_live_id_is_refused(
    app: App, database_url: str, db: Connection
) -> None:
    async with working(database_url, app.registry) as first:
        with pytest.raises(WorkerIdTaken, match=str(first.id)) as raised:
            async with working(database_url, app.registry, id=first.id):
                pass
        assert "--id" in raised.value.hint
        assert not first.part.done()
        assert await state(db, first.id) == "live"


async def test_the_id_of_a_process_that_left_is_free_at_once(
    app: App, database_url: str, db: Connection
) -> None:
    async with working(database_url, app.registry) as first:
        await first.leave()
    assert await state(db, first.id) == "gone"
    async with working(database_url, app.registry, id=first.id) as second:
        assert await state(db, first.id) == "live"
    assert second.incarnation != first.incarnation


async def dead_with_two_tasks(app: App, db: Connection) -> tuple[Fake, list[TaskId]]:
    @app.task
    async def noop() -> None: ...

    begun, waiting = await noop.enqueue(), await noop.enqueue()
    fake = await hire_fake(db, ["noop"])
    await give(db, fake.incarnation, [begun.id, waiting.id])
    await fake.begin(begun.id)
    return fake, [begun.id, waiting.id]


async def test_the_id_of_a_dead_process_is_taken_over_when_its_lease_is_over(
    app: App, database_url: str, db: Connection
) -> None:
    fake, [begun, waiting] = await dead_with_two_tasks(app, db)
    papers = registration(app.registry, id=fake.papers.id)
    await enrol(database_url, papers, lease=0.5, rng=Random(1), patience=30)
    interrupted, returned = await view(db, begun), await view(db, waiting)
    assert interrupted.status is Status.INTERRUPTED
    assert "silent" in str(interrupted.error)
    assert (returned.status, returned.worker_id) == (Status.PENDING, None)
    # The dead incarnation never comes back.
    assert await fake.beat() is None


async def test_of_two_processes_that_want_a_dead_ones_id_one_gets_it(
    app: App, database_url: str, db: Connection
) -> None:
    fake, _ = await dead_with_two_tasks(app, db)

    async def attempt() -> bool:
        papers = registration(app.registry, id=fake.papers.id)
        try:
            await enrol(database_url, papers, lease=0.5, rng=Random(1), patience=30)
        except WorkerIdTaken:
            return False
        return True

    got = await asyncio.gather(*[attempt() for _ in range(5)])
    assert sum(got) == 1


@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
async def test_a_registration_whose_answer_is_lost_is_recognised(
    app: App, database_url: str, db: Connection, kind: Kind
) -> None:
    papers = registration(app.registry)
    async with proxied(database_url) as proxy:
        trouble = proxy.trouble_with(kind, "COMMIT")
        await enrol(proxy.url, papers, lease=3_600, rng=Random(1), patience=5)
        assert trouble.over.is_set()
    assert await state(db, papers.id) == "live"


async def test_registering_without_a_database_fails_with_what_to_do(app: App) -> None:
    nowhere = "postgresql://127.0.0.1:1/nothing"
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1") as raised:
        await enrol(nowhere, registration(["x"]), lease=1, rng=Random(1), patience=0)
    assert raised.value.hint


async def test_draining_finishes_what_runs_and_hands_back_the_rest(
    app: App, database_url: str, db: Connection
) -> None:
    gate, started = asyncio.Event(), []

    @app.task
    async def gated(n: int) -> None:
        started.append(n)
        await gate.wait()

    ids = [task.id for task in await gated.enqueue_many({"n": n} for n in range(3))]
    async with working(database_url, app.registry, slots=1) as hired:
        await give(db, hired.incarnation, ids)
        await until_so(lambda: len(started) == 1)
        running = ids.pop(started[0])
        hired.stop.drain.set()
        returned = await reach(db, ids, Status.PENDING)
        assert await state(db, hired.id) == "draining"
        assert (await view(db, running)).status is Status.RUNNING
        gate.set()
        await hired.end()
        assert (await view(db, running)).status is Status.SUCCEEDED
    assert [task.worker_id for task in returned] == [None, None]
    assert await state(db, hired.id) == "gone"
    assert len(started) == 1


async def test_a_begin_that_is_answered_after_the_asking_to_leave_is_given_back(
    app: App, database_url: str, db: Connection
) -> None:
    starts = 0

    @app.task
    async def counted() -> None:
        nonlocal starts
        starts += 1

    task = await counted.enqueue()
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        begin = proxy.trouble(Kind.HOLD, "begin")
        await give(db, hired.incarnation, [task.id])
        await begin.reached.wait()
        hired.stop.drain.set()
        await until_so(lambda: hired.worker._intake._closed)
        begin.let_go.set()
        await hired.end()
    seen = await view(db, task.id)
    assert (seen.status, seen.attempt, starts) == (Status.PENDING, 0, 0)


async def test_a_worker_leaves_in_good_order_though_its_row_is_busy(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task
    async def gated() -> None:
        await gate.wait()

    task = await gated.enqueue()
    async with working(database_url, app.registry, settings=DEAF) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.RUNNING)
        hired.stop.drain.set()
        await until(lambda: is_state(db, hired.id, "draining"))
        async with connected(database_url) as other, other.transaction():
            await other.execute("select 1 from fcs.workers for no key update")
            gate.set()
            await until(lambda: left_or_waits(db, hired))
        await hired.end()
    assert await state(db, hired.id) == "gone"


async def is_state(db: Connection, id: WorkerId, wanted: str) -> bool:
    return await state(db, id) == wanted


async def left_or_waits(db: Connection, hired: Hired) -> bool:
    waiting = """
        select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'
    """
    return hired.part.done() or bool(await count(db, waiting))


@pytest.mark.parametrize("how", ["the time to drain is over", "asked to leave at once"])
async def test_what_still_runs_when_a_worker_leaves_is_said_to_be_interrupted(
    app: App, database_url: str, db: Connection, how: str
) -> None:
    cleaned_up, in_thread, thread_gate = [], threading.Event(), threading.Event()

    @app.task
    async def on_the_loop() -> None:
        try:
            await asyncio.sleep(3_600)
        finally:
            cleaned_up.append("loop")

    @app.task
    def in_a_thread() -> None:
        in_thread.set()
        thread_gate.wait(30)

    ids = [(await on_the_loop.enqueue()).id, (await in_a_thread.enqueue()).id]
    in_time = how.startswith("asked")
    try:
        async with working(
            database_url, app.registry, drain_timeout=30 if in_time else 0.1
        ) as hired:
            await give(db, hired.incarnation, ids)
            await reach(db, ids, Status.RUNNING)
            await until_so(in_thread.is_set)
            (hired.stop.now if in_time else hired.stop.drain).set()
            await hired.end()
    finally:
        thread_gate.set()
    for id in ids:
        seen = await view(db, id)
        assert seen.status is Status.INTERRUPTED
        assert "shut down" in str(seen.error)
        assert seen.late_report is None
    assert cleaned_up == ["loop"]
    assert await state(db, hired.id) == "gone"


async def test_a_worker_leaves_though_postgres_is_away(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.worker.runtime.LEAVE_PATIENCE", 0.1)
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        proxy.leave()
        await hired.leave()
    assert await state(db, hired.id) == "live"


async def test_a_worker_whose_row_was_taken_over_is_fenced(
    app: App, database_url: str, db: Connection
) -> None:
    async with working(database_url, app.registry) as hired:
        rival = registration(app.registry, id=hired.id)
        assert await workers.register(db, rival, replaces=hired.incarnation)
        with pytest.raises(Fenced):
            await hired.end()
    # On its way out it has not touched what is the other one's now.
    assert await state(db, hired.id) == "live"
    assert await count(db, "select count(*) from fcs.workers where id = %s", hired.id) == 1


async def test_a_failing_part_ends_the_worker_with_the_truth(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    @app.task
    async def gated() -> None:
        await gate.wait()

    task = await gated.enqueue()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.RUNNING)

        def broken() -> None:
            raise RuntimeError("a bug of ours")

        monkeypatch.setattr(hired.worker._heartbeat, "turn", broken)
        with pytest.raises(ExceptionGroup):
            await hired.end()
    assert (await view(db, task.id)).status is Status.INTERRUPTED
    assert await state(db, hired.id) == "gone"


async def test_garbage_in_its_mail_harms_nobody(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def noop() -> None: ...

    async with working(database_url, app.registry, settings=DEAF) as hired:

        async def run_one() -> None:
            task = await noop.enqueue()
            await give(db, hired.incarnation, [task.id])
            await reach(db, [task.id], Status.SUCCEEDED)

        await run_one()  # so it listens by now
        channel = f"fcs_worker_{hired.incarnation.hex}"
        for payload in ("", "x", "scan", "\\", "9" * 7_000, f"{uuid4()} {uuid4()}", f"{uuid4()}x"):
            await db.execute("select pg_notify(%s, %s)", [channel, payload])
        await run_one()


@pytest.mark.parametrize("state_now", ["live", "lost"])
async def test_a_worker_that_leaves_does_not_touch_what_is_no_longer_its_own(
    app: App, database_url: str, db: Connection, state_now: str
) -> None:
    """It was replaced, or declared lost, since it beat for the last time, and does not know."""
    async with working(database_url, app.registry, settings=DEAF) as hired:
        await until(lambda: count(db, "select beat_no from fcs.workers"))
        if state_now == "live":
            rival = registration(app.registry, id=hired.id)
            assert await workers.register(db, rival, replaces=hired.incarnation)
        else:
            await workers.end_worker(db, hired.incarnation, state="lost")
        await hired.leave()
    assert await state(db, hired.id) == state_now

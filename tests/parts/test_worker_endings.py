"""How runs end: what a body came to reaches the database, and changes nothing that is final."""

import asyncio
import threading
from uuid import UUID

import pytest
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import count, give, reach, until, until_so, view, working

import fcs
from fcs import App, Status
from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.domain.errors import Fenced
from fcs.domain.ids import Incarnation
from fcs.worker import executor, runtime


async def test_an_ending_is_sent_until_postgres_is_back(
    app: App, database_url: str, db: Connection
) -> None:
    gate, ended = asyncio.Event(), 0

    @app.task
    async def gated(fail: bool) -> None:
        nonlocal ended
        await gate.wait()
        ended += 1
        if fail:
            raise ValueError("as asked")

    good, bad = await gated.enqueue(fail=False), await gated.enqueue(fail=True)
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        await give(db, hired.incarnation, [good.id, bad.id])
        await reach(db, [good.id, bad.id], Status.RUNNING)
        proxy.leave()
        gate.set()
        await until_so(lambda: ended == 2 and proxy.refused > 5)
        assert (await view(db, good.id)).status is Status.RUNNING
        proxy.come_back()
        await reach(db, [good.id], Status.SUCCEEDED)
        await reach(db, [bad.id], Status.FAILED)
        await hired.leave()


async def take_away(db: Connection, incarnation: Incarnation, *, end: bool) -> None:
    """What a reaper does to a worker that it takes for lost."""
    async with db.transaction():
        # It gives way to a beat under way, and comes back later.
        await until(lambda: workers.lock_worker(db, incarnation))
        await tasks.reap(db, incarnation, reason="the test said so")
        if end:
            await workers.end_worker(db, incarnation, state="lost")


async def late_report(db: Connection, id: UUID) -> tuple[Status, str | None]:
    async def reported() -> tuple[Status, str | None] | None:
        late = (await view(db, id)).late_report
        return (late.status, late.error) if late else None

    return await until(reported)


async def test_what_a_reaped_run_came_to_is_kept_as_evidence(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task
    async def gated(fail: bool) -> None:
        await gate.wait()
        if fail:
            raise ValueError("as asked")

    good, bad = await gated.enqueue(fail=False), await gated.enqueue(fail=True)
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [good.id, bad.id])
        await reach(db, [good.id, bad.id], Status.RUNNING)
        await take_away(db, hired.incarnation, end=False)
        gate.set()
        assert await late_report(db, good.id) == (Status.SUCCEEDED, None)
        assert await late_report(db, bad.id) == (Status.FAILED, "ValueError: as asked")
    for task in (good, bad):
        seen = await view(db, task.id)
        assert (seen.status, seen.error) == (Status.INTERRUPTED, "the test said so")


async def test_a_worker_that_was_declared_lost_begins_nothing_and_says_so(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task
    async def gated() -> None:
        await gate.wait()

    task = await gated.enqueue()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.RUNNING)
        await take_away(db, hired.incarnation, end=True)
        await until_so(lambda: not hired.worker.is_trusted())
        gate.set()
        with pytest.raises(Fenced, match=str(hired.id)) as raised:
            await hired.end()
    assert "Start it again" in raised.value.hint
    assert await late_report(db, task.id) == (Status.SUCCEEDED, None)
    assert await count(db, "select count(*) from fcs.workers where state = 'lost'") == 1


async def test_a_body_that_had_ended_is_not_called_interrupted_when_its_worker_leaves(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRUTH: the outcome could not be sent before the leaving; it rides in the last words."""
    monkeypatch.setattr(runtime, "LEAVE_PATIENCE", 1.0)

    @app.task
    async def quick(fail: bool) -> None:
        if fail:
            raise ValueError("as asked")

    good, bad = await quick.enqueue(fail=False), await quick.enqueue(fail=True)
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        finish = proxy.trouble(Kind.HOLD, "succeed")
        await give(db, hired.incarnation, [good.id, bad.id])
        await finish.reached.wait()
        await hired.leave()
    assert (await view(db, good.id)).status is Status.SUCCEEDED
    assert (await view(db, bad.id)).error == "ValueError: as asked"


async def test_the_last_progress_is_written_down_with_the_end(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def quick() -> None:
        for page in range(1, 41):
            fcs.current().progress(page, of=40)

    task = await quick.enqueue()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [task.id])
        [done] = await reach(db, [task.id], Status.SUCCEEDED)
    assert done.progress_text == '{"of": 40, "done": 40}'


async def test_an_outcome_that_postgres_refuses_fails_its_own_task_alone(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    @app.task
    async def answer(broken: bool) -> str:
        await gate.wait()
        return "{" if broken else '"fine"'

    # A result that is no JSON: our own writer never makes one.
    monkeypatch.setattr(answer.task_type, "write_result", lambda result: result)
    bad, good = await answer.enqueue(broken=True), await answer.enqueue(broken=False)
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [bad.id, good.id])
        await reach(db, [bad.id, good.id], Status.RUNNING)
        gate.set()
        [failed] = await reach(db, [bad.id], Status.FAILED)
        await reach(db, [good.id], Status.SUCCEEDED)
        await hired.leave()
    assert failed.error is not None
    assert failed.error.startswith("the body ended, but its outcome cannot be kept: ")


async def test_a_fault_of_ours_fails_the_run_and_costs_no_slot(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task(max_attempts=3)
    async def noop() -> None: ...

    async def fault(*_: object) -> None:
        raise RuntimeError("ours")

    async with working(database_url, app.registry, slots=1) as hired:
        with monkeypatch.context() as broken:
            broken.setattr(executor, "perform", fault)
            first = await noop.enqueue()
            await give(db, hired.incarnation, [first.id])
            [failed] = await reach(db, [first.id], Status.FAILED)
        second = await noop.enqueue()
        await give(db, hired.incarnation, [second.id])
        await reach(db, [second.id], Status.SUCCEEDED)
        await hired.leave()
    assert (failed.error, failed.attempt) == (
        "a fault of fcs ended the run: RuntimeError: ours",
        1,
    )


async def test_a_lost_worker_whose_connection_hangs_leaves_its_late_reports_by_another(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says itself that what it still ran is kept."""
    monkeypatch.setattr(runtime, "LEAVE_PATIENCE", 1.0)
    gate = asyncio.Event()

    @app.task
    async def gated(fail: bool) -> None:
        await gate.wait()
        if fail:
            raise ValueError("as asked")

    good, bad = await gated.enqueue(fail=False), await gated.enqueue(fail=True)
    async with proxied(database_url) as proxy, working(proxy.url, app.registry) as hired:
        await give(db, hired.incarnation, [good.id, bad.id])
        await reach(db, [good.id, bad.id], Status.RUNNING)
        hanging = proxy.trouble(Kind.HOLD, "succeed")
        await take_away(db, hired.incarnation, end=True)
        gate.set()
        await hanging.reached.wait()
        with pytest.raises(Fenced):
            await hired.end()
    assert await late_report(db, good.id) == (Status.SUCCEEDED, None)
    assert await late_report(db, bad.id) == (Status.FAILED, "ValueError: as asked")


async def test_an_end_that_cannot_be_told_is_a_failure_and_not_another_start(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONCE: what nobody knows of here looks like a body that was never started."""
    starts = 0

    @app.task(max_attempts=3)
    async def counted() -> None:
        nonlocal starts
        starts += 1

    def fault(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(runtime, "ending_of", fault)
    async with working(database_url, app.registry, slots=1) as hired:
        task = await counted.enqueue()
        await give(db, hired.incarnation, [task.id])
        [failed] = await reach(db, [task.id], Status.FAILED)

    assert failed.error is not None
    assert "a fault of fcs" in failed.error
    assert starts == 1


async def test_a_body_for_which_there_is_no_thread_is_given_back_and_never_runs(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONCE: the pool of threads keeps what it could not start a thread for."""
    gate, ran = threading.Event(), list[str]()

    @app.task
    def blocking() -> None:
        gate.wait()

    @app.task
    def other() -> None:
        ran.append("other")

    starting = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("fcs-body_1"):
            raise RuntimeError("can't start new thread")
        starting(thread)

    async with working(database_url, app.registry, slots=2) as hired:
        first = await blocking.enqueue()
        await give(db, hired.incarnation, [first.id])
        await reach(db, [first.id], Status.RUNNING)
        monkeypatch.setattr(threading.Thread, "start", start)
        second = await other.enqueue()
        await give(db, hired.incarnation, [second.id])
        [waiting] = await reach(db, [second.id], Status.PENDING)
        gate.set()
        await reach(db, [first.id], Status.SUCCEEDED)
        await hired.leave()

    assert waiting.attempt == 0
    assert ran == []

"""Bodies that are asked to end: cancelled, out of time, or because the worker leaves."""

import asyncio
import threading
from typing import Any
from uuid import uuid4

import pytest
from tests.parts.stage import reach, supervising, until_so, view, working

import fcs
from fcs import App, Backoff, Context, Status
from fcs.body import Resources
from fcs.client.task import Task
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.hints import worker_channel
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Allowance, Outcome, Stopped
from fcs.domain.settings import Settings
from fcs.domain.task import StopLevel
from fcs.registry import Registry, TaskType
from fcs.worker.executor import Executor, Run
from fcs.worker.runtime import Worker

LISTENING = Settings(beat_interval=20, lease=60, survey_interval=0.1, rescan_interval=60)
"""The worker hears of a cancel by its hint only."""


async def cancel(db: Connection, task: Task[Any]) -> None:
    assert await tasks.cancel(db, [task.id], reason="no need") == {task.id: Status.RUNNING}


async def stopped(db: Connection, task: Task[Any]) -> tuple[StopLevel | None, str | None]:
    [end] = await reach(db, [task.id], Status.CANCELLED)
    assert end.cancel is not None
    return end.cancel.level, end.error


async def test_an_async_body_is_cancelled_where_it_awaits(
    app: App, database_url: str, db: Connection
) -> None:
    cleaned_up = False

    @app.task(max_attempts=5)
    async def sleeper() -> None:
        nonlocal cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up = fcs.current().cancelled

    task = await sleeper.enqueue()
    async with (
        supervising(database_url),
        working(database_url, app.registry, settings=LISTENING),
    ):
        await reach(db, [task.id], Status.RUNNING)
        await cancel(db, task)
        end = await stopped(db, task)

    assert end == (
        StopLevel.CANCEL,
        "cancelled; the async body was cancelled where it awaited",
    )
    assert cleaned_up


@pytest.mark.parametrize("safe_point", ["check", "progress", "sleep"])
async def test_a_thread_leaves_at_its_next_safe_point(
    app: App, database_url: str, db: Connection, safe_point: str
) -> None:
    @app.task
    def digger() -> None:
        run = fcs.current()
        while True:
            match safe_point:
                case "check":
                    run.check()
                case "progress":
                    run.progress(1)
                case "sleep":
                    run.sleep(60)

    task = await digger.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [task.id], Status.RUNNING)
        await cancel(db, task)
        end = await stopped(db, task)

    assert end == (StopLevel.FLAG, "cancelled; the body left when asked")


async def test_a_thread_that_does_not_listen_runs_on_and_what_it_does_is_said(
    app: App, database_url: str, db: Connection
) -> None:
    """TRUTH: a thread can only be asked."""
    gate = threading.Event()

    @app.task
    def stubborn() -> str:
        gate.wait()
        return "done all the same"

    task = await stubborn.enqueue()
    async with supervising(database_url), working(database_url, app.registry) as hired:
        await reach(db, [task.id], Status.RUNNING)
        await cancel(db, task)
        await until_so(lambda: any(run.context.cancelled for run in runs_of(hired.worker)))
        assert (await view(db, task.id)).status is Status.RUNNING
        gate.set()
        [end] = await reach(db, [task.id], Status.SUCCEEDED)
    assert end.result_text == '"done all the same"'
    assert end.cancel is not None
    assert end.cancel.level is None


def runs_of(worker: Worker) -> list[Run]:
    return list(worker._executor._running)


async def test_a_body_that_fails_while_it_is_asked_to_end_does_not_run_again(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=5, backoff=Backoff(first=0))
    async def clumsy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("over the cable")

    task = await clumsy.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [task.id], Status.RUNNING)
        await cancel(db, task)
        [end] = await reach(db, [task.id], Status.FAILED)
    assert (end.attempt, end.error) == (1, "ValueError: over the cable")


async def test_a_cancel_whose_hint_was_lost_is_found_by_its_row(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def sleeper() -> None:
        await asyncio.Event().wait()

    task = await sleeper.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [task.id], Status.RUNNING)
        await db.execute(
            "update fcs.tasks set cancel_requested_at = fcs.now(), cancel_reason = ''"
            " where id = %s",
            [task.id],
        )
        assert (await stopped(db, task))[0] is StopLevel.CANCEL


# Out of time.


async def test_a_body_that_is_out_of_time_fails_and_may_be_tried_again(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(timeout=0.05, max_attempts=2, backoff=Backoff(first=0))
    async def slow() -> None:
        await asyncio.Event().wait()

    @app.task(timeout="50ms")
    def digger() -> None:
        fcs.current().sleep(60)

    slow_task, digging = await slow.enqueue(), await digger.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [first, second] = await reach(db, [slow_task.id, digging.id], Status.FAILED)

    assert first.error == "timed out after 0.05 s (the body was cancelled)"
    assert first.attempt == 2
    assert second.error == "timed out after 0.05 s (the body left when asked)"


async def test_the_time_is_that_of_the_task_before_that_of_its_type(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(timeout=3_600)
    async def slow() -> float | None:
        left = fcs.current().seconds_left
        assert left is not None
        if left > 60:
            return left
        await asyncio.Event().wait()
        return None

    usual, hurried = await slow.enqueue(), await slow.using(timeout=0.05).enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [end] = await reach(db, [hurried.id], Status.FAILED)
        await reach(db, [usual.id], Status.SUCCEEDED)
    assert end.timeout == pytest.approx(0.05)


async def test_a_thread_that_is_done_after_its_time_has_succeeded(
    app: App, database_url: str, db: Connection
) -> None:
    """TRUTH: the body returned."""
    gate = threading.Event()

    @app.task(timeout=0.05)
    def late() -> None:
        gate.wait()

    task = await late.enqueue()
    async with supervising(database_url), working(database_url, app.registry) as hired:
        await reach(db, [task.id], Status.RUNNING)
        await until_so(lambda: any(run.context.cancelled for run in runs_of(hired.worker)))
        gate.set()
        await reach(db, [task.id], Status.SUCCEEDED)


async def test_a_thread_hears_that_its_worker_leaves(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    def digger() -> None:
        fcs.current().sleep(600)

    task = await digger.enqueue()
    async with supervising(database_url), working(database_url, app.registry) as hired:
        await reach(db, [task.id], Status.RUNNING)
        hired.stop.now.set()
        await hired.end()
        [end] = await reach(db, [task.id], Status.INTERRUPTED)
    assert end.error == "its worker was shut down before the body had ended"


async def test_an_async_body_that_is_asked_before_its_first_step_ends_and_frees_its_slot() -> None:
    """The asking and the starting may come in one turn of the event loop."""

    async def sleeper() -> None:
        await asyncio.Event().wait()

    ended: list[Outcome] = []
    executor = Executor(
        1,
        None,
        Resources(Registry()),
        ended=lambda _, outcome: ended.append(outcome),
        not_started=lambda _: None,
    )
    context = Context(id=TaskId(uuid4()), run_id=RunId(uuid4()), ty="sleeper")
    run = Run(context, TaskType(sleeper), "{}", {}, Allowance(1, 1))
    executor.start(run)
    executor.cancel({context.id})
    await executor.wait()

    assert ended == [Stopped(StopLevel.CANCEL)]
    assert not executor.runs


async def test_a_forged_hint_cancels_nothing(app: App, database_url: str, db: Connection) -> None:
    released = asyncio.Event()

    @app.task
    async def waiter() -> str:
        await released.wait()
        return "undisturbed"

    @app.task
    async def sleeper() -> None:
        await asyncio.Event().wait()

    honest, victim = await sleeper.enqueue(), await waiter.enqueue()
    async with (
        supervising(database_url),
        working(database_url, app.registry, settings=LISTENING) as hired,
    ):
        await reach(db, [honest.id, victim.id], Status.RUNNING)
        channel = worker_channel(hired.incarnation)
        await db.execute("select pg_notify(%s, %s)", [channel, f"cancel {victim.id}"])
        # What was asked for afterwards has been heard: so has the forgery.
        await cancel(db, honest)
        await stopped(db, honest)
        released.set()
        [end] = await reach(db, [victim.id], Status.SUCCEEDED)

    assert end.result_text == '"undisturbed"'

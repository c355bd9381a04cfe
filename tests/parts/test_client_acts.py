"""What the creator of a task can do with it: take its result, cancel it, run it once more."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tests.parts.stage import give, reach, supervising, working

import fcs
from fcs import App, Status, TaskCancelled, TaskFailed
from fcs.database.connect import Connection
from fcs.domain.errors import InvalidInput, TaskNotFound, WaitTimeout, WrongStatus
from fcs.domain.task import AttemptOutcome


@dataclass
class Size:
    width: int
    height: int


class Strange:
    """Nothing that JSON could be read as."""


@pytest.mark.parametrize("sync", [False, True])
async def test_a_result_is_what_the_function_returned(
    app: App, database_url: str, sync: bool
) -> None:
    @app.task
    async def measure(width: int) -> Size:
        return Size(width, 2)

    @app.task
    def nothing() -> None: ...

    @app.task
    def untyped():  # type: ignore[no-untyped-def]
        return {"size": Size(1, 2)}

    @app.task
    def strange() -> Strange:
        return [1]  # type: ignore[return-value]

    async with supervising(database_url), working(database_url, app.registry):
        created = await measure.enqueue(5)
        if sync:
            assert await asyncio.to_thread(created.result_sync, 30) == Size(5, 2)
        else:
            assert await created.result(timeout=30) == Size(5, 2)
        assert await (await nothing.enqueue()).result() is None  # type: ignore[func-returns-value]
        assert await (await untyped.enqueue()).result() == {"size": {"width": 1, "height": 2}}
        plain: Any = await (await strange.enqueue()).result()
        assert plain == [1]
        assert await app.find(created.id).result() == {"width": 5, "height": 2}


async def test_a_result_that_does_not_fit_the_annotation_is_said(
    app: App, database_url: str
) -> None:
    @app.task
    async def lie() -> int:
        return "one"  # type: ignore[return-value]

    async with supervising(database_url), working(database_url, app.registry):
        with pytest.raises(InvalidInput, match=r"lie.*return annotation") as raised:
            await (await lie.enqueue()).result()
    assert "result_text" in raised.value.hint


@pytest.mark.parametrize("sync", [False, True])
async def test_a_failure_carries_what_the_worker_saw(
    app: App, database_url: str, sync: bool
) -> None:
    @app.task(max_attempts=2, backoff=fcs.Backoff(first=0))
    async def break_down() -> int:
        raise LookupError("no such photo")

    async with supervising(database_url), working(database_url, app.registry):
        task = await break_down.enqueue()
        result = asyncio.to_thread(task.result_sync) if sync else task.result()
        with pytest.raises(TaskFailed) as raised:
            await result
    failure = raised.value
    assert not isinstance(failure, TaskCancelled)
    assert failure.error_type == "LookupError"
    assert str(failure) == f"task {task.id} failed: LookupError: no such photo"
    assert 'raise LookupError("no such photo")' in (failure.trace or "")
    assert any("break_down" in note for note in failure.__notes__)

    attempts = await task.attempts()
    assert [run.outcome for run in attempts] == [AttemptOutcome.FAILED] * 2
    assert attempts == await asyncio.to_thread(task.attempts_sync)


@pytest.mark.parametrize("sync", [False, True])
async def test_a_task_that_waits_is_cancelled_at_once(app: App, sync: bool) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    found = await asyncio.to_thread(task.cancel_sync, "no need") if sync else await task.cancel()
    assert found is Status.PENDING
    with pytest.raises(TaskCancelled, match="cancelled before it started"):
        await task.wait()
    assert await task.cancel() is Status.CANCELLED

    view = await task.view()
    assert view.cancel is not None
    assert view.cancel.reason == ("no need" if sync else "")
    assert view.cancel.level == "before_start"


async def test_a_task_that_runs_is_asked_to_end(app: App, database_url: str) -> None:
    begun = asyncio.Event()

    @app.task
    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with supervising(database_url), working(database_url, app.registry):
        task = await endless.enqueue()
        await begun.wait()
        assert await task.cancel("taking too long\0\ud800") is Status.RUNNING
        with pytest.raises(TaskCancelled):
            await task.wait(30)
    view = await task.view()
    assert view.cancel is not None
    assert (view.cancel.level, view.cancel.reason) == ("cancel", "taking too long\\x00\\ud800")


@pytest.mark.parametrize("sync", [False, True])
async def test_an_ended_task_is_run_once_more_as_a_new_one(
    app: App, database_url: str, db: Connection, sync: bool
) -> None:
    errors = [LookupError("not yet")]

    @app.task
    async def flaky() -> int:
        if errors:
            raise errors.pop()
        return 7

    async with supervising(database_url), working(database_url, app.registry):
        first = await flaky.enqueue()
        with pytest.raises(TaskFailed):
            await first.wait(30)
        second = await asyncio.to_thread(first.retry_sync) if sync else await first.retry()
        assert second.id != first.id
        assert await second.result(30) == 7
    assert (await first.view()).status is Status.FAILED


async def test_only_an_ended_task_can_be_run_once_more(app: App) -> None:
    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    with pytest.raises(WrongStatus, match=f"{task.id} is pending"):
        await task.retry()


async def test_a_stranger_can_be_neither_cancelled_nor_retried(app: App) -> None:
    stranger = app.find(uuid4())
    acts: list[Any] = [stranger.cancel, stranger.retry, stranger.result]
    for act in acts:
        with pytest.raises(TaskNotFound, match=str(stranger.id)):
            await act()
    assert await stranger.attempts() == []


async def test_waiting_for_a_result_may_take_too_long(app: App) -> None:
    @app.task
    async def noop() -> int:
        return 1

    task = await noop.enqueue()
    with pytest.raises(WaitTimeout) as raised:
        await task.result(timeout=0)
    assert f"fcs why {task.id}" in raised.value.hint


async def test_a_run_is_among_the_attempts_while_it_runs(
    app: App, database_url: str, db: Connection
) -> None:
    let_go = asyncio.Event()

    @app.task
    async def patient() -> None:
        await let_go.wait()

    task = await patient.enqueue()
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, [task.id])
        await reach(db, [task.id], Status.RUNNING)
        [run] = await task.attempts()
        assert (run.attempt, run.outcome, run.worker_id) == (1, None, hired.id)
        let_go.set()
        await task.wait(30)
    [run] = await task.attempts()
    assert run.outcome is AttemptOutcome.SUCCEEDED

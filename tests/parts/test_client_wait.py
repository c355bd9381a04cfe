"""Waiting for a task: its end is told as it is, and so is that it has not come."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.parts.proxy import proxied
from tests.parts.stage import supervising, until_so, working

from fcs import App, Status, Task
from fcs.database.connect import Connection
from fcs.domain.durations import Duration
from fcs.domain.errors import TaskFailed, TaskNotFound, WaitTimeout
from fcs.domain.ids import TaskId
from fcs.domain.task import TaskView

Wait = Callable[[Task[Any], Duration | None], Coroutine[Any, Any, TaskView]]


async def wait(task: Task[Any], timeout: Duration | None) -> TaskView:
    return await task.wait(timeout)


async def wait_sync(task: Task[Any], timeout: Duration | None) -> TaskView:
    return await asyncio.to_thread(task.wait_sync, timeout)


both = pytest.mark.parametrize("wait", [wait, wait_sync])


@pytest.fixture
async def task(app: App) -> Task[Any]:
    @app.task
    def noop() -> None: ...

    return await noop.enqueue()


async def end(db: Connection, task: Task[Any], status: Status, error: str | None) -> None:
    await db.execute(
        "update fcs.tasks set status = %s, error = %s, due_at = null where id = %s",
        [status.value, error, task.id],
    )


@both
async def test_a_success_ends_the_wait(task: Task[Any], db: Connection, wait: Wait) -> None:
    waiting = asyncio.create_task(wait(task, None))
    await end(db, task, Status.SUCCEEDED, None)
    view = await waiting
    assert (view.id, view.status) == (task.id, Status.SUCCEEDED)


@both
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.FAILED, "ValueError: no such photo"),
        (Status.INTERRUPTED, "its worker fell silent"),
        (Status.CANCELLED, None),
    ],
)
async def test_any_other_end_is_raised_with_its_reason(
    task: Task[Any], db: Connection, wait: Wait, status: Status, error: str | None
) -> None:
    await end(db, task, status, error)
    with pytest.raises(TaskFailed) as raised:
        await wait(task, 30)
    assert str(raised.value) == f"task {task.id} {status}: {error or 'no reason was given'}"


@both
async def test_a_task_that_does_not_end_in_time_is_said_where_it_is(
    task: Task[Any], wait: Wait
) -> None:
    for timeout in (0, 0.05):
        with pytest.raises(
            WaitTimeout, match=f"{task.id} is pending after {timeout:g} s"
        ) as raised:
            await wait(task, timeout)
        assert f"fcs why {task.id}" in raised.value.hint


@both
@pytest.mark.parametrize("timeout", ["50ms", timedelta(milliseconds=50)])
async def test_so_long_a_wait_is_said_as_every_other_time(
    task: Task[Any], wait: Wait, timeout: Duration
) -> None:
    with pytest.raises(WaitTimeout, match=f"{task.id} is pending after 0.05 s"):
        await wait(task, timeout)


@both
async def test_a_task_that_is_not_there_is_not_waited_for(
    app: App, task: Task[Any], wait: Wait
) -> None:
    stranger = app.find(TaskId(uuid4()))
    with pytest.raises(TaskNotFound, match=str(stranger.id)) as raised:
        await wait(stranger, 30)
    assert "commit" in raised.value.hint


@both
async def test_a_task_that_is_deleted_meanwhile_is_not_waited_for(
    task: Task[Any], database_url: str, db: Connection, wait: Wait
) -> None:
    async with proxied(database_url) as proxy:
        other = App(database=proxy.url)
        waiting = asyncio.create_task(wait(other.find(task.id), None))
        await until_so(lambda: proxy.sent("find_task") > 1)  # and so it was there
        await db.execute("delete from fcs.tasks")
        with pytest.raises(TaskNotFound):
            await waiting
        await other.close()


async def test_a_short_absence_of_the_database_does_not_end_the_wait(
    app: App, task: Task[Any], database_url: str, db: Connection
) -> None:
    async with proxied(database_url) as proxy:
        other = App(database=proxy.url)
        waiting = asyncio.create_task(other.find(task.id).wait())
        await until_so(lambda: len(proxy.statements) > 1)
        proxy.leave()
        await until_so(lambda: proxy.refused > 1)
        await end(db, task, Status.SUCCEEDED, None)
        proxy.come_back()
        assert (await waiting).status is Status.SUCCEEDED
        await other.close()


async def test_many_wait_at_once(app: App, database_url: str) -> None:
    @app.task
    async def on_the_loop() -> None: ...

    @app.task
    def in_a_thread() -> None: ...

    async with supervising(database_url), working(database_url, app.registry):
        created = [
            *await on_the_loop.enqueue_many([{}] * 20),
            *in_a_thread.enqueue_many_sync([{}] * 20),
        ]
        views = await asyncio.gather(*[task.wait(30) for task in created])
    assert [view.id for view in views] == [task.id for task in created]
    assert {view.attempt for view in views} == {1}


def test_a_task_is_shown_by_its_id() -> None:
    id = TaskId(uuid4())
    assert repr(App(database="postgresql://x").find(id)) == f"Task({id})"

"""Whatever a body does, its task ends in the truth, and the worker lives."""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import psycopg
import pytest
from tests.parts.stage import PATIENCE, give, reach, working
from tests.pooler import around

from fcs import App, Status
from fcs.database.connect import Connection


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Deadly(BaseException):
    pass


class Lying(type):
    @property
    def __name__(cls) -> NoReturn:  # type: ignore[override]
        raise SystemExit


class Liar(Exception, metaclass=Lying):
    def __repr__(self) -> NoReturn:
        raise KeyboardInterrupt

    __str__ = __repr__


HUGE = "ü" * 50_000_000

RAISED: list[tuple[BaseException, str]] = [
    (ValueError("no such photo"), "ValueError: no such photo"),
    (SystemExit(3), "SystemExit: 3"),
    (KeyboardInterrupt(), "KeyboardInterrupt"),
    (GeneratorExit(), "GeneratorExit"),
    (StopIteration(7), "StopIteration: 7"),
    (asyncio.CancelledError(), "CancelledError"),
    (TimeoutError(), "TimeoutError"),
    (Deadly("at any price"), "Deadly: at any price"),
    (Mute(), "Mute (its message cannot be shown)"),
    (Liar(), "Liar (its message cannot be shown)"),
    (ValueError("nul \0 and \ud800"), "ValueError: nul \\x00 and \\ud800"),
    (ValueError(HUGE), "ValueError: üüü"),
    (ExceptionGroup("two", [ValueError(), OSError()]), "ExceptionGroup: two (2 sub-exceptions)"),
]


async def test_whatever_a_body_raises_is_recorded_as_its_failure(
    app: App, database_url: str, db: Connection
) -> None:
    # One worker for all of them: it must survive each.
    @app.task
    async def on_the_loop(n: int) -> None:
        raise RAISED[n][0]

    @app.task
    def in_a_thread(n: int) -> None:
        raise RAISED[n][0]

    @app.task
    async def fine() -> None: ...

    calls = [{"n": n} for n in range(len(RAISED))]
    created = [*await on_the_loop.enqueue_many(calls), *await in_a_thread.enqueue_many(calls)]
    ids = [task.id for task in created]
    async with working(database_url, app.registry) as hired:
        await give(db, hired.incarnation, ids)
        failed = await reach(db, ids, Status.FAILED)
        last = await fine.enqueue()
        await give(db, hired.incarnation, [last.id])
        await reach(db, [last.id], Status.SUCCEEDED)
        await hired.leave()
    for task, (error, expected) in zip(failed, RAISED * 2, strict=True):
        assert task.error is not None
        if isinstance(error, StopIteration) and task.ty == "on_the_loop":
            # Python's own doing: a coroutine cannot raise it.
            expected = "RuntimeError: coroutine raised StopIteration"  # noqa: PLW2901
        assert task.error.startswith(expected), task.error[:200]
        assert len(task.error.encode()) <= 16 * 1024


async def run_to_the_end(
    app: App, url: str, db: Connection, body: Callable[..., Any], status: Status
) -> str | None:
    """Run one body; return the error that its task shows."""
    task = await app.task(name="body")(body).enqueue()
    async with working(url, app.registry, slots=1) as hired:
        await give(db, hired.incarnation, [task.id])
        [view] = await reach(db, [task.id], status)
    return view.error


async def test_a_body_that_cancels_itself_has_failed(
    app: App, database_url: str, db: Connection
) -> None:
    async def body() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel("enough")
        await asyncio.sleep(60)

    error = await run_to_the_end(app, database_url, db, body, Status.FAILED)
    assert error == "CancelledError: enough"


async def test_a_body_that_returns_with_a_cancellation_ahead_has_returned(
    app: App, database_url: str, db: Connection
) -> None:
    async def body() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()

    await run_to_the_end(app, database_url, db, body, Status.SUCCEEDED)


@pytest.mark.parametrize("form", ["def", "async def"])
async def test_a_coroutine_that_nobody_awaits_is_no_success(
    app: App, database_url: str, db: Connection, form: str
) -> None:
    """A decorator for plain functions makes one of an async one; and an `await` is forgotten."""
    ran = False

    async def inner() -> None:
        nonlocal ran
        ran = True

    def plain() -> Any:
        return inner()

    async def forgetful() -> Any:
        return inner()

    body = plain if form == "def" else forgetful
    error = await run_to_the_end(app, database_url, db, body, Status.FAILED)
    assert "inner, which nobody awaits" in str(error)
    assert not ran


async def test_what_a_body_sets_in_its_context_stays_there(
    app: App, database_url: str, db: Connection
) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    seen: list[tuple[str, str]] = []

    @app.task
    def in_a_thread(name: str) -> None:
        seen.append((threading.current_thread().name, user.get()))
        user.set(name)

    @app.task
    async def on_the_loop(name: str) -> None:
        seen.append(("loop", user.get()))
        user.set(name)

    calls = [{"name": "Ann"}, {"name": "Ben"}]
    created = [*await in_a_thread.enqueue_many(calls), *await on_the_loop.enqueue_many(calls)]
    async with working(database_url, app.registry, slots=1) as hired:
        for task in created:
            await give(db, hired.incarnation, [task.id])
            await reach(db, [task.id], Status.SUCCEEDED)
    assert [name for _, name in seen] == ["nobody"] * 4
    assert seen[0] == seen[1]  # it was the same thread indeed


async def test_plain_bodies_run_beside_each_other(
    app: App, database_url: str, db: Connection
) -> None:
    meeting = threading.Barrier(4, timeout=30)

    @app.task
    def attend() -> None:
        meeting.wait()

    ids = [task.id for task in await attend.enqueue_many([{}] * 4)]
    async with working(database_url, app.registry, slots=4) as hired:
        await give(db, hired.incarnation, ids)
        await reach(db, ids, Status.SUCCEEDED)


async def test_a_body_that_blocks_the_loop_does_not_stop_the_heart(
    app: App, database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    def blocked_until_noticed(incarnation: str) -> None:
        with psycopg.connect(around(database_url), autocommit=True) as own:
            query = "select beat_no from fcs.workers where incarnation = %s"

            def beat_no() -> int:
                row = own.execute(query, [incarnation]).fetchone()
                assert row is not None
                return int(row[0])

            first, give_up_at = beat_no(), time.monotonic() + PATIENCE
            while beat_no() < first + 3 or "stands still" not in caplog.text:
                assert time.monotonic() < give_up_at, "nobody noticed"

    @app.task
    async def blocking(incarnation: str) -> None:
        blocked_until_noticed(incarnation)

    with caplog.at_level(logging.WARNING, "fcs.worker.heartbeat"):
        async with working(database_url, app.registry) as hired:
            task = await blocking.enqueue(incarnation=str(hired.incarnation))
            await give(db, hired.incarnation, [task.id])
            await reach(db, [task.id], Status.SUCCEEDED)
    # It says where, so that one can find the call that blocks.
    assert re.search(r"stands still: seconds=.* at=\S+\.py:\d+ in \w+", caplog.text)


async def test_a_failure_is_logged_with_its_trace_once(
    app: App, database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        raise ValueError("no such photo")

    await run_to_the_end(app, database_url, db, body, Status.FAILED)
    [record] = [record for record in caplog.records if "task failed" in record.getMessage()]
    assert "test_worker_bodies.py" in record.getMessage()

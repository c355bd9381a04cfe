"""Attempts, as bodies and their types ask for them; what each of them left behind."""

import asyncio
import logging
import threading
from typing import Any

import pytest
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import count, reach, supervising, until, view, working

import fcs
from fcs import App, Backoff, Status
from fcs.client.task import Task
from fcs.database.connect import Connection
from fcs.domain.outcome import ATTEMPTS_MAX
from fcs.domain.task import TaskView

AT_ONCE = Backoff(first=0)


async def outcomes(db: Connection, task: Task[Any]) -> list[tuple[str, str | None]]:
    cursor = await db.execute(
        "select outcome, error from fcs.attempts where task_id = %s order by attempt", [task.id]
    )
    return [(outcome, error) for outcome, error in await cursor.fetchall()]


async def test_a_body_is_tried_until_it_succeeds(
    app: App, database_url: str, db: Connection
) -> None:
    seen: list[tuple[int, bool]] = []

    @app.task(max_attempts=5, backoff=AT_ONCE)
    async def moody() -> str:
        run = fcs.current()
        seen.append((run.attempt, run.is_last_attempt))
        if run.attempt < 3:
            raise ValueError(f"not at the {run.attempt}.")
        return "at last"

    task = await moody.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [done] = await reach(db, [task.id], Status.SUCCEEDED)

    assert seen == [(1, False), (2, False), (3, False)]
    assert (done.attempt, done.max_attempts, done.error) == (3, 5, None)
    assert done.result_text == '"at last"'
    assert await outcomes(db, task) == [
        ("failed", "ValueError: not at the 1."),
        ("failed", "ValueError: not at the 2."),
    ]


async def test_and_fails_when_no_attempt_is_left(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(backoff=AT_ONCE)
    def hopeless() -> None:
        raise ValueError("never")

    once, thrice = await hopeless.enqueue(), await hopeless.using(max_attempts=3).enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        views = await reach(db, [once.id, thrice.id], Status.FAILED)

    assert [(task.attempt, task.error) for task in views] == [
        (1, "ValueError: never"),
        (3, "ValueError: never"),
    ]
    assert len(await outcomes(db, thrice)) == 3


async def test_some_errors_are_not_worth_another_attempt(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=3, backoff=AT_ONCE, give_up_on=(KeyError,))
    def lookup() -> None:
        raise KeyError("no such user")

    @app.task(max_attempts=3, backoff=AT_ONCE)
    async def honest() -> None:
        raise fcs.GiveUp("no such user")

    tasks = [await lookup.enqueue(), await honest.enqueue()]
    async with supervising(database_url), working(database_url, app.registry):
        views = await reach(db, [task.id for task in tasks], Status.FAILED)

    assert [(task.attempt, task.error) for task in views] == [
        (1, "KeyError: 'no such user'"),
        (1, "no such user"),
    ]


async def test_a_body_asks_for_another_attempt_at_a_time_of_its_own(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=2, backoff=AT_ONCE)
    async def busy() -> None:
        raise fcs.Retry("the bank is closed", delay="1h")

    task = await busy.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [waiting] = await until(lambda: waiting_again(db, task))

    assert waiting.error == "the bank is closed"
    assert waiting.due_at is not None
    assert 3_500 < (waiting.due_at - waiting.updated_at).total_seconds() <= 3_600


async def waiting_again(db: Connection, task: Task[Any]) -> list[TaskView] | None:
    found = await view(db, task.id)
    return [found] if found.status is Status.PENDING and found.attempt else None


async def test_a_snooze_does_not_count(app: App, database_url: str, db: Connection) -> None:
    @app.task
    async def sleepy() -> None:
        if fcs.current().attempt < 4:
            raise fcs.Snooze(0)

    task = await sleepy.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [done] = await reach(db, [task.id], Status.SUCCEEDED)

    assert (done.attempt, done.max_attempts) == (4, 4)
    assert [outcome for outcome, _ in await outcomes(db, task)] == ["snoozed"] * 3


async def test_a_worker_that_leaves_gives_its_runs_another_attempt_only_where_that_was_asked_for(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=2)
    async def careful() -> None:
        await asyncio.Event().wait()

    plain, again = await careful.enqueue(), await careful.using(on_interrupt="retry").enqueue()
    async with supervising(database_url):
        async with working(database_url, app.registry) as hired:
            await reach(db, [plain.id, again.id], Status.RUNNING)
            hired.stop.now.set()
            await hired.end()

        [interrupted] = await reach(db, [plain.id], Status.INTERRUPTED)
        [waiting] = await reach(db, [again.id], Status.PENDING)
    assert interrupted.attempt == waiting.attempt == 1
    for task in (plain, again):
        assert [outcome for outcome, _ in await outcomes(db, task)] == ["interrupted"]


# What bodies leave behind.


async def test_what_a_body_logs_is_kept_with_its_attempt(
    app: App, database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    @app.task
    def in_a_thread() -> None:
        logging.getLogger("shop").info("sold %d", 3)

    @app.task
    async def on_the_loop() -> None:
        logging.getLogger("shop").warning("x" * 20_000)
        for n in range(5_000):
            logging.getLogger("shop").info("line %d", n)

    @app.task
    async def silent() -> None: ...

    tasks = [await in_a_thread.enqueue(), await on_the_loop.enqueue(), await silent.enqueue()]
    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [task.id for task in tasks], Status.SUCCEEDED)

    logs = []
    for task in tasks:
        cursor = await db.execute("select logs from fcs.attempts where task_id = %s", [task.id])
        logs.append(await cursor.fetchone())
    assert logs[0] is not None
    assert logs[0][0].endswith("INFO shop: sold 3")
    assert logs[1] is not None
    assert len(logs[1][0].encode()) <= 17_000
    assert "more lines left out" in logs[1][0]
    assert logs[2] is None


async def test_a_trace_shows_where_it_went_wrong_and_is_bounded(
    app: App, database_url: str, db: Connection
) -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("at the bottom")
        deep(n - 1)

    @app.task
    def diving() -> None:
        deep(400)

    task = await diving.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        await reach(db, [task.id], Status.FAILED)

    query = "select trace, error_type from fcs.attempts where task_id = %s"
    row = await (await db.execute(query, [task.id])).fetchone()
    assert row is not None
    trace, error_type = row
    assert 'raise ValueError("at the bottom")' in trace
    assert len(trace.encode()) <= 16 * 1024
    assert error_type == "ValueError"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (object(), "it cannot be written as JSON"),
        ("x" * 70_000, "it has 70002 bytes as JSON, and 65536 are the limit"),
        ({"a": "\0"}, "NUL"),
    ],
)
async def test_a_result_that_cannot_be_kept_is_a_failure_that_is_not_repeated(
    app: App, database_url: str, db: Connection, answer: object, reason: str
) -> None:
    """Its effects are there; only what it returned is not."""

    @app.task(max_attempts=5, backoff=AT_ONCE)
    async def odd() -> object:
        return answer

    task = await odd.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        [failed] = await reach(db, [task.id], Status.FAILED)

    assert failed.error is not None
    assert failed.error.startswith("the body returned, but its result cannot be kept: ")
    assert reason in failed.error
    assert failed.attempt == 1


async def test_progress_is_written_down_while_the_body_runs(
    app: App, database_url: str, db: Connection
) -> None:
    gate = threading.Event()

    @app.task
    def long() -> None:
        for done in range(1_000):
            fcs.current().progress(done, of=1_000, note=f"page {done}")
        gate.wait()

    task = await long.enqueue()
    async with supervising(database_url), working(database_url, app.registry):
        running = await until(lambda: with_progress(db, task))
        gate.set()
        [done] = await reach(db, [task.id], Status.SUCCEEDED)

    shown = '{"of": 1000, "done": 999, "note": "page 999"}'
    assert running.progress_text == done.progress_text == shown
    assert await count(db, "select count(*) from fcs.attempts") == 0


async def with_progress(db: Connection, task: Task[Any]) -> TaskView | None:
    found = await view(db, task.id)
    return found if found.progress_text else None


def test_there_is_no_run_outside_of_a_body() -> None:
    with pytest.raises(fcs.FcsError) as error:
        fcs.current()
    assert "outside of a task's body" in str(error.value)


@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
async def test_an_attempt_is_followed_by_one_other_though_an_answer_is_lost(
    app: App, database_url: str, db: Connection, kind: Kind
) -> None:
    """ONCE: the second sending finds what the first has done, and calls nothing late."""
    starts: list[int] = []

    @app.task(max_attempts=3, backoff=AT_ONCE)
    async def moody() -> None:
        starts.append(fcs.current().attempt)
        if len(starts) == 1:
            raise ValueError("as planned")

    task = await moody.enqueue()
    async with (
        supervising(database_url),
        proxied(database_url) as proxy,
        working(proxy.url, app.registry) as hired,
    ):
        trouble = proxy.trouble(kind, "retry")
        await reach(db, [task.id], Status.SUCCEEDED)
        await trouble.over.wait()
        await hired.leave()

    assert starts == [1, 2]
    assert await outcomes(db, task) == [("failed", "ValueError: as planned")]
    assert await count(db, "select count(*) from fcs.late_reports") == 0


@pytest.mark.parametrize(
    "done", ["1/3", float("nan"), 10**400, object()], ids=["text", "nan", "huge", "object"]
)
async def test_progress_that_is_no_number_is_the_bodys_own_mistake(
    app: App, database_url: str, db: Connection, done: Any
) -> None:
    @app.task
    async def strange() -> None:
        fcs.current().progress(done)

    shown = asyncio.Event()

    @app.task
    async def usual() -> None:
        fcs.current().progress(1, of=2)
        await shown.wait()

    odd = await strange.enqueue()
    async with supervising(database_url), working(database_url, app.registry) as hired:
        [end] = await reach(db, [odd.id], Status.FAILED)
        task = await usual.enqueue()
        await until(lambda: with_progress(db, task))
        shown.set()
        await hired.leave()

    assert (end.error or "").startswith("InvalidInput")


async def test_a_body_that_snoozes_without_end_fails_at_the_last_attempt_there_can_be(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=ATTEMPTS_MAX)
    async def sleepy() -> None:
        raise fcs.Snooze(0, "not yet")

    task = await sleepy.enqueue()
    await db.execute("update fcs.tasks set attempt = max_attempts - 2 where id = %s", [task.id])
    async with supervising(database_url), working(database_url, app.registry) as hired:
        [end] = await reach(db, [task.id], Status.FAILED)
        await hired.leave()

    assert end.error == "not yet; it was the last of 10,000 attempts, and no task can have more"
    assert await outcomes(db, task) == [("snoozed", "not yet"), ("failed", end.error)]

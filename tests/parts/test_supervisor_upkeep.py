"""What a supervisor does for tasks whose worker does not: hint again, take back, reap."""

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec.structs import replace
from tests.parts.stage import (
    CALM,
    Fake,
    beating,
    connected,
    count,
    give,
    hire_fake,
    reach,
    supervising,
    until,
    view,
    working,
)

from fcs import App, Status, Task
from fcs.client.handler import Handler
from fcs.client.ids import new_task_id
from fcs.database import creation, tasks
from fcs.database.connect import Connection
from fcs.database.mail import Inbox, listen
from fcs.domain.hints import worker_channel
from fcs.domain.settings import Settings
from fcs.domain.task import NewTask

CHASING = replace(CALM, hint_again_after=0.2, take_back_after=0.6)
STRICT = Settings(beat_interval=0.1, lease=0.6, survey_interval=0.1, rescan_interval=0.2)


Noop = Handler[[], Coroutine[Any, Any, None], None]


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


async def test_what_a_worker_leaves_unanswered_is_hinted_again_and_then_given_to_another(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    deaf = await hire_fake(db, ["noop"], slots=1)
    async with connected(database_url) as ear, beating(deaf):
        await listen(ear, worker_channel(deaf.incarnation))
        async with supervising(database_url, CHASING):
            task = await noop.enqueue()
            hints = [hint.payload async for hint in ear.notifies(stop_after=2, timeout=30)]
            # The second hint is about the same dispatch, or about the next one.
            assert hints[:2] == [str(task.id)] * 2
            assert (await dispatches(db, task)) == 1

            await until(lambda: taken_back(db, task))
            async with working(database_url, app.registry) as hired:
                [done] = await reach(db, [task.id], Status.SUCCEEDED)
    assert (done.worker_id, done.attempt) == (hired.id, 1)
    query = "select count(*) from fcs.workers where incarnation = %s and tasks_sent = tasks_taken"
    assert await count(db, query, deaf.incarnation) == 1


async def test_a_slow_worker_is_reminded_and_keeps_its_task(
    noop: Noop, database_url: str, db: Connection
) -> None:
    slow = await hire_fake(db, ["noop"], slots=1)
    patient = replace(CHASING, take_back_after=60)
    async with connected(database_url) as ear, beating(slow):
        await listen(ear, worker_channel(slow.incarnation))
        async with supervising(database_url, patient):
            task = await noop.enqueue()
            async for _ in ear.notifies(stop_after=4, timeout=30):
                pass
            assert await dispatches(db, task) == 1
            await slow.begin(task.id)


async def dispatches(db: Connection, task: Task[Any]) -> int:
    return await count(db, "select dispatch_no from fcs.tasks where id = %s", task.id)


async def taken_back(db: Connection, task: Task[Any]) -> bool:
    seen = await view(db, task.id)
    return seen.status is Status.PENDING or await dispatches(db, task) > 1


async def test_a_worker_that_leaves_three_in_a_row_unanswered_is_skipped_for_a_while(
    noop: Noop, database_url: str, db: Connection
) -> None:
    deaf = await hire_fake(db, ["noop"], slots=100)
    async with beating(deaf), supervising(database_url, CHASING):
        task = await noop.enqueue()

        async def given_up() -> bool:
            seen = await view(db, task.id)
            return seen.status is Status.PENDING and await dispatches(db, task) == 3

        await until(given_up)
        hearing = await hire_fake(db, ["noop"], slots=100)
        async with beating(hearing):
            await noop.enqueue_many([{}] * 30)
            await until(lambda: holds(hearing, 31))
        assert await deaf.held() == []


async def holds(fake: Fake, number: int) -> bool:
    return len(await fake.held()) == number


async def test_a_worker_that_answers_in_time_keeps_what_it_has_got(
    noop: Noop, database_url: str, db: Connection
) -> None:
    # Two slots of its own, and a third task that waits for one of them for long.
    busy = await hire_fake(db, ["noop"], slots=2)
    tasks = await noop.enqueue_many([{}] * 2)
    async with beating(busy), supervising(database_url, CHASING):
        await until(lambda: holds(busy, 2))
        for task in tasks:
            await busy.begin(task.id)
        silent = await hire_fake(db, ["other"])
        await db.execute("insert into fcs.tasks (id, ty) values (gen_random_uuid(), 'other')")
        async with beating(silent):
            taken = "select count(*) from fcs.tasks where ty = 'other' and dispatch_no = 2"
            await until(lambda: count(db, taken))
        for task in tasks:
            assert (await view(db, task.id)).status is Status.RUNNING
            assert await dispatches(db, task) == 1


async def test_a_silent_worker_is_reaped_and_the_truth_is_told(
    noop: Noop, database_url: str, db: Connection
) -> None:
    silent = await hire_fake(db, ["noop"])
    begun, waiting = await noop.enqueue(), await noop.enqueue()
    await give(db, silent.incarnation, [begun.id, waiting.id])
    await silent.begin(begun.id)
    async with supervising(database_url, STRICT):
        [interrupted] = await reach(db, [begun.id], Status.INTERRUPTED)
        [returned] = await reach(db, [waiting.id], Status.PENDING)
    assert "silent for longer than the lease of 0.6 s" in str(interrupted.error)
    assert (interrupted.attempt, interrupted.worker_id) == (1, silent.papers.id)
    assert (returned.attempt, returned.worker_id) == (0, None)
    assert await count(db, "select count(*) from fcs.workers where state = 'lost'") == 1
    assert await silent.beat() is None


async def test_what_a_lost_worker_had_not_begun_runs_elsewhere(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    silent = await hire_fake(db, ["noop"])
    task = await noop.enqueue()
    await give(db, silent.incarnation, [task.id])
    patient = replace(STRICT, lease=2, survey_interval=0.2)
    async with (
        working(database_url, app.registry, settings=patient) as hired,
        supervising(database_url, patient),
    ):
        [done] = await reach(db, [task.id], Status.SUCCEEDED)
        # Whoever beats lives on.
        assert not hired.part.done()
    assert (done.worker_id, done.attempt) == (hired.id, 1)


async def test_many_that_fall_silent_at_once_are_given_another_lease(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """Something else is wrong more likely than all of them, and they may yet be heard."""
    tasks = await noop.enqueue_many([{}] * 5)
    for task in tasks:
        fake = await hire_fake(db, ["noop"])
        await give(db, fake.incarnation, [task.id])
        await fake.begin(task.id)
    await beat_together(db)
    async with supervising(database_url, STRICT):
        await reach(db, [task.id for task in tasks], Status.INTERRUPTED)
    # All by the database's clock. A lone worker is reaped when it has been silent for one lease;
    # a slow machine only makes it more.
    early = """
        select count(*) from fcs.tasks join fcs.workers on workers.id = tasks.worker_id
         where tasks.updated_at < workers.beat_at + interval '1.1 s'
    """
    assert await count(db, early) == 0


async def beat_together(db: Connection) -> None:
    await db.execute("update fcs.workers set beat_at = fcs.now(), beat_no = beat_no + 1")


async def test_many_that_fall_silent_and_are_heard_again_are_all_spared(
    noop: Noop, database_url: str, db: Connection
) -> None:
    tasks = await noop.enqueue_many([{}] * 5)
    fakes = [await hire_fake(db, ["noop"]) for _ in tasks]
    for fake, task in zip(fakes, tasks, strict=True):
        await give(db, fake.incarnation, [task.id])
        await fake.begin(task.id)
    patient = replace(STRICT, lease=2, survey_interval=0.2)
    await beat_together(db)
    async with supervising(database_url, patient), AsyncExitStack() as hearts:
        silent = "select count(*) from fcs.workers where beat_at > fcs.now() - interval '2.1 s'"

        async def all_silent() -> bool:
            return await count(db, silent) == 0

        await until(all_silent)
        for fake in fakes:
            await hearts.enter_async_context(beating(fake))
        # One that is silent for good shows that the supervisor has looked.
        await hire_fake(db, ["other"])
        await until(lambda: count(db, "select count(*) from fcs.workers where state = 'lost'"))
        for task in tasks:
            assert (await view(db, task.id)).status is Status.RUNNING


async def test_workers_that_ended_long_ago_are_forgotten(database_url: str, db: Connection) -> None:
    for state, age in (("gone", 3_600), ("lost", 3_600), ("gone", 0), ("live", 0)):
        fake = await hire_fake(db, ["noop"])
        await db.execute(
            "update fcs.workers set state = %s, beat_at = fcs.now() - make_interval(secs => %s)"
            " where incarnation = %s",
            [state, age, fake.incarnation],
        )
    async with supervising(database_url, replace(CALM, forget_workers_after=600)):

        async def two_left() -> bool:
            return await count(db, "select count(*) from fcs.workers") == 2

        await until(two_left)


async def test_keys_are_forgotten_a_while_after_their_tasks(
    database_url: str, db: Connection
) -> None:
    task = NewTask(new_task_id(), "noop", b"{}", key="order-17")
    await creation.create_linked(db, [task])
    await tasks.delete(db, [task.id])
    async with supervising(database_url, replace(CALM, keep_keys=0)):

        async def forgotten() -> bool:
            return await count(db, "select count(*) from fcs.keys") == 0

        await until(forgotten)


async def test_more_hints_than_can_be_kept_are_made_good_by_a_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fcs.database.mail.MAIL_MAX", 3)
    inbox = Inbox()
    for n in range(5):
        inbox.put(str(n))
    assert inbox.overflowed
    assert inbox.take() == ["0", "1", "2"]
    assert inbox.take() == []

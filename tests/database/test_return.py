"""Giving back: to pending, or to an end, and never what has become somebody else's."""

import pytest
from tests.database.scene import (
    LANE,
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    freeze,
    incarnation,
    row,
    run_id,
    status,
    task_id,
    to,
    worker_id,
    worker_row,
)

from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.tasks import Overdue
from fcs.domain.facts import Waiting
from fcs.domain.task import Status

W, RIVAL = incarnation(7), incarnation(8)
AS_NEW = {"status": "pending", "worker_id": None, "incarnation": None, "due_at": NOON}


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7, 8)


def stale(n: int, *, worker: int = 7, dispatch_no: int = 1) -> Overdue:
    return Overdue(task_id(n), incarnation(worker), dispatch_no, age=99.0)


def picked(columns: dict[str, object], *names: str) -> dict[str, object]:
    return {name: columns[name] for name in names}


# Release: the run's owner gives back what it began and never started.


async def test_a_released_run_never_was(db: Connection) -> None:
    await add_running(db, 7, 1)
    await freeze(db, NOON + SECOND)

    assert await runs.release(db, [(task_id(1), run_id(1))]) == {task_id(1)}

    released = await row(db, 1)
    assert picked(released, *AS_NEW) == AS_NEW
    assert (released["attempt"], released["run_id"], released["started_at"]) == (0, None, None)
    assert released["updated_at"] == NOON + SECOND


async def test_only_the_owner_releases_a_run(db: Connection) -> None:
    await add_running(db, 7, 1, 2)
    await add_final(db, 7, 3, Status.SUCCEEDED)

    others = [(task_id(1), run_id(2)), (task_id(3), run_id(3))]
    assert await runs.release(db, others) == set()
    assert [await status(db, n) for n in (1, 2, 3)] == ["running", "running", "succeeded"]


async def test_a_released_run_cannot_end(db: Connection) -> None:
    await add_running(db, 7, 1)
    await runs.release(db, [(task_id(1), run_id(1))])

    assert await runs.release(db, [(task_id(1), run_id(1))]) == set()
    assert await runs.begin(db, W, [beginning(1)]) == set()


# Hand back: a worker returns what it will not begin.


async def test_what_is_handed_back_is_pending_again(db: Connection) -> None:
    await add_dispatched(db, 7, 1)

    assert await tasks.hand_back(db, W, [(task_id(1), 1)]) == {task_id(1)}

    assert picked(await row(db, 1), *AS_NEW) == AS_NEW
    assert (await worker_row(db, 7))["tasks_sent"] == 1  # its worker counts it as taken


async def test_only_one_s_own_dispatch_is_handed_back(db: Connection) -> None:
    """F-01, F-02: not the rival's, not the next one to oneself, not what was begun."""
    await add_dispatched(db, 8, 1)
    await add_dispatched(db, 7, 2)
    await add_running(db, 7, 3)
    await tasks.hand_back(db, W, [(task_id(2), 1)])
    await tasks.dispatch(db, to(7, 2))

    dispatches = [(task_id(1), 1), (task_id(2), 1), (task_id(3), 1)]
    assert await tasks.hand_back(db, W, dispatches) == set()
    assert [await status(db, n) for n in (1, 2, 3)] == ["dispatched", "dispatched", "running"]


# Refuse: a worker fails what can never begin.


async def test_a_refused_task_fails_without_having_begun(db: Connection) -> None:
    """F-07: its arguments cannot be read."""
    await add_dispatched(db, 7, 1)
    await freeze(db, NOON + SECOND)

    assert await tasks.refuse(db, W, task_id(1), 1, "what is this?")

    refused = await row(db, 1)
    assert (refused["status"], refused["error"]) == ("failed", "what is this?")
    assert (refused["attempt"], refused["started_at"], refused["incarnation"]) == (0, None, None)
    assert refused["updated_at"] == NOON + SECOND


async def test_only_one_s_own_dispatch_is_refused(db: Connection) -> None:
    await add_dispatched(db, 8, 1)
    await add_dispatched(db, 7, 2)
    await add_running(db, 7, 3)

    assert not await tasks.refuse(db, W, task_id(1), 1, "no")
    assert not await tasks.refuse(db, W, task_id(2), 2, "no")
    assert not await tasks.refuse(db, W, task_id(3), 1, "no")
    assert not await tasks.refuse(db, W, task_id(4), 1, "no")
    assert [await status(db, n) for n in (1, 2, 3)] == ["dispatched", "dispatched", "running"]


# Take back: the supervisor returns what a worker does not begin in time.


async def test_what_is_taken_back_is_pending_again_and_off_the_account(db: Connection) -> None:
    """F-65: in the seed it stays dispatched for ever."""
    await add_dispatched(db, 7, 1, 2, 3)
    await add_dispatched(db, 8, 4)

    returned = await tasks.take_back(db, [stale(1), stale(3), stale(4, worker=8)])

    assert sorted(returned) == [Waiting(LANE, NOON, task_id(n)) for n in (1, 3, 4)]
    assert picked(await row(db, 1), *AS_NEW) == AS_NEW
    assert [await status(db, n) for n in (1, 2, 3)] == ["pending", "dispatched", "pending"]
    assert (await worker_row(db, 7))["tasks_sent"] == 1
    assert (await worker_row(db, 8))["tasks_sent"] == 0


async def test_what_was_begun_or_moved_on_is_not_taken_back(db: Connection) -> None:
    await add_running(db, 7, 1)
    await add_dispatched(db, 8, 2)
    await add_dispatched(db, 7, 3)
    await add_tasks(db, 4)

    claims = [stale(1), stale(2), stale(3, dispatch_no=2), stale(4), stale(5)]
    assert await tasks.take_back(db, claims) == []
    assert [(await worker_row(db, n))["tasks_sent"] for n in (7, 8)] == [2, 1]


async def test_nothing_is_taken_back_twice(db: Connection) -> None:
    await add_dispatched(db, 7, 1)
    await tasks.take_back(db, [stale(1)])

    assert await tasks.take_back(db, [stale(1)]) == []
    assert (await worker_row(db, 7))["tasks_sent"] == 0


async def test_a_dispatch_of_a_worker_without_a_row_is_taken_back_too(db: Connection) -> None:
    """Somebody removed the row by hand; the task must not hang on it for ever."""
    await add_dispatched(db, 7, 1)
    await db.execute("delete from fcs.workers where id = %s", [worker_id(7)])

    assert len(await tasks.take_back(db, [stale(1)])) == 1


# Reap: everything that a lost process held.


async def test_a_lost_worker_s_tasks_are_moved_by_what_became_of_them(db: Connection) -> None:
    await add_running(db, 7, 1)
    await add_dispatched(db, 7, 2)
    await add_final(db, 7, 3, Status.SUCCEEDED)
    await add_running(db, 8, 4)
    await add_tasks(db, 5)
    await freeze(db, NOON + SECOND)

    moved = await tasks.reap(db, W, reason="it was silent")

    assert moved.interrupted == [task_id(1)]
    assert moved.returned == [Waiting(LANE, NOON, task_id(2))]
    interrupted, returned = await row(db, 1), await row(db, 2)
    assert interrupted["status"] == "interrupted"
    assert interrupted["error"] == "it was silent"
    assert (interrupted["worker_id"], interrupted["run_id"]) == (worker_id(7), run_id(1))
    assert interrupted["incarnation"] is None
    assert interrupted["updated_at"] == NOON + SECOND
    assert picked(returned, *AS_NEW) == AS_NEW
    assert returned["error"] is None
    assert [await status(db, n) for n in (3, 4, 5)] == ["succeeded", "running", "pending"]


async def test_a_second_reaper_finds_nothing(db: Connection) -> None:
    """F-75."""
    await add_running(db, 7, 1)
    await add_dispatched(db, 7, 2)
    await tasks.reap(db, W, reason="it was silent")

    assert await tasks.reap(db, W, reason="it was silent") == ([], [], [])


# All of them together.


async def test_a_scheduled_task_that_comes_back_is_due_as_it_was(db: Connection) -> None:
    await freeze(db, NOON - 60 * SECOND)
    await add_tasks(db, 1, 2, 3, 4, scheduled_at=NOON - 30 * SECOND)
    await freeze(db, NOON)
    assert len(await tasks.dispatch(db, to(7, 1, 2, 3, 4))) == 4
    await runs.begin(db, W, [beginning(1)])
    await runs.release(db, [(task_id(1), run_id(1))])
    await tasks.hand_back(db, W, [(task_id(2), 1)])
    await tasks.take_back(db, [stale(3)])
    await tasks.reap(db, W, reason="it was silent")

    for n in (1, 2, 3, 4):
        assert (await row(db, n))["due_at"] == NOON - 30 * SECOND


async def test_each_dispatch_has_a_new_number(db: Connection) -> None:
    """F-02: numbers only grow, however often a task goes back."""
    await add_dispatched(db, 7, 1)
    await tasks.hand_back(db, W, [(task_id(1), 1)])
    await tasks.dispatch(db, to(7, 1))
    await tasks.take_back(db, [stale(1, dispatch_no=2)])
    await tasks.dispatch(db, to(7, 1))
    await runs.begin(db, W, [beginning(1, dispatch_no=3)])
    await runs.release(db, [(task_id(1), run_id(1))])
    await tasks.dispatch(db, to(7, 1))
    await tasks.reap(db, W, reason="it was silent")
    await tasks.dispatch(db, to(8, 1))

    assert (await row(db, 1))["dispatch_no"] == 5


async def test_a_lost_worker_is_ended_for_good(db: Connection) -> None:
    """F-37: who wakes up later finds itself fenced."""
    await add_dispatched(db, 7, 1)
    assert await workers.lock_worker(db, W)
    await tasks.reap(db, W, reason="it was silent")
    await workers.end_worker(db, W, state="lost")

    assert not await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=1)
    assert not await workers.lock_worker(db, W)
    assert await tasks.dispatch(db, to(7, 1)) == frozenset()
    assert await runs.begin(db, W, [beginning(1)]) == set()

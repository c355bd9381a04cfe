"""Dispatching: only what is pending and due, only to live workers, each task once."""

import pytest
from tests.database.scene import (
    LANE,
    NOBODY,
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    freeze,
    incarnation,
    row,
    task_id,
    to,
    worker_id,
    worker_row,
)

from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.domain.facts import Assignment, Waiting
from fcs.domain.task import Status


async def test_a_dispatched_task_names_its_worker(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await freeze(db, NOON + SECOND)

    assert await tasks.dispatch(db, to(7, 1)) == {task_id(1)}

    dispatched = await row(db, 1)
    assert dispatched["status"] == "dispatched"
    assert dispatched["worker_id"] == worker_id(7)
    assert dispatched["incarnation"] == incarnation(7)
    assert dispatched["dispatch_no"] == 1
    assert dispatched["updated_at"] == NOON + SECOND
    assert dispatched["due_at"] is None
    assert dispatched["attempt"] == 0


async def test_what_was_sent_is_on_the_worker_s_account(db: Connection) -> None:
    await add_workers(db, 7, 8)
    await add_tasks(db, 1, 2, 3)
    await tasks.dispatch(db, to(7, 1, 2) + to(8, 3))

    assert (await worker_row(db, 7))["tasks_sent"] == 2
    assert (await worker_row(db, 8))["tasks_sent"] == 1


async def test_a_task_is_dispatched_once(db: Connection) -> None:
    """F-03: several supervisors, or one with a doubled hint."""
    await add_workers(db, 7, 8)
    await add_tasks(db, 1)

    assert await tasks.dispatch(db, to(7, 1)) == {task_id(1)}
    assert await tasks.dispatch(db, to(8, 1)) == frozenset()
    assert await tasks.dispatch(db, to(7, 1)) == frozenset()

    assert (await row(db, 1))["incarnation"] == incarnation(7)
    assert (await worker_row(db, 7))["tasks_sent"] == 1
    assert (await worker_row(db, 8))["tasks_sent"] == 0


async def test_one_task_for_two_workers_in_one_plan_goes_to_one(db: Connection) -> None:
    await add_workers(db, 7, 8)
    await add_tasks(db, 1)

    assert await tasks.dispatch(db, to(7, 1) + to(8, 1)) == {task_id(1)}

    sent = [(await worker_row(db, n))["tasks_sent"] for n in (7, 8)]
    assert sorted(sent) == [0, 1]


async def test_the_rest_of_a_batch_does_not_suffer_from_lost_races(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 2, 4)
    await add_dispatched(db, 7, 1)

    assert await tasks.dispatch(db, to(7, 1, 2, 3, 4)) == {task_id(2), task_id(4)}
    assert (await worker_row(db, 7))["tasks_sent"] == 3


@pytest.mark.parametrize(("due", "goes_out"), [(0.000_001, False), (0, True), (-1, True)])
async def test_no_task_goes_out_before_it_is_due(
    db: Connection, due: float, goes_out: bool
) -> None:
    """EARLY: by the database's clock, whatever a supervisor's clock says."""
    await add_workers(db, 7)
    await freeze(db, NOON - 10 * SECOND)
    await add_tasks(db, 1, scheduled_at=NOON + due * SECOND)
    await freeze(db, NOON)

    assert await tasks.dispatch(db, to(7, 1)) == ({task_id(1)} if goes_out else frozenset())


@pytest.mark.parametrize("state", ["draining", "lost", "gone"])
async def test_only_live_workers_get_tasks(db: Connection, state: str) -> None:
    """F-36, F-48: a reaped incarnation never comes back, and who drains asks for no more."""
    await add_workers(db, 7)
    await add_tasks(db, 1)
    if state == "draining":
        await workers.drain(db, incarnation(7))
    else:
        await workers.end_worker(db, incarnation(7), state=state)

    assert await tasks.dispatch(db, to(7, 1)) == frozenset()
    assert (await row(db, 1))["status"] == "pending"


async def test_a_stranger_gets_nothing(db: Connection) -> None:
    await add_tasks(db, 1)

    assert await tasks.dispatch(db, [Assignment(Waiting(LANE, NOON, task_id(1)), NOBODY)]) == set()


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED])
async def test_what_is_final_is_not_dispatched(db: Connection, status: Status) -> None:
    await add_workers(db, 7)
    await add_final(db, 7, 1, status)

    assert await tasks.dispatch(db, to(7, 1)) == frozenset()


async def test_what_runs_is_not_dispatched(db: Connection) -> None:
    await add_workers(db, 7, 8)
    await add_running(db, 7, 1)

    assert await tasks.dispatch(db, to(8, 1)) == frozenset()

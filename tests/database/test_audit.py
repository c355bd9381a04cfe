"""Looking after what hints and answers may have lost: held, overdue, hint again, accounts."""

import pytest
from tests.database.scene import (
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
    run_id,
    task_id,
    worker_row,
)

from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.tasks import Held, Overdue
from fcs.domain.task import Status

W, RIVAL = incarnation(7), incarnation(8)


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7, 8)


async def test_a_process_can_look_up_what_it_holds(db: Connection) -> None:
    """F-14: for a worker that missed a hint, or the answer to its begin."""
    await freeze(db, NOON + SECOND)
    await add_dispatched(db, 7, 2)
    await freeze(db, NOON)
    await add_running(db, 7, 1)
    await add_final(db, 7, 3, Status.FAILED)
    await add_dispatched(db, 8, 4)
    await add_tasks(db, 5)

    assert await tasks.held(db, W, limit=10) == [
        Held(task_id(1), Status.RUNNING, run_id(1), False),
        Held(task_id(2), Status.DISPATCHED, None, False),
    ]
    assert [held.id for held in await tasks.held(db, W, limit=1)] == [task_id(1)]


async def test_what_was_not_begun_for_long_is_overdue(db: Connection) -> None:
    """F-65."""
    await freeze(db, NOON + 2 * SECOND)
    await add_dispatched(db, 7, 3)
    await freeze(db, NOON + 3 * SECOND)
    await add_dispatched(db, 8, 4)
    await freeze(db, NOON)
    await add_dispatched(db, 7, 1)
    await add_running(db, 7, 2)
    await freeze(db, NOON + 5 * SECOND)

    overdue = await tasks.overdue(db, [W, RIVAL], seconds=1.5, limit=10)
    assert overdue == [
        Overdue(task_id(1), W, 1, 5.0),
        Overdue(task_id(3), W, 1, 3.0),
        Overdue(task_id(4), RIVAL, 1, 2.0),
    ]
    assert await tasks.overdue(db, [W], seconds=4, limit=10) == overdue[:1]
    assert await tasks.overdue(db, [W, RIVAL], seconds=1.5, limit=1) == overdue[:1]
    assert await tasks.overdue(db, [W, RIVAL], seconds=5, limit=10) == []
    assert await tasks.overdue(db, [], seconds=0, limit=10) == []


async def test_an_account_that_somebody_made_wrong_is_settled(db: Connection) -> None:
    """CAP: a row removed by hand would hide a slot for ever."""
    await add_dispatched(db, 7, 1, 2, 3)
    await add_dispatched(db, 8, 4)
    await runs.begin(db, W, [beginning(1)])
    await db.execute("delete from fcs.tasks where id = %s", [task_id(2)])

    assert await workers.settle_account(
        db, W, tasks_sent=3, report_no=1, slots_busy=0, tasks_taken=1
    )

    row = await worker_row(db, 7)
    assert (row["tasks_sent"], row["tasks_taken"]) == (2, 1)  # one taken, one under way
    assert (await worker_row(db, 8))["tasks_sent"] == 1


async def test_what_is_settled_invents_no_free_slot(db: Connection) -> None:
    """CAP: what it has begun since its last beat is taken, and therefore busy."""
    await add_dispatched(db, 7, 1)
    await runs.begin(db, W, [beginning(1)])

    await workers.settle_account(db, W, tasks_sent=1, report_no=5, slots_busy=1, tasks_taken=1)

    row = await worker_row(db, 7)
    assert row["slots_busy"] + row["tasks_sent"] - row["tasks_taken"] == 1
    assert row["report_no"] == 5


async def test_an_account_that_is_right_stays_right(db: Connection) -> None:
    await add_dispatched(db, 7, 1, 2)

    assert await workers.settle_account(
        db, W, tasks_sent=2, report_no=1, slots_busy=0, tasks_taken=0
    )

    assert (await worker_row(db, 7))["tasks_sent"] == 2


async def test_an_account_that_has_moved_since_it_was_read_is_left_alone(db: Connection) -> None:
    await add_dispatched(db, 7, 1, 2)

    assert not await workers.settle_account(
        db, W, tasks_sent=1, report_no=1, slots_busy=0, tasks_taken=0
    )

    assert (await worker_row(db, 7))["tasks_sent"] == 2


async def test_an_ended_worker_has_no_account(db: Connection) -> None:
    await workers.end_worker(db, W, state="gone")

    assert not await workers.settle_account(
        db, W, tasks_sent=0, report_no=1, slots_busy=0, tasks_taken=0
    )

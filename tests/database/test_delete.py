"""Deleting: anything but what runs, and the accounts stay right."""

import pytest
from tests.database.scene import (
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    ending,
    incarnation,
    rows,
    status,
    task_id,
    worker_row,
)

from fcs.database import runs, tasks
from fcs.database.connect import Connection
from fcs.database.tasks import Deletion
from fcs.domain.task import Status


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7, 8)


async def test_a_pending_task_is_deleted(db: Connection) -> None:
    await add_tasks(db, 1, 2)

    assert await tasks.delete(db, [task_id(1)]) == {task_id(1): Deletion(Status.PENDING, False)}
    assert [await status(db, n) for n in (1, 2)] == [None, "pending"]


async def test_a_dispatched_task_comes_off_the_account_of_its_worker(db: Connection) -> None:
    """CAP: or a slot would be waited for in vain."""
    await add_dispatched(db, 7, 1, 2)
    await add_dispatched(db, 8, 3)

    assert await tasks.delete(db, [task_id(1)]) == {task_id(1): Deletion(Status.DISPATCHED, False)}
    assert [(await worker_row(db, n))["tasks_sent"] for n in (7, 8)] == [1, 1]
    assert await runs.begin(db, incarnation(7), [beginning(1)]) == set()


@pytest.mark.parametrize("end", [Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED])
async def test_a_final_task_is_deleted(db: Connection, end: Status) -> None:
    await add_final(db, 7, 1, end)

    assert await tasks.delete(db, [task_id(1)]) == {task_id(1): Deletion(end, False)}
    assert (await worker_row(db, 7))["tasks_sent"] == 1


async def test_a_running_task_is_not_deleted(db: Connection) -> None:
    """F-19: the seed allows it; then its end hits nothing, and its history is gone."""
    await add_running(db, 7, 1)

    assert await tasks.delete(db, [task_id(1)]) == {task_id(1): Deletion(Status.RUNNING, False)}
    assert await status(db, 1) == "running"
    assert (await worker_row(db, 7))["tasks_sent"] == 1


async def test_what_is_not_there_is_missing(db: Connection) -> None:
    await add_tasks(db, 1)
    await tasks.delete(db, [task_id(1)])

    assert await tasks.delete(db, [task_id(1)]) == {}


async def test_many_are_deleted_together_save_those_that_run(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_dispatched(db, 7, 2, 3)
    await add_running(db, 8, 4)

    found = await tasks.delete(db, [task_id(n) for n in (1, 2, 3, 4, 5)])

    assert {id.int: str(held.status) for id, held in found.items()} == {
        1: "pending", 2: "dispatched", 3: "dispatched", 4: "running",
    }  # fmt: skip
    assert [await status(db, n) for n in (1, 2, 3, 4)] == [None, None, None, "running"]
    assert [(await worker_row(db, n))["tasks_sent"] for n in (7, 8)] == [0, 1]


async def test_its_late_reports_go_along(db: Connection) -> None:
    await add_running(db, 7, 1, 2)
    await tasks.reap(db, incarnation(7), reason="it was silent")
    await runs.record_late(db, [ending(1), ending(2)])
    await tasks.delete(db, [task_id(1)])

    [kept] = await rows(db, "select task_id from fcs.late_reports")
    assert kept["task_id"] == task_id(2)


async def test_a_late_report_of_a_running_task_stays_when_deleting_is_refused(
    db: Connection,
) -> None:
    await add_running(db, 7, 1)
    await runs.record_late(db, [ending(1, run=99)])
    await tasks.delete(db, [task_id(1)])

    assert len(await rows(db, "select from fcs.late_reports")) == 1

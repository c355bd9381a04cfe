"""Cancelling: at once what has not begun, by asking what runs, never what is final."""

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
    ending,
    freeze,
    incarnation,
    row,
    run_id,
    status,
    task_id,
    to,
    worker_row,
)

from fcs.database import insights, runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Ending
from fcs.domain.task import FINAL, CancelRequest, Status, StopLevel

W = incarnation(7)


@pytest.fixture(autouse=True)
async def _worker(db: Connection) -> None:
    await add_workers(db, 7)


async def cancel(db: Connection, *numbers: int, reason: str = "") -> dict[int, Status]:
    found = await tasks.cancel(db, [task_id(n) for n in numbers], reason=reason)
    return {id.int: status for id, status in found.items()}


async def test_what_waits_is_cancelled_at_once(db: Connection) -> None:
    await add_tasks(db, 1)
    await freeze(db, NOON + SECOND)

    assert await cancel(db, 1, reason="no need") == {1: Status.PENDING}

    cancelled = await row(db, 1)
    assert cancelled["status"] == "cancelled"
    assert cancelled["error"] == "cancelled before it started: no need"
    assert cancelled["cancel_reason"] == "no need"
    assert cancelled["updated_at"] == cancelled["cancel_requested_at"] == NOON + SECOND
    assert cancelled["cancel_level"] == StopLevel.BEFORE_START
    assert cancelled["due_at"] is None


async def test_what_is_on_its_way_is_cancelled_and_comes_off_its_workers_account(
    db: Connection,
) -> None:
    """CAP, F-18."""
    await add_dispatched(db, 7, 1, 2)

    assert await cancel(db, 1) == {1: Status.DISPATCHED}

    cancelled = await row(db, 1)
    assert cancelled["status"] == "cancelled"
    assert (cancelled["worker_id"], cancelled["incarnation"]) == (None, None)
    assert (await worker_row(db, 7))["tasks_sent"] == 1
    assert await tasks.fetch(db, W, [task_id(1)], limit=10) == []
    assert await runs.begin(db, W, [beginning(1)]) == set()


async def test_what_runs_is_asked_to_end_and_its_owner_says_what_came_of_it(
    db: Connection,
) -> None:
    await add_running(db, 7, 1)

    assert await cancel(db, 1, reason="no need") == {1: Status.RUNNING}
    assert await status(db, 1) == "running"
    [held] = await tasks.held(db, W, limit=10)
    assert held.is_cancelled

    last = Ending(task_id(1), run_id(1), Status.CANCELLED, "stopped", level=StopLevel.CANCEL)
    assert await runs.finish(db, [last], "report") == {task_id(1)}
    view = await insights.find_task(db, task_id(1))
    assert view is not None
    assert view.status is Status.CANCELLED
    assert view.cancel == CancelRequest(NOON, "no need", StopLevel.CANCEL)


async def test_what_is_given_back_unstarted_after_that_never_starts(db: Connection) -> None:
    """TRUTH: whoever asked for its end was told that it will be asked, and it has no body."""
    await add_running(db, 7, 1, 2, 3)
    await cancel(db, 1, reason="no need")
    await cancel(db, 2)
    await freeze(db, NOON + SECOND)

    runs_of_all = [(task_id(n), run_id(n)) for n in (1, 2, 3)]
    assert await runs.release(db, runs_of_all) == {task_id(1), task_id(2), task_id(3)}
    assert [await status(db, n) for n in (1, 2, 3)] == ["cancelled", "cancelled", "pending"]
    assert await tasks.dispatch(db, to(7, 1, 2, 3)) == {task_id(3)}

    first, second = await row(db, 1), await row(db, 2)
    assert first["error"] == "cancelled before it started: no need"
    assert second["error"] == "cancelled before it started"
    assert first["cancel_level"] == second["cancel_level"] == StopLevel.BEFORE_START
    assert (first["cancel_reason"], first["cancel_requested_at"]) == ("no need", NOON)
    assert (first["attempt"], first["run_id"], first["started_at"]) == (0, None, None)
    assert (first["worker_id"], first["incarnation"], first["due_at"]) == (None, None, None)
    assert first["updated_at"] == NOON + SECOND
    assert (await row(db, 3))["cancel_level"] is None


async def test_a_body_that_ends_by_itself_is_called_what_it_was(db: Connection) -> None:
    """TRUTH: it was asked to stop, and had succeeded before it heard."""
    await add_running(db, 7, 1)
    await cancel(db, 1)
    await runs.finish(db, [ending(1)], "report")

    assert await status(db, 1) == "succeeded"


@pytest.mark.parametrize("end", sorted(FINAL - {Status.CANCELLED}))
async def test_what_is_final_stays(db: Connection, end: Status) -> None:
    """FINAL."""
    await add_final(db, 7, 1, end)
    before = await row(db, 1)

    assert await cancel(db, 1) == {1: end}
    assert await row(db, 1) == before


async def test_the_first_who_asks_is_remembered(db: Connection) -> None:
    await add_running(db, 7, 1)
    await add_tasks(db, 2)
    await cancel(db, 1, 2, reason="first")
    await freeze(db, NOON + SECOND)
    before = [await row(db, 1), await row(db, 2)]

    assert await cancel(db, 1, 2, reason="second") == {1: Status.RUNNING, 2: Status.CANCELLED}
    assert [await row(db, 1), await row(db, 2)] == before


async def test_many_at_once_and_some_that_are_not_there(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_dispatched(db, 7, 2)
    await add_running(db, 7, 3)
    await add_tasks(db, 5)
    await add_running(db, 7, 6)
    bystanders = [await row(db, 5), await row(db, 6)]

    found = await cancel(db, 1, 2, 3, 4)

    assert found == {1: Status.PENDING, 2: Status.DISPATCHED, 3: Status.RUNNING}
    assert [await row(db, 5), await row(db, 6)] == bystanders
    assert await cancel(db) == {}

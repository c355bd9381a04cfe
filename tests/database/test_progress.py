"""Progress: the word of the run that owns the task, as long as it runs."""

import pytest
from tests.database.scene import (
    NOON,
    SECOND,
    add_final,
    add_running,
    add_workers,
    freeze,
    row,
    run_id,
    task_id,
)

from fcs.database import runs
from fcs.database.connect import Connection
from fcs.domain.task import Status


@pytest.fixture(autouse=True)
async def _worker(db: Connection) -> None:
    await add_workers(db, 7)


async def test_each_run_tells_of_its_own_task(db: Connection) -> None:
    await add_running(db, 7, 1, 2, 3)
    await freeze(db, NOON + SECOND)

    told = await runs.report_progress(
        db, {(task_id(1), run_id(1)): '{"done": 1}', (task_id(2), run_id(2)): '{"done": 2}'}
    )

    assert told == {task_id(1), task_id(2)}
    assert [(await row(db, n))["progress"] for n in (1, 2, 3)] == [{"done": 1}, {"done": 2}, None]
    assert (await row(db, 1))["updated_at"] == NOON + SECOND


async def test_nobody_else_tells_of_it(db: Connection) -> None:
    """OWNER: a run that was lost has nothing to say of the next one."""
    await add_running(db, 7, 1)

    assert await runs.report_progress(db, {(task_id(1), run_id(9)): "1"}) == set()
    assert (await row(db, 1))["progress"] is None


async def test_what_comes_after_the_end_is_not_heard(db: Connection) -> None:
    await add_final(db, 7, 1, Status.FAILED)
    before = await row(db, 1)

    assert await runs.report_progress(db, {(task_id(1), run_id(1)): "1"}) == set()
    assert await row(db, 1) == before
    assert await runs.report_progress(db, {}) == set()

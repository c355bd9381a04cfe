"""Rows that somebody wrote by hand, and that the constraints let in: no statement breaks on them.

A statement serves many tasks at once. If one row makes it fail, all of them wait for ever, and so
does whoever sends it again and again.
"""

from typing import Any

import pytest
from tests.database.scene import (
    add_running,
    add_tasks,
    add_workers,
    incarnation,
    row,
    run_id,
    status,
    task_id,
    to,
)

from fcs.database import runs, tasks
from fcs.database.connect import Connection

W = incarnation(7)
LEAST, MOST = -(2**31), 2**31 - 1


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7)


async def set_by_hand(db: Connection, n: int, **columns: Any) -> None:
    names = ", ".join(f"{name} = %({name})s" for name in columns)
    statement = f"update fcs.tasks set {names} where id = %(id)s"
    await db.execute(statement.encode(), columns | {"id": task_id(n)})


@pytest.mark.parametrize("no", [LEAST, -1, MOST - 1, MOST])
async def test_no_dispatch_number_stops_a_dispatch(db: Connection, no: int) -> None:
    await add_tasks(db, 1, 2)
    await set_by_hand(db, 1, dispatch_no=no)

    assert await tasks.dispatch(db, to(7, 1, 2)) == {task_id(1), task_id(2)}
    assert (await row(db, 1))["dispatch_no"] != no


@pytest.mark.parametrize(
    "columns",
    [
        {"run_id": None},
        {"started_at": None},
        {"run_id": None, "started_at": None},
        {"attempt": LEAST, "retry_interrupted": True},
        {"attempt": -1, "retry_interrupted": True},
    ],
    ids=str,
)
async def test_what_says_that_it_runs_is_reaped(db: Connection, columns: dict[str, Any]) -> None:
    await add_running(db, 7, 1, 2)
    await set_by_hand(db, 1, **columns)

    await tasks.reap(db, W, reason="it was silent")

    expected = "pending" if "attempt" in columns else "interrupted"
    assert [await status(db, n) for n in (1, 2)] == [expected, "interrupted"]


@pytest.mark.parametrize("attempt", [LEAST, -1, 0])
async def test_what_never_ran_is_given_back(db: Connection, attempt: int) -> None:
    await add_running(db, 7, 1, 2)
    await set_by_hand(db, 1, attempt=attempt)

    strays = [(task_id(1), run_id(1)), (task_id(2), run_id(2))]
    assert await runs.release(db, strays) == {task_id(1), task_id(2)}
    assert [(await row(db, n))["attempt"] for n in (1, 2)] == [0, 0]


async def test_what_says_that_it_runs_and_names_no_run_is_given_back(db: Connection) -> None:
    """Its worker knows that it has begun nothing without a run id."""
    await add_running(db, 7, 1, 2)
    await set_by_hand(db, 1, run_id=None)

    assert await runs.release(db, [(task_id(1), None)]) == {task_id(1)}
    assert [await status(db, n) for n in (1, 2)] == ["pending", "running"]

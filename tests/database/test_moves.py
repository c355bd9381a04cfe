"""The table of moves and the SQL agree: each statement, tried on tasks in every status, makes
exactly the moves that the table gives it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from tests.database.scene import (
    NOON,
    SECOND,
    add_workers,
    beginning,
    ending,
    incarnation,
    new,
    run_id,
    status,
    task_id,
    to,
    worker_id,
)

from fcs.database import bulk, creation, identity, retention, runs, settling, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Again, Evidence, Receipt
from fcs.database.tasks import Overdue
from fcs.domain.retention import Stretch
from fcs.domain.task import FINAL, MOVES, AttemptOutcome, Status

W = incarnation(7)
Act = Callable[[Connection], Awaitable[Any]]

OUCH = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
ID = task_id(1)


async def settle(db: Connection) -> None:
    """With a needed task that is gone."""
    await db.execute("insert into fcs.unsettled (task_id) values (%s)", [task_id(3)])
    await db.execute("insert into fcs.dependencies values (%s, %s, true)", [ID, task_id(3)])
    await db.execute(
        "update fcs.tasks set open_needs = 1, due_at = null where id = %s and status = 'pending'",
        [ID],
    )
    assert (await settling.settle(db)).notes == 1


async def adopt(db: Connection) -> None:
    """A copy, whose worker has not spoken."""
    await db.execute("update fcs.identity set on_hold_since = fcs.now()")
    assert await identity.adopt(db, await identity.look(db)) is not None


async def release_unwanted(db: Connection) -> None:
    """A run whose end somebody has asked for."""
    await db.execute(
        "update fcs.tasks set cancel_requested_at = fcs.now() where status = 'running'"
    )
    await runs.release(db, [(ID, run_id(1))])


STATEMENTS: dict[str, list[Act]] = {
    "create": [lambda db: tasks.create(db, [new(1)])],
    "create_plain": [lambda db: creation.create_plain(db, new(1))],
    "create_alike": [lambda db: creation.create_alike(db, [new(1)])],
    "dispatch": [lambda db: tasks.dispatch(db, to(7, 1))],
    "begin": [lambda db: runs.begin(db, W, [beginning(1)])],
    "hand_back": [lambda db: tasks.hand_back(db, W, [(ID, 1)])],
    "refuse": [lambda db: tasks.refuse(db, W, ID, 1, "no")],
    "take_back": [lambda db: tasks.take_back(db, [Overdue(ID, W, 1, 99.0)])],
    "reap": [lambda db: tasks.reap(db, W, reason="it was silent")],
    "succeed": [lambda db: runs.succeed(db, [ending(1)], "report")],
    "finish": [
        lambda db, end=end: runs.finish(db, [ending(1, end)], "report")  # type: ignore[misc]
        for end in sorted(FINAL)
    ],
    "retry": [lambda db: runs.retry(db, [Again(ID, run_id(1), 0.0, OUCH)], "report")],
    "release": [lambda db: runs.release(db, [(ID, run_id(1))]), release_unwanted],
    "testify": [lambda db: runs.testify(db, worker_id(7), [Receipt(ID, run_id(1), 1, 1.0, True)])],
    "adopt": [adopt],
    "cancel": [lambda db: tasks.cancel(db, [ID], reason="no need")],
    "repeat": [lambda db: bulk.repeat(db, {ID: task_id(2)})],
    "create_linked": [lambda db: creation.create_linked(db, [new(1, key="order 1")])],
    "prune": [
        lambda db: retention.prune(
            db, Stretch(UUID(int=0), ID), dict.fromkeys(FINAL, NOON + SECOND)
        )
    ],
    "settle": [settle],
    "delete": [lambda db: tasks.delete(db, [ID])],
}

VARIANTS: list[dict[str, Any]] = [
    {},
    {"max_attempts": 2},
    {"max_attempts": 2, "on_interrupt": "retry"},
]


async def put(db: Connection, before: Status | None, options: dict[str, Any]) -> None:
    """A task in that status."""
    if before is None:
        return
    await tasks.create(db, [new(1, **options)])
    if before is Status.PENDING:
        return
    await tasks.dispatch(db, to(7, 1))
    if before is Status.DISPATCHED:
        return
    await runs.begin(db, W, [beginning(1)])
    if before is not Status.RUNNING:
        await runs.finish(db, [ending(1, before)], "report")


@pytest.mark.parametrize("statement", sorted({move.statement for move in MOVES}))
async def test_a_statement_makes_the_moves_of_the_table_and_no_others(
    db: Connection, statement: str
) -> None:
    await add_workers(db, 7)
    seen: set[tuple[Status | None, Any]] = set()
    for before in [None, *Status]:
        for act in STATEMENTS[statement]:
            for options in VARIANTS:
                async with db.transaction(force_rollback=True):
                    await put(db, before, options)
                    assert await status(db, 1) == before
                    await act(db)
                    seen.add((before, await status(db, 1)))
                    seen.add((None, await status(db, 2)))

    made = {(before, after) for before, after in seen if before != after}
    assert made == {(m.before, m.after) for m in MOVES if m.statement == statement}

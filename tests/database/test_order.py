"""Statements that touch many rows take them in one order, so that nobody waits in a circle."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import psycopg
import pytest
from tests.database.interleave import Act, Stage, staged
from tests.database.scene import (
    add_dispatched,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    ending,
    incarnation,
    new,
    run_id,
    task_id,
    to,
)

from fcs.database import creation, runs, settling, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Again, Evidence
from fcs.database.tasks import Overdue
from fcs.domain.task import AttemptOutcome

NUMBERS = [*range(1, 10)]


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        await add_workers(stage.observer, 7, 8)
        yield stage


async def pending(db: Connection) -> None:
    await add_tasks(db, *NUMBERS)


async def dispatched(db: Connection) -> None:
    for n in reversed(NUMBERS):  # they lie in the table the other way round
        await add_dispatched(db, 7, n)


async def running(db: Connection) -> None:
    for n in reversed(NUMBERS):
        await add_running(db, 7, n)


async def dispatch_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await tasks.dispatch(db, to(worker, *numbers))


async def begin_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await runs.begin(db, incarnation(worker), [beginning(n) for n in numbers])


async def succeed_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await runs.succeed(db, [ending(n) for n in numbers], "report")


async def finish_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await runs.finish(db, [ending(n) for n in numbers], "report")


async def release_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await runs.release(db, [(task_id(n), run_id(n)) for n in numbers])


async def retry_all(db: Connection, worker: int, numbers: list[int]) -> object:
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    again = [Again(task_id(n), run_id(n), 0.0, evidence, 1) for n in numbers]
    return await runs.retry(db, again, "report")


async def report_progress_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await runs.report_progress(db, {(task_id(n), run_id(n)): "1" for n in numbers})


async def cancel_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await tasks.cancel(db, [task_id(n) for n in numbers], reason="no need")


async def hand_back_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await tasks.hand_back(db, incarnation(worker), [(task_id(n), 1) for n in numbers])


async def take_back_all(db: Connection, worker: int, numbers: list[int]) -> object:
    held = [Overdue(task_id(n), incarnation(worker), 1, 99.0) for n in numbers]
    return await tasks.take_back(db, held)


async def reap_all(db: Connection, worker: int, numbers: list[int]) -> object:
    return await tasks.reap(db, incarnation(worker), reason="it was silent")


Many = Callable[[Connection, int, list[int]], Coroutine[Any, Any, object]]
ON_DISPATCHED: list[Many] = [begin_all, hand_back_all, take_back_all, reap_all]
ON_RUNNING: list[Many] = [
    begin_all, succeed_all, finish_all, release_all, retry_all, report_progress_all, reap_all,
    cancel_all,
]  # fmt: skip
CASES: list[tuple[Many, Many, Act]] = [
    (dispatch_all, dispatch_all, pending),
    (cancel_all, cancel_all, pending),
    *[(one, two, dispatched) for one in ON_DISPATCHED for two in ON_DISPATCHED],
    *[(one, two, running) for one in ON_RUNNING for two in ON_RUNNING],
]


@pytest.mark.parametrize(("one", "two", "scene"), CASES, ids=lambda act: act.__name__)
async def test_who_touches_many_tasks_touches_them_in_one_order(
    stage: Stage, one: Many, two: Many, scene: Act
) -> None:
    """Or two batches with common tasks would wait for each other in a circle.

    A third transaction holds the task in the middle until both have got as far as they can.
    """
    await scene(stage.observer)
    # Two dispatches to the same worker would already meet at the worker's row.
    rival = 8 if two is dispatch_all else 7

    async with await psycopg.AsyncConnection.connect(stage.observer.info.dsn) as third:
        await third.execute("select from fcs.tasks where id = %s for update", [task_id(5)])
        first = asyncio.create_task(one(stage.one, 7, NUMBERS))
        assert await stage.waits(first, stage.one, holders=[third])
        second = asyncio.create_task(two(stage.two, rival, NUMBERS[::-1]))
        assert await stage.waits(second, stage.two, holders=[third, stage.one])
    await asyncio.gather(first, second)


async def test_a_delete_and_whoever_settles_do_not_wait_in_a_circle(stage: Stage) -> None:
    """What a dependant needs is changed only by who holds the dependant: a delete takes both."""
    await add_running(stage.observer, 7, 1)
    await creation.create_linked(stage.observer, [new(2, after=(task_id(1),))])
    await settling.mark_needed(stage.observer)
    await runs.finish(stage.observer, [ending(1)], "report")

    async with await psycopg.AsyncConnection.connect(stage.observer.info.dsn) as third:
        await third.execute("select from fcs.tasks where id = %s for update", [task_id(2)])
        deleting = asyncio.create_task(tasks.delete(stage.one, [task_id(2)]))
        assert await stage.waits(deleting, stage.one, holders=[third])
        settled = asyncio.create_task(settling.settle(stage.two))
        assert await stage.waits(settled, stage.two, holders=[third, stage.one])
    await asyncio.gather(deleting, settled)

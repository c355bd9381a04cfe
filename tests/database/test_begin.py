"""Beginning: only the named worker, only this dispatch, once; and what to do when in doubt."""

import pytest
from tests.database.scene import (
    NOBODY,
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    found,
    freeze,
    incarnation,
    row,
    rows,
    run_id,
    status,
    task_id,
    to,
    worker_id,
)

from fcs.database import runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Again, Beginning, Evidence
from fcs.domain.task import AttemptOutcome, Status

W, RIVAL = incarnation(7), incarnation(8)
OUCH = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7, 8)


async def test_a_worker_fetches_what_was_dispatched_to_it(db: Connection) -> None:
    await add_dispatched(db, 7, 1, 2)
    await add_dispatched(db, 8, 3)
    await add_running(db, 7, 4)
    await add_tasks(db, 5)

    every = [task_id(n) for n in range(1, 7)]
    assert found(await tasks.fetch(db, W, every, limit=10)) == {1: 1, 2: 1}
    assert found(await tasks.fetch(db, RIVAL, every, limit=10)) == {3: 1}
    assert found(await tasks.fetch(db, W, [task_id(2)], limit=10)) == {2: 1}
    assert await tasks.fetch(db, W, [], limit=10) == []


async def test_it_fetches_no_more_than_it_can_take_and_the_first_named_first(
    db: Connection,
) -> None:
    await add_dispatched(db, 7, 1, 2, 3)
    await add_dispatched(db, 8, 4)

    named = [task_id(n) for n in (4, 3, 1, 2)]
    fetched = await tasks.fetch(db, W, named, limit=2)
    assert [task.id for task in fetched] == [task_id(3), task_id(1)]


async def test_what_is_fetched_carries_its_arguments_as_text(db: Connection) -> None:
    await add_dispatched(db, 7, 1)

    [fetched] = await tasks.fetch(db, W, [task_id(1)], limit=10)
    assert (fetched.id, fetched.ty, fetched.args_text) == (task_id(1), "baz", '{"x": 1}')


async def test_a_begun_task_runs_under_the_run_id_of_its_worker(db: Connection) -> None:
    await add_dispatched(db, 7, 1)
    await freeze(db, NOON + SECOND)

    assert await runs.begin(db, W, [beginning(1)]) == {task_id(1)}

    begun = await row(db, 1)
    assert begun["status"] == "running"
    assert begun["run_id"] == run_id(1)
    assert begun["attempt"] == 1
    assert begun["started_at"] == begun["updated_at"] == NOON + SECOND
    assert (begun["worker_id"], begun["incarnation"]) == (worker_id(7), W)


async def test_sent_again_it_gives_the_same_answer(db: Connection) -> None:
    """F-12: an unknown begin is settled by a write that names the run."""
    await add_dispatched(db, 7, 1)
    await runs.begin(db, W, [beginning(1)])
    await freeze(db, NOON + SECOND)

    assert await runs.begin(db, W, [beginning(1)]) == {task_id(1)}

    begun = await row(db, 1)
    assert (begun["attempt"], begun["started_at"]) == (1, NOON)
    assert begun["updated_at"] == NOON + SECOND  # a write: its commit proves the first one


async def test_another_run_of_the_same_dispatch_does_not_begin(db: Connection) -> None:
    """ONCE: a second process or thread with the same knowledge."""
    await add_dispatched(db, 7, 1)
    await runs.begin(db, W, [beginning(1)])

    assert await runs.begin(db, W, [beginning(1, run=2)]) == set()
    assert (await row(db, 1))["run_id"] == run_id(1)


async def test_another_worker_cannot_begin_it(db: Connection) -> None:
    """F-01: the seed asks for the status alone."""
    await add_dispatched(db, 7, 1)

    assert await runs.begin(db, RIVAL, [beginning(1)]) == set()
    assert await runs.begin(db, NOBODY, [beginning(1)]) == set()
    assert (await row(db, 1))["status"] == "dispatched"


async def test_a_slow_begin_does_not_start_on_the_next_worker_s_dispatch(db: Connection) -> None:
    """F-01: dispatched to W1, taken from it, dispatched to W2; then W1's begin arrives."""
    await add_dispatched(db, 7, 1)
    await tasks.hand_back(db, W, [(task_id(1), 1)])
    await tasks.dispatch(db, to(8, 1))

    assert await runs.begin(db, W, [beginning(1)]) == set()
    assert await runs.begin(db, RIVAL, [beginning(1, dispatch_no=2)]) == {task_id(1)}


async def test_a_slow_begin_does_not_start_on_the_next_dispatch_to_the_same_worker(
    db: Connection,
) -> None:
    """F-02: the same worker, twice; both of its hints may be under way."""
    await add_dispatched(db, 7, 1)
    await tasks.hand_back(db, W, [(task_id(1), 1)])
    await tasks.dispatch(db, to(7, 1))

    assert await runs.begin(db, W, [beginning(1, dispatch_no=1, run=1)]) == set()
    assert await runs.begin(db, W, [beginning(1, dispatch_no=2, run=2)]) == {task_id(1)}
    assert await runs.begin(db, W, [beginning(1, dispatch_no=1, run=2)]) == set()


async def test_a_begin_from_before_a_failover_takes_no_number_of_another_attempt(
    db: Connection,
) -> None:
    """ONCE: handing out is committed lazily, so a failover may lose a dispatch, and its number is
    given again. A begin of the first one may arrive only then."""
    await add_tasks(db, 1, max_attempts=2)
    await tasks.dispatch(db, to(7, 1))
    async with db.transaction(force_rollback=True):  # of which the standby has received nothing
        await tasks.hand_back(db, W, [(task_id(1), 1)])
        await tasks.dispatch(db, to(7, 1))
        lost = await fetched(db, run=2)
    await runs.begin(db, W, [beginning(1)])
    await runs.retry(db, [Again(task_id(1), run_id(1), 0.0, OUCH)], "report")
    await tasks.dispatch(db, to(7, 1))
    found = await fetched(db, run=3)
    assert (lost.dispatch_no, found.dispatch_no) == (2, 2)
    assert (lost.attempt, found.attempt) == (1, 2)

    assert await runs.begin(db, W, [lost]) == set()
    assert await runs.begin(db, W, [found]) == {task_id(1)}
    begun = await row(db, 1)
    assert (begun["attempt"], begun["run_id"]) == (2, run_id(3))


async def fetched(db: Connection, *, run: int) -> Beginning:
    """What W would show to begin task 1, as it is dispatched to it."""
    [found] = await tasks.fetch(db, W, [task_id(1)], limit=1)
    return beginning(1, dispatch_no=found.dispatch_no, attempt=found.attempt, run=run)


async def test_an_attempt_too_high_does_not_begin_either(db: Connection) -> None:
    """The attempts before it may have been forgotten."""
    await add_dispatched(db, 7, 1)

    assert await runs.begin(db, W, [beginning(1, attempt=2)]) == set()
    assert await status(db, 1) == "dispatched"


async def test_first_attempts_and_later_ones_begin_together(db: Connection) -> None:
    await add_tasks(db, 1, max_attempts=2)
    await tasks.dispatch(db, to(7, 1))
    await runs.begin(db, W, [beginning(1)])
    await runs.retry(db, [Again(task_id(1), run_id(1), 0.0, OUCH)], "report")
    await tasks.dispatch(db, to(7, 1))
    await add_dispatched(db, 7, 2, 3)
    later = beginning(1, dispatch_no=2, attempt=2, run=11)

    begun = await runs.begin(db, W, [later, beginning(2), beginning(3, attempt=2)])
    assert begun == {task_id(1), task_id(2)}
    assert await runs.begin(db, W, [later]) == {task_id(1)}, "and so it is if sent again"
    assert [(await row(db, n))["attempt"] for n in (1, 2, 3)] == [2, 1, 0]


@pytest.mark.parametrize("end", [Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED])
async def test_what_is_final_does_not_begin_again(db: Connection, end: Status) -> None:
    await add_final(db, 7, 1, end)

    assert await runs.begin(db, W, [beginning(1)]) == set()


async def test_what_is_pending_does_not_begin(db: Connection) -> None:
    await add_tasks(db, 1)

    assert await runs.begin(db, W, [beginning(1, dispatch_no=0)]) == set()


async def test_begin_without_a_row_is_an_answer(db: Connection) -> None:
    """F-05: in the seed the worker exits."""
    assert await runs.begin(db, W, [beginning(1)]) == set()
    assert await runs.begin(db, W, []) == set()


async def test_many_begin_at_once_each_under_its_own_run(db: Connection) -> None:
    await add_dispatched(db, 7, *range(1, 51))
    await add_dispatched(db, 8, 51)

    begun = await runs.begin(db, W, [beginning(n) for n in range(50, 0, -1)] + [beginning(51)])

    assert begun == {task_id(n) for n in range(1, 51)}
    assert all([(await row(db, n))["run_id"] == run_id(n) for n in range(1, 51)])


async def test_each_attempt_is_counted(db: Connection) -> None:
    await add_dispatched(db, 7, 1)
    await runs.begin(db, W, [beginning(1)])
    await runs.release(db, [(task_id(1), run_id(1))])
    await tasks.dispatch(db, to(7, 1))
    await runs.begin(db, W, [beginning(1, dispatch_no=2, run=2)])

    assert (await row(db, 1))["attempt"] == 1  # what was given back does not count


async def test_a_begin_touches_no_index(db: Connection) -> None:
    """Its update is heap-only: indexes name nothing that it changes."""
    query = "select pg_stat_get_xact_tuples_hot_updated('fcs.tasks'::regclass) as heap_only"
    await add_dispatched(db, 7, 1, 2, 3)
    [before] = await rows(db, query)
    await runs.begin(db, W, [beginning(n) for n in (1, 2, 3)])
    [after] = await rows(db, query)

    assert after["heap_only"] - before["heap_only"] == 3

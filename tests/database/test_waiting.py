"""Who waits for whom, step by step: the races that the protocol is built around, as timelines."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

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
    registration,
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
from fcs.database.tasks import Deletion, Overdue
from fcs.domain.task import Status

W, RIVAL = incarnation(7), incarnation(8)


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        await add_workers(stage.observer, 7, 8)
        yield stage


async def hold(db: Connection) -> bool:
    """The reaper's first step."""
    return await workers.lock_worker(db, W, beat_no=0)


async def end(db: Connection) -> None:
    """The reaper's other steps."""
    await tasks.reap(db, W, reason="it was silent")
    await workers.end_worker(db, W, state="lost")


async def reap(db: Connection) -> bool:
    held = await hold(db)
    if held:
        await end(db)
    return held


async def beat(db: Connection) -> bool:
    return await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=0) is not None


def begin(n: int = 1, *, run: int = 1) -> Act:
    return lambda db: runs.begin(db, W, [beginning(n, run=run)])


class Reaper:
    """A reaper that has the worker's row in hand and takes its time."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def __aenter__(self) -> "Reaper":
        await self.stage.one.execute("begin")
        assert await hold(self.stage.one)
        return self

    async def goes_on(self) -> None:
        await end(self.stage.one)
        await self.stage.one.execute("commit")

    async def __aexit__(self, *_: object) -> None:
        await self.stage.one.execute("rollback" if self.stage.one.info.transaction_status else "")

    async def held_up(self, act: Act) -> "asyncio.Task[Any]":
        under_way = asyncio.create_task(self.stage.alone(act, on=self.stage.two))
        assert await self.stage.waits(under_way, self.stage.two, holders=[self.stage.one])
        return under_way


# Reaper and heartbeat (F-46, E10, E16).


async def test_a_reaper_does_not_touch_a_worker_that_is_just_beating(stage: Stage) -> None:
    """E10: reaping by a join with the heartbeat interrupts a freshly beating worker."""
    await add_running(stage.observer, 7, 1)
    played = await stage.play(beat, reap)

    assert (played.first, played.second, played.waited) == (True, False, False)
    assert await status(stage.observer, 1) == "running"


async def test_a_reaper_does_not_touch_a_worker_that_has_beaten_since(stage: Stage) -> None:
    await add_running(stage.observer, 7, 1)
    await stage.alone(beat)

    assert not await stage.alone(reap)
    assert await status(stage.observer, 1) == "running"


async def test_a_beat_that_comes_too_late_waits_and_learns_its_end(stage: Stage) -> None:
    """F-37."""
    await add_running(stage.observer, 7, 1)
    played = await stage.play(reap, beat)

    assert (played.first, played.second, played.waited) == (True, False, True)
    assert await status(stage.observer, 1) == "interrupted"


async def test_a_beat_goes_on_when_the_reaper_gives_up(stage: Stage) -> None:
    played = await stage.play(reap, beat, commit=False)

    assert (played.second, played.waited) == (True, True)
    assert (await worker_row(stage.observer, 7))["state"] == "live"


async def test_of_two_reapers_one_does_not_wait_and_does_nothing(stage: Stage) -> None:
    """F-75."""
    await add_running(stage.observer, 7, 1)
    played = await stage.play(reap, reap)

    assert (played.first, played.second, played.waited) == (True, False, False)
    assert (await row(stage.observer, 1))["attempt"] == 1


# Reaper and everybody else: the worker's row comes first.


async def test_what_begins_while_the_reaper_sets_out_is_interrupted(stage: Stage) -> None:
    await add_dispatched(stage.observer, 7, 1)
    async with Reaper(stage) as reaper:
        assert await stage.alone(begin(), on=stage.two) == {task_id(1)}
        await reaper.goes_on()

    assert await status(stage.observer, 1) == "interrupted"


async def test_what_is_being_begun_is_not_handed_out_again(stage: Stage) -> None:
    """ONCE: the reaper comes while the begin has yet to commit; its body will start."""
    await add_tasks(stage.observer, 1, max_attempts=2)
    await tasks.dispatch(stage.observer, to(7, 1))
    played = await stage.play(begin(), reap)

    assert (played.first, played.second, played.waited) == ({task_id(1)}, True, True)
    assert await status(stage.observer, 1) == "interrupted"


async def test_a_begin_that_comes_too_late_finds_nothing(stage: Stage) -> None:
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(reap, begin())

    assert (played.second, played.waited) == (set(), True)
    assert await status(stage.observer, 1) == "pending"


async def test_a_reaped_worker_gets_no_more_tasks(stage: Stage) -> None:
    """Or the task would lie with an ended worker, where nobody would look for it."""
    await add_tasks(stage.observer, 1)
    async with Reaper(stage) as reaper:
        dispatch = await reaper.held_up(lambda db: tasks.dispatch(db, to(7, 1)))
        await reaper.goes_on()

        assert await dispatch == frozenset()
    assert await status(stage.observer, 1) == "pending"


async def test_a_dispatch_that_came_first_is_reaped_with_the_rest(stage: Stage) -> None:
    """The reaper's first step skips the row; its next look finds what was dispatched."""
    await add_tasks(stage.observer, 1)
    played = await stage.play(lambda db: tasks.dispatch(db, to(7, 1)), reap)
    assert (played.first, played.second) == ({task_id(1)}, False)

    assert await stage.alone(reap)
    assert await status(stage.observer, 1) == "pending"


@pytest.mark.parametrize(
    "act",
    [
        lambda db: tasks.take_back(db, [Overdue(task_id(1), W, 1, 99.0)]),
        lambda db: tasks.delete(db, [task_id(1)]),
        lambda db: workers.settle_account(
            db, W, tasks_sent=1, report_no=1, slots_busy=0, tasks_taken=0
        ),
        lambda db: workers.lock_registration(db, worker_id(7)),
        lambda db: workers.drain(db, W),
    ],
    ids=["take back", "delete", "settle", "take the id over", "drain"],
)
async def test_whoever_needs_the_worker_s_row_waits_for_the_reaper(stage: Stage, act: Act) -> None:
    """Worker first, then tasks: all in one order, so nobody waits in a circle."""
    await add_dispatched(stage.observer, 7, 1)
    async with Reaper(stage) as reaper:
        under_way = await reaper.held_up(act)
        await reaper.goes_on()
        await under_way

    assert await status(stage.observer, 1) in ("pending", None)
    assert (await worker_row(stage.observer, 7))["state"] == "lost"


@pytest.mark.parametrize(
    "act",
    [
        lambda db: runs.finish(db, [ending(1)], "report"),
        lambda db: runs.release(db, [(task_id(1), run_id(1))]),
        begin(),
    ],
    ids=["finish", "release", "begin again"],
)
async def test_a_zombie_s_last_word_comes_too_late(stage: Stage, act: Act) -> None:
    """F-21, F-22."""
    await add_running(stage.observer, 7, 1)
    played = await stage.play(reap, act)

    assert (played.second, played.waited) == (set(), True)
    assert await status(stage.observer, 1) == "interrupted"


async def test_an_end_that_came_first_is_not_interrupted(stage: Stage) -> None:
    await add_running(stage.observer, 7, 1)
    played = await stage.play(lambda db: runs.finish(db, [ending(1)], "report"), reap)

    assert (played.second, played.waited) == (True, True)
    assert await status(stage.observer, 1) == "succeeded"


# One worker's own acts.


async def test_the_same_begin_on_two_connections_is_one_run(stage: Stage) -> None:
    """F-12, F-14: the first, half-dead connection still carries it out."""
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(begin(), begin())

    assert (played.first, played.second, played.waited) == ({task_id(1)}, {task_id(1)}, True)
    assert (await row(stage.observer, 1))["attempt"] == 1


async def test_two_runs_of_one_dispatch_are_one_run(stage: Stage) -> None:
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(begin(run=1), begin(run=2))

    assert (played.second, played.waited) == (set(), True)
    assert (await row(stage.observer, 1))["run_id"] == run_id(1)


async def test_a_run_that_was_rolled_back_leaves_the_dispatch_to_the_next(stage: Stage) -> None:
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(begin(run=1), begin(run=2), commit=False)

    assert (played.second, played.waited) == ({task_id(1)}, True)
    assert (await row(stage.observer, 1))["run_id"] == run_id(2)


async def test_a_run_ends_once(stage: Stage) -> None:
    """F-23."""
    await add_running(stage.observer, 7, 1)
    played = await stage.play(
        lambda db: runs.finish(db, [ending(1)], "report"),
        lambda db: runs.finish(db, [ending(1, Status.FAILED)], "report"),
    )

    assert (played.first, played.second, played.waited) == ({task_id(1)}, set(), True)
    assert await status(stage.observer, 1) == "succeeded"


@pytest.mark.parametrize("act", [begin(), lambda db: runs.finish(db, [ending(2)], "report")])
async def test_beginning_and_ending_never_wait_for_the_heartbeat(stage: Stage, act: Act) -> None:
    """E16: nor for a dispatch to the same worker; they do not touch its row."""
    await add_dispatched(stage.observer, 7, 1)
    await add_running(stage.observer, 7, 2)
    assert not (await stage.play(beat, act)).waited

    await add_tasks(stage.observer, 3)
    again = await stage.play(lambda db: tasks.dispatch(db, to(7, 3)), act)
    assert not again.waited


async def test_a_beat_and_a_dispatch_lose_nothing_of_each_other(stage: Stage) -> None:
    """CAP: both write the worker's row."""
    await add_tasks(stage.observer, 1, 2)
    first = await stage.play(lambda db: tasks.dispatch(db, to(7, 1)), beat)
    second = await stage.play(beat, lambda db: tasks.dispatch(db, to(7, 2)))

    assert (first.waited, second.waited) == (True, True)
    written = await worker_row(stage.observer, 7)
    assert (written["tasks_sent"], written["beat_no"]) == (2, 2)


# Dispatching.


async def test_of_two_supervisors_one_dispatches(stage: Stage) -> None:
    """F-03."""
    await add_tasks(stage.observer, 1)
    played = await stage.play(
        lambda db: tasks.dispatch(db, to(7, 1)), lambda db: tasks.dispatch(db, to(8, 1))
    )

    assert (played.first, played.second, played.waited) == ({task_id(1)}, frozenset(), True)
    assert [(await worker_row(stage.observer, n))["tasks_sent"] for n in (7, 8)] == [1, 0]


async def test_a_dispatch_waits_for_its_own_workers_only(stage: Stage) -> None:
    await add_tasks(stage.observer, 1)
    played = await stage.play(
        lambda db: workers.lock_worker(db, RIVAL), lambda db: tasks.dispatch(db, to(7, 1))
    )

    assert (played.second, played.waited) == ({task_id(1)}, False)


async def test_a_take_back_waits_for_its_own_workers_only(stage: Stage) -> None:
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(
        lambda db: workers.lock_worker(db, RIVAL),
        lambda db: tasks.take_back(db, [Overdue(task_id(1), W, 1, 99.0)]),
    )

    assert (len(played.second), played.waited) == (1, False)


async def test_a_task_that_is_deleted_is_not_dispatched(stage: Stage) -> None:
    await add_tasks(stage.observer, 1)
    played = await stage.play(
        lambda db: tasks.delete(db, [task_id(1)]), lambda db: tasks.dispatch(db, to(7, 1))
    )

    assert (played.first, played.second) == (
        {task_id(1): Deletion(Status.PENDING, False)},
        frozenset(),
    )
    assert (await worker_row(stage.observer, 7))["tasks_sent"] == 0


async def test_a_task_that_is_deleted_while_it_is_dispatched_costs_no_slot(stage: Stage) -> None:
    """CAP: the delete had looked at the row before, when it had no worker yet."""
    await add_tasks(stage.observer, 1)
    played = await stage.play(
        lambda db: tasks.dispatch(db, to(7, 1)), lambda db: tasks.delete(db, [task_id(1)])
    )

    assert (played.second, played.waited) == (
        {task_id(1): Deletion(Status.DISPATCHED, False)},
        True,
    )
    assert (await worker_row(stage.observer, 7))["tasks_sent"] == 0


async def test_a_task_that_begins_is_not_deleted(stage: Stage) -> None:
    """F-19."""
    await add_dispatched(stage.observer, 7, 1)
    played = await stage.play(begin(), lambda db: tasks.delete(db, [task_id(1)]))

    assert (played.second, played.waited) == ({task_id(1): Deletion(Status.RUNNING, False)}, True)
    assert (await worker_row(stage.observer, 7))["tasks_sent"] == 1


async def test_an_account_is_not_settled_on_a_count_that_a_dispatch_has_made_old(
    stage: Stage,
) -> None:
    """CAP: the count is as old as its statement, the row is not; that would invent a slot."""
    await add_tasks(stage.observer, 1)
    played = await stage.play(
        lambda db: tasks.dispatch(db, to(7, 1)),
        lambda db: workers.settle_account(
            db, W, tasks_sent=0, report_no=1, slots_busy=0, tasks_taken=0
        ),
    )

    assert (played.second, played.waited) == (False, True)
    assert (await worker_row(stage.observer, 7))["tasks_sent"] == 1


# Twins.


async def register(db: Connection, n: int) -> bool:
    return await workers.register(db, registration(9, incarnation=incarnation(n)), replaces=None)


@pytest.mark.parametrize("commit", [True, False])
async def test_of_two_new_processes_with_one_id_one_gets_it(stage: Stage, commit: bool) -> None:
    """F-36: the second one waits, and gets it only if the first one gives up."""
    played = await stage.play(
        lambda db: register(db, 91), lambda db: register(db, 92), commit=commit
    )

    assert (played.first, played.second, played.waited) == (True, not commit, True)
    winner = incarnation(91 if commit else 92)
    assert (await worker_row(stage.observer, 9))["incarnation"] == winner


async def test_of_two_who_take_over_a_lost_id_the_second_sees_the_first(stage: Stage) -> None:
    """F-36, F-37."""
    await stage.alone(reap)

    async def take_over(db: Connection) -> bool:
        held = await workers.lock_registration(db, worker_id(7))
        assert held is not None
        if held.state == "live":
            return False
        fresh = registration(7, incarnation=incarnation(77))
        return await workers.register(db, fresh, replaces=held.incarnation)

    played = await stage.play(take_over, take_over)
    assert (played.first, played.second, played.waited) == (True, False, True)


async def test_who_wants_an_id_waits_for_a_beat_under_way(stage: Stage) -> None:
    """F-36, F-46: by the lease as it was before, it would end a process that lives."""
    played = await stage.play(beat, lambda db: workers.lock_registration(db, worker_id(7)))

    assert played.waited
    assert played.second is not None
    assert played.second.beat_no == 1

"""The acts: what clients, supervisors, workers and reapers do in one transaction each.

They are about the same few things: tasks 1 to 3, worker 7 and its rival 8. An answer is told so
that two that mean the same are equal.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any
from uuid import UUID

from tests.database.scene import (
    NOON,
    SECOND,
    beginning,
    ending,
    incarnation,
    new,
    registration,
    run_id,
    task_id,
    to,
    worker_id,
)

from fcs.database import bulk, creation, identity, retention, runs, settling, tasks, workers
from fcs.database.connect import Connection
from fcs.database.runs import Again, Evidence, Receipt
from fcs.database.tasks import Deletion, Overdue
from fcs.domain.retention import Stretch
from fcs.domain.task import FINAL, AttemptOutcome, OnInterrupt, Status
from proof.interleavings.play import Act

W, RIVAL = incarnation(7), incarnation(8)
ID, RUN = task_id(1), run_id(1)


def act(function: Callable[[Connection], Awaitable[Any]]) -> Act:
    """An act of a single step."""

    @wraps(function)
    async def steps(db: Connection) -> AsyncIterator[Any]:
        yield await function(db)

    return steps


# Supervisors and reapers


@act
async def dispatch(db: Connection) -> Any:
    return await tasks.dispatch(db, to(7, 1))


@act
async def dispatch_to_rival(db: Connection) -> Any:
    return await tasks.dispatch(db, to(8, 1))


@act
async def take_back(db: Connection) -> Any:
    return await tasks.take_back(db, [Overdue(ID, W, 1, 99.0)])


async def reap(db: Connection) -> AsyncIterator[Any]:
    """Of a worker whose last beat the supervisor has seen for too long."""
    if not await workers.lock_worker(db, W, beat_no=0):
        yield None
        return
    yield None
    moved = await tasks.reap(db, W, reason="it was silent")
    yield None
    await workers.end_worker(db, W, state="lost")
    yield moved.interrupted, [task.id for task in moved.returned], moved.retried


@act
async def settle_account(db: Connection) -> Any:
    """It counts anew only what nobody moves meanwhile; which that was is no promise."""
    for one in (W, RIVAL):
        await workers.settle_account(
            db, one, tasks_sent=0, report_no=1, slots_busy=0, tasks_taken=0
        )


@act
async def mark_needed(db: Connection) -> Any:
    """What it finds to mark is nothing that anybody goes by."""
    await settling.mark_needed(db)


@act
async def settle(db: Connection) -> Any:
    await settling.settle(db)


@act
async def settle_all(db: Connection) -> Any:
    """Again and again, until nothing is left to see to."""
    while await settling.mark_needed(db) or (await settling.settle(db)).notes:
        pass


@act
async def prune(db: Connection) -> Any:
    """Everything that has ended by now."""
    stretch = Stretch(UUID(int=0), task_id(9))
    return await retention.prune(db, stretch, dict.fromkeys(FINAL, NOON + SECOND))


# Workers and owners


@act
async def begin(db: Connection) -> Any:
    return await runs.begin(db, W, [beginning(1)])


@act
async def begin_as_another_run(db: Connection) -> Any:
    return await runs.begin(db, W, [beginning(1, run=2)])


@act
async def begin_as_rival(db: Connection) -> Any:
    return await runs.begin(db, RIVAL, [beginning(1, run=3)])


@act
async def succeed(db: Connection) -> Any:
    return await runs.succeed(db, [ending(1)], "report")


@act
async def fail(db: Connection) -> Any:
    return await runs.finish(db, [ending(1, Status.FAILED)], "report")


@act
async def succeed_as_another_run(db: Connection) -> Any:
    """As a worker does that was thought dead, and whose task has begun anew since."""
    return await runs.succeed(db, [ending(1, run=2)], "report")


@act
async def fail_as_another_run(db: Connection) -> Any:
    return await runs.finish(db, [ending(1, Status.FAILED, run=2)], "report")


@act
async def stop(db: Connection) -> Any:
    return await runs.finish(db, [ending(1, Status.CANCELLED)], "report")


@act
async def retry(db: Connection) -> Any:
    """As a worker does: who gets nothing looks once more."""
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    again = [Again(ID, RUN, 0.0, evidence)]
    return await runs.retry(db, again, "report") or await runs.retry(db, again, "report")


@act
async def snooze(db: Connection) -> Any:
    """A run that does not count: there is one attempt more afterwards."""
    again = [Again(ID, RUN, 0.0, Evidence(AttemptOutcome.SNOOZED), 1)]
    return await runs.retry(db, again, "report") or await runs.retry(db, again, "report")


@act
async def release(db: Connection) -> Any:
    return await runs.release(db, [(ID, RUN)])


@act
async def record_late(db: Connection) -> Any:
    return await runs.record_late(db, [ending(1)])


@act
async def report_progress(db: Connection) -> Any:
    return await runs.report_progress(db, {(ID, RUN): "1"})


async def testify(db: Connection) -> AsyncIterator[Any]:
    """That the run of the rows is over, as far as the worker knows."""
    async for answer in _testify(db, Receipt(ID, RUN, 1, 1.0, True)):
        yield answer


async def testify_while_it_runs(db: Connection) -> AsyncIterator[Any]:
    async for answer in _testify(db, Receipt(ID, RUN, 1, 1.0, False)):
        yield answer


async def _testify(db: Connection, receipt: Receipt) -> AsyncIterator[Any]:
    await runs.hold_told(db, [receipt])
    yield None
    yield await runs.testify(db, worker_id(7), [receipt])


@act
async def hand_back(db: Connection) -> Any:
    return await tasks.hand_back(db, W, [(ID, 1)])


@act
async def refuse(db: Connection) -> Any:
    return await tasks.refuse(db, W, ID, 1, "no")


@act
async def beat(db: Connection) -> Any:
    return await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=0) is not None


@act
async def drain(db: Connection) -> Any:
    await workers.drain(db, W)


async def leave(db: Connection) -> AsyncIterator[Any]:
    """As a worker does when it stops: unlike a reaper it waits for whoever holds its row."""
    held = await workers.lock_registration(db, worker_id(7))
    if held is None or held.incarnation != W or held.state not in ("live", "draining"):
        yield None
        return
    yield None
    moved = await tasks.reap(db, W, reason="its worker left")
    yield None
    await workers.end_worker(db, W, state="gone")
    yield moved.interrupted, [task.id for task in moved.returned], moved.retried


# Worker ids


async def take_over(db: Connection) -> AsyncIterator[Any]:
    async for answer in _take_over(db, 77):
        yield answer


async def take_over_as_rival(db: Connection) -> AsyncIterator[Any]:
    async for answer in _take_over(db, 78):
        yield answer


async def _take_over(db: Connection, fresh: int) -> AsyncIterator[Any]:
    """A process that is started anew under an id; whoever had it first was silent for long."""
    held = await workers.lock_registration(db, worker_id(7))
    if held is not None and held.incarnation != W:
        yield "taken"
        return
    yield None
    if held is not None:
        await tasks.reap(db, held.incarnation, reason="it was started anew")
    yield None
    replaces = None if held is None else held.incarnation
    fresh_one = registration(7, incarnation=incarnation(fresh))
    yield await workers.register(db, fresh_one, replaces=replaces)


@act
async def register(db: Connection) -> Any:
    return await workers.register(db, registration(9, incarnation=incarnation(91)), replaces=None)


@act
async def register_as_rival(db: Connection) -> Any:
    return await workers.register(db, registration(9, incarnation=incarnation(92)), replaces=None)


@act
async def forget_ended(db: Connection) -> Any:
    return await workers.forget_ended(db, seconds=-1.0)


# Clients


@act
async def create(db: Connection) -> Any:
    return await tasks.create(db, [new(1)])


@act
async def create_after(db: Connection) -> Any:
    """Task 3, which needs task 1."""
    return (await creation.create_linked(db, [new(3, after=(ID,))])).ids


@act
async def cancel(db: Connection) -> Any:
    return await tasks.cancel(db, [ID], reason="no need")


@act
async def cancel_dependant(db: Connection) -> Any:
    return await tasks.cancel(db, [task_id(2)], reason="no need")


@act
async def delete(db: Connection) -> Any:
    return await tasks.delete(db, [ID])


@act
async def delete_dependant(db: Connection) -> Any:
    return await tasks.delete(db, [task_id(2)])


@act
async def repeat(db: Connection) -> Any:
    return await bulk.repeat(db, {ID: task_id(2)})


@act
async def create_with_key(db: Connection) -> Any:
    return await creation.create_linked(db, [new(1, key="order 1")])


@act
async def create_again_with_key(db: Connection) -> Any:
    """The same request, sent again by somebody who does not know the ids of the first time."""
    return await creation.create_linked(db, [new(2, key="order 1")])


@act
async def reuse_key(db: Connection) -> Any:
    other = new(3, key="order 1", max_attempts=2, on_interrupt=OnInterrupt.RETRY)
    return await creation.create_linked(db, [other])


@act
async def forget_keys(db: Connection) -> Any:
    """A key on which nobody sits just now; which that was is no promise."""
    await creation.forget_keys(db, seconds=-1.0, limit=9)


# Databases that may have forgotten something


async def adopt(db: Connection) -> AsyncIterator[Any]:
    seen = await identity.look(db)
    yield None
    yield await identity.adopt(db, seen)


@act
async def has_testified(db: Connection) -> Any:
    await workers.has_testified(db, W)


# By hand: what nobody in the protocol does


@act
async def delete_by_hand(db: Connection) -> Any:
    row = await (await db.execute(_BY_HAND, [ID])).fetchone()
    return {ID: Deletion(Status(row[0]), False)} if row else {}


@act
async def prune_by_hand(db: Connection) -> Any:
    row = await (await db.execute(_BY_HAND, [ID])).fetchone()
    return {Status(row[0]): 1} if row else {}


_BY_HAND = "delete from fcs.tasks where id = %s returning status::text"

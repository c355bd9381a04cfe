"""Every pair of acts, in every order: it ends as if one had come after the other.

Each pair is played on two connections, the first one's transaction still open when the second
begins. Whatever waits for whom, the answers and the rows must be those of one of the two orders;
and if the first is rolled back, those of the second alone.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
    rows,
    run_id,
    task_id,
    to,
)
from tests.database.test_connect import surprise

from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.runs import Again, Evidence
from fcs.database.tasks import Overdue
from fcs.domain.task import AttemptOutcome, Status

W, RIVAL = incarnation(7), incarnation(8)
OVERDUE = Overdue(task_id(1), W, 1, 99.0)


async def dispatch(db: Connection) -> Any:
    return await tasks.dispatch(db, to(7, 1))


async def dispatch_to_rival(db: Connection) -> Any:
    return await tasks.dispatch(db, to(8, 1))


async def begin(db: Connection) -> Any:
    return await runs.begin(db, W, [beginning(1)])


async def begin_as_another_run(db: Connection) -> Any:
    return await runs.begin(db, W, [beginning(1, run=2)])


async def begin_as_rival(db: Connection) -> Any:
    return await runs.begin(db, RIVAL, [beginning(1, run=3)])


async def succeed(db: Connection) -> Any:
    return await runs.succeed(db, [ending(1)], "report")


async def fail(db: Connection) -> Any:
    return await runs.finish(db, [ending(1, Status.FAILED)], "report")


async def record_late(db: Connection) -> Any:
    return await runs.record_late(db, [ending(1)])


async def release(db: Connection) -> Any:
    return await runs.release(db, [(task_id(1), run_id(1))])


async def hand_back(db: Connection) -> Any:
    return await tasks.hand_back(db, W, [(task_id(1), 1)])


async def refuse(db: Connection) -> Any:
    return await tasks.refuse(db, W, task_id(1), 1, "no")


async def take_back(db: Connection) -> Any:
    return await tasks.take_back(db, [OVERDUE])


async def reap(db: Connection) -> Any:
    """What a supervisor does with a worker whose last beat it has seen for too long."""
    if not await workers.lock_worker(db, W, beat_no=0):
        return None
    moved = await tasks.reap(db, W, reason="it was silent")
    await workers.end_worker(db, W, state="lost")
    return moved


async def settle(db: Connection) -> Any:
    """It counts anew only what nobody moves meanwhile; which that was is no promise."""
    for one in (W, RIVAL):
        await workers.settle_account(db, one, tasks_sent=0, tasks_taken=0)


async def delete(db: Connection) -> Any:
    return await tasks.delete(db, [task_id(1)])


async def cancel(db: Connection) -> Any:
    return await tasks.cancel(db, [task_id(1)], reason="no need")


async def retry(db: Connection) -> Any:
    """As a worker does: who gets nothing looks once more."""
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    again = [Again(task_id(1), run_id(1), 0.0, evidence, 1)]
    return await runs.retry(db, again, "report") or await runs.retry(db, again, "report")


async def beat(db: Connection) -> Any:
    return await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=0) is not None


async def drain(db: Connection) -> Any:
    await workers.drain(db, W)


async def leave(db: Connection) -> Any:
    await workers.end_worker(db, W, state="gone")


async def register_a_twin(db: Connection) -> Any:
    held = await workers.lock_registration(db, registration(7).id)
    return held is not None and held.state


ACTS: list[Act] = [
    dispatch, dispatch_to_rival, begin, begin_as_another_run, begin_as_rival, succeed, fail,
    record_late, release, retry, hand_back, refuse, take_back, reap, delete, cancel, beat, drain,
    leave,     register_a_twin, settle,
]  # fmt: skip


WRITERS: list[Act] = [dispatch, begin, succeed, take_back, reap, delete, cancel]
"""Each writes other columns or rows: what the others write, one of these does as well."""


async def pending(db: Connection) -> None:
    await add_tasks(db, 1)


async def dispatched(db: Connection) -> None:
    await add_dispatched(db, 7, 1)


async def running(db: Connection) -> None:
    await add_running(db, 7, 1)


SCENES: list[Act] = [pending, dispatched, running]


@dataclass(frozen=True)
class End:
    """What each act answered, and what is in the tables afterwards."""

    answers: list[Any]
    rows: Any


_rehearsed: dict[tuple[Act, ...], End] = {}
"""Acts that come one after the other always end alike: it is enough to try it once."""


class Theatre:
    """The scene is set anew for each play."""

    def __init__(self, stage: Stage, scene: Act) -> None:
        self.stage, self.scene = stage, scene

    async def set_scene(self) -> None:
        db = self.stage.observer
        async with db.transaction():
            await db.execute("delete from fcs.tasks")
            await db.execute("delete from fcs.workers")
            await db.execute("delete from fcs.late_reports")
            await add_workers(db, 7, 8)
            await self.scene(db)

    async def together(self, first: Act, second: Act, *, commit: bool) -> End:
        await self.set_scene()
        outcome = await self.stage.play(first, second, commit=commit)
        return End([outcome.first, outcome.second], await self.rows())

    async def in_turn(self, *acts: Act) -> End:
        key = (self.scene, *acts)
        if key not in _rehearsed:
            await self.set_scene()
            answers = [await self.stage.alone(act) for act in acts]
            _rehearsed[key] = End(answers, await self.rows())
        return _rehearsed[key]

    async def rows(self) -> Any:
        db = self.stage.observer
        return [
            await rows(db, "select * from fcs.tasks order by id"),
            await rows(db, "select * from fcs.workers order by id"),
            await rows(db, "select * from fcs.late_reports order by run_id"),
            await rows(db, "select * from fcs.attempts order by task_id, attempt"),
        ]


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        yield stage


async def assert_serial(theatre: Theatre, first: Act, second: Act) -> None:
    end = await theatre.together(first, second, commit=True)
    if settle not in (first, second):
        done = [act for act, answer in zip((first, second), end.answers, strict=True) if answer]
        assert_account(theatre.scene, done, end.rows)

    allowed = [await theatre.in_turn(first, second)]
    reverse = await theatre.in_turn(second, first)
    allowed.append(End(reverse.answers[::-1], reverse.rows))
    if second is reap:
        # A reaper does not wait for whoever holds the row; it looks again later.
        alone = await theatre.in_turn(first)
        allowed.append(End([*alone.answers, None], alone.rows))
    assert end in allowed, second.__name__


def assert_account(scene: Act, done: list[Act], end: Any) -> None:
    """CAP: what was sent to a worker and not taken by it is what lies dispatched."""
    every_task, every_worker, *_ = end
    runs = {act for act in done if act in (begin, begin_as_another_run)}
    if scene is running:
        runs.add(begin)  # under the same id, before the curtain rose
    taken = len(runs) + (hand_back in done) + (refuse in done)
    lying = [task for task in every_task if task["status"] == "dispatched"]
    for worker in every_worker:
        if worker["state"] in ("live", "draining"):
            mine = worker["incarnation"]
            under_way = worker["tasks_sent"] - (taken if mine == W else 0)
            assert under_way == sum(task["incarnation"] == mine for task in lying)


every_scene = pytest.mark.parametrize(
    "scene",
    # What was rehearsed is known to one process.
    [pytest.param(scene, marks=pytest.mark.xdist_group(scene.__name__)) for scene in SCENES],
    ids=lambda act: act.__name__,
)
every_act = pytest.mark.parametrize("first", ACTS, ids=lambda act: act.__name__)
each_kind_of_act = pytest.mark.parametrize(
    "first",
    [pytest.param(act, marks=[] if act in WRITERS else [pytest.mark.nightly]) for act in ACTS],
    ids=lambda act: act.__name__,
)


@every_scene
@every_act
async def test_it_ends_as_if_one_had_come_after_the_other(
    stage: Stage, scene: Act, first: Act
) -> None:
    theatre = Theatre(stage, scene)
    for second in ACTS:
        await assert_serial(theatre, first, second)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@every_scene
async def test_it_does_so_whatever_level_of_isolation_the_database_has_set(
    database_url: str, scene: Act, level: str
) -> None:
    """F-16: a compare-and-set would fail with an error instead of giving its answer."""
    surprise(database_url, default_transaction_isolation=level)
    async with staged(database_url) as stage:
        theatre = Theatre(stage, scene)
        for first, second in itertools.product(WRITERS, WRITERS):
            await assert_serial(theatre, first, second)


@every_scene
@each_kind_of_act
async def test_what_was_rolled_back_never_was(stage: Stage, scene: Act, first: Act) -> None:
    theatre = Theatre(stage, scene)
    for second in ACTS:
        end = await theatre.together(first, second, commit=False)

        allowed = [await theatre.in_turn(second)]
        if second is reap:
            allowed.append(End([None], (await theatre.in_turn()).rows))
        assert End(end.answers[1:], end.rows) in allowed, second.__name__

"""Dependencies: a task falls due when all that it needs have ended, whoever ends them and how."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from tests.database.interleave import Stage, staged
from tests.database.scene import (
    LANE,
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    ending,
    freeze,
    incarnation,
    listen,
    new,
    row,
    rows,
    status,
    task_id,
    to,
)

from fcs.database import backlog, creation, insights, retention, runs, settling, tasks
from fcs.database.connect import Connection, connect
from fcs.database.tasks import Deletion
from fcs.domain.errors import NeedsNotFound
from fcs.domain.facts import Waiting
from fcs.domain.hints import Scan, TasksNamed, parse_for_supervisor
from fcs.domain.ids import TaskId
from fcs.domain.retention import Stretch
from fcs.domain.task import FINAL, NewTask, Status, WhenNeedsFail

RUN = WhenNeedsFail.RUN


@pytest.fixture
async def db(db: Connection) -> Connection:
    await add_workers(db, 7, 8)
    return db


def after(n: int, *needs: int, **changes: Any) -> NewTask:
    return new(n, after=tuple(task_id(need) for need in needs), **changes)


async def create(db: Connection, *new: NewTask) -> None:
    for task in new:
        await creation.create_linked(db, [task])


async def settle(db: Connection, **limits: Any) -> list[int]:
    """See to all notes, step by step, as a supervisor does; return what fell due."""
    due: list[Waiting] = []
    while True:
        marked = await settling.mark_needed(db)
        step = await settling.settle(db, **limits)
        due += step.due
        if not marked and not step.notes:
            return [task.id.int for task in due]


async def finish(db: Connection, n: int, end: Status = Status.SUCCEEDED) -> None:
    """Let a pending task be run to this end."""
    assert await tasks.dispatch(db, to(7, n))
    assert await runs.begin(db, incarnation(7), [runs.Beginning(task_id(n), 1, run(n))])
    assert await runs.finish(db, [ending(n, end)], "report")


def run(n: int) -> Any:
    return ending(n).run_id


async def notes(db: Connection) -> int:
    return len(await rows(db, "select from fcs.unsettled"))


# Creating


async def test_a_task_waits_for_what_it_needs(db: Connection) -> None:
    await add_tasks(db, 1, 2)
    await create(db, after(3, 1, 2))

    waiting = await row(db, 3)
    assert (waiting["status"], waiting["due_at"], waiting["open_needs"]) == ("pending", None, 2)
    assert await backlog.find(db, [task_id(3)]) == []
    assert await tasks.dispatch(db, to(7, 3)) == set()


async def test_what_has_succeeded_is_not_waited_for(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)
    await create(db, after(2, 1))

    created = await row(db, 2)
    assert (created["due_at"], created["open_needs"]) == (NOON, 0)
    assert await notes(db) == 0


async def test_only_the_end_of_a_needed_task_leaves_a_note(db: Connection) -> None:
    await add_tasks(db, 1)
    await create(db, after(2, 1))
    await settle(db)

    await tasks.dispatch(db, to(7, 1))
    await runs.begin(db, incarnation(7), [runs.Beginning(task_id(1), 1, run(1))])
    assert await notes(db) == 0
    await runs.finish(db, [ending(1)], "report")
    assert await notes(db) == 1


async def test_needing_one_twice_is_needing_it_once(db: Connection) -> None:
    await add_tasks(db, 1)
    await create(db, after(2, 1, 1))

    assert (await row(db, 2))["open_needs"] == 1


async def test_what_is_not_there_cannot_be_waited_for(db: Connection) -> None:
    await add_tasks(db, 1)
    many = [after(2, 1), after(3, 1, 8, 9)]

    with pytest.raises(NeedsNotFound) as error:
        await creation.create_linked(db, many)
    assert str(task_id(8)) in str(error.value)
    assert str(task_id(9)) in str(error.value)
    assert str(task_id(1)) not in str(error.value)
    assert await rows(db, "select id from fcs.tasks") == [{"id": task_id(1)}]
    assert await notes(db) == 0


async def test_a_refused_request_has_not_used_its_key(db: Connection) -> None:
    with pytest.raises(NeedsNotFound):
        await create(db, after(2, 1, key="order-17"))
    await add_tasks(db, 1)

    await create(db, after(2, 1, key="order-17"))
    assert (await row(db, 2))["open_needs"] == 1


async def test_a_replay_asks_for_nothing_that_has_gone_meanwhile(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)
    await create(db, after(2, 1, key="order-17"))
    await tasks.delete(db, [task_id(1)])

    again = await creation.create_linked(db, [after(3, 1, key="order-17")])
    assert again.ids == [task_id(2)]


async def test_nothing_can_wait_for_itself_or_in_a_circle(db: Connection) -> None:
    """It would have to be there before it was created."""
    with pytest.raises(NeedsNotFound):
        await create(db, after(1, 1))
    with pytest.raises(NeedsNotFound):
        await creation.create_linked(db, [after(1, 2), after(2, 1)])

    assert await rows(db, "select from fcs.tasks") == []


async def test_a_create_sent_twice_needs_what_it_needs_once(db: Connection) -> None:
    await add_tasks(db, 1)
    await create(db, after(2, 1), after(2, 1))

    assert (await row(db, 2))["open_needs"] == 1
    assert len(await rows(db, "select from fcs.dependencies")) == 1


async def test_the_supervisor_is_told_of_what_is_due_and_of_what_waits(
    clean: Connection,
) -> None:
    await add_workers(clean, 7)
    await add_final(clean, 7, 1, Status.SUCCEEDED)
    await add_tasks(clean, 2)
    ears = await listen(clean, ["fcs_supervisor"])

    await creation.create_linked(clean, [after(3, 1), after(4, 1, 2)])
    assert set(await ears.payloads()) == {f"tasks {task_id(3)}", "settle"}


# Settling


async def test_the_last_success_makes_it_due(db: Connection) -> None:
    await add_tasks(db, 1, 2)
    await create(db, after(3, 1, 2))
    assert await settle(db) == []

    await finish(db, 1)
    assert await settle(db) == []
    assert (await row(db, 3))["open_needs"] == 1

    await finish(db, 2)
    assert await settle(db) == [3]
    assert (await row(db, 3))["due_at"] == NOON
    assert [task.id for task in await backlog.find(db, [task_id(3)])] == [task_id(3)]
    assert await notes(db) == 0


async def test_it_is_told_as_a_task_that_waits_for_a_worker(db: Connection) -> None:
    await add_tasks(db, 1)
    await create(db, after(2, 1))
    await settle(db)
    await finish(db, 1)

    assert (await settling.settle(db)).due == [Waiting(LANE, NOON, task_id(2))]


@pytest.mark.parametrize("rings", [True, False])
async def test_others_who_hand_out_hear_of_it(clean: Connection, rings: bool) -> None:
    """In hash mode it may fall to any of them."""
    await freeze(clean, NOON)
    await add_workers(clean, 7)
    await add_tasks(clean, 1)
    await create(clean, after(2, 1), after(3, 1), after(4, 1, delay=60.0))
    await settle(clean)
    await finish(clean, 1)
    ears = await listen(clean, ["fcs_supervisor"])

    await settling.settle(clean, rings=rings)

    heard = [parse_for_supervisor(payload) for payload in await ears.payloads()]
    named = {id.int for hint in heard if isinstance(hint, TasksNamed) for id in hint.ids}
    assert named == ({2, 3, 4} if rings else set())


async def test_nobody_is_told_of_nothing(clean: Connection) -> None:
    ears = await listen(clean, ["fcs_supervisor"])
    await settling.settle(clean, rings=True)

    assert await ears.payloads() == []


async def test_of_very_many_that_fell_due_others_are_told_to_look(clean: Connection) -> None:
    """A notification has room for so many names."""
    await freeze(clean, NOON)
    await add_workers(clean, 7)
    await add_tasks(clean, 1)
    await create(clean, *(after(n, 1) for n in range(2, 300)))
    await settle(clean)
    await finish(clean, 1)
    ears = await listen(clean, ["fcs_supervisor"])

    await settling.settle(clean, rings=True)

    assert [parse_for_supervisor(payload) for payload in await ears.payloads()] == [Scan()]


async def test_it_is_not_due_before_its_time_all_the_same(db: Connection) -> None:
    """EARLY."""
    await add_tasks(db, 1)
    await create(db, after(2, 1, delay=60.0))
    await settle(db)
    await finish(db, 1)

    assert await settle(db) == [2]
    assert (await row(db, 2))["due_at"] == NOON + 60 * SECOND


async def test_an_end_between_the_create_and_the_look_is_not_missed(db: Connection) -> None:
    """LIVE: nobody had marked the needed task by then."""
    await add_tasks(db, 1)
    await create(db, after(2, 1))
    await finish(db, 1)

    assert await settle(db) == [2]


@pytest.mark.parametrize("end", sorted(FINAL - {Status.SUCCEEDED}))
@pytest.mark.parametrize("when", ["before", "between", "after"])
async def test_an_end_without_success_cancels_what_needs_it(
    db: Connection, end: Status, when: str
) -> None:
    if when == "before":
        await add_final(db, 7, 1, end)
    else:
        await add_tasks(db, 1)
    await create(db, after(2, 1), after(3, 2), after(4, 3))
    if when == "after":
        await settle(db)
    if when != "before":
        await finish(db, 1, end)

    assert await settle(db) == []
    assert [await status(db, n) for n in (2, 3, 4)] == ["cancelled"] * 3
    first, second = await row(db, 2), await row(db, 3)
    assert str(task_id(1)) in first["error"]
    assert str(end) in first["error"]
    assert str(task_id(2)) in second["error"]
    assert first["cancel_level"] == "before_start"


@pytest.mark.parametrize("end", sorted(FINAL))
async def test_where_that_may_be_it_runs_all_the_same(db: Connection, end: Status) -> None:
    await add_tasks(db, 1, 2)
    await create(db, after(3, 1, 2, when_needs_fail=RUN))
    await finish(db, 1, end)
    assert await settle(db) == []

    await finish(db, 2)
    assert await settle(db) == [3]


async def test_several_ends_at_once_are_all_counted(db: Connection) -> None:
    await add_tasks(db, 1, 2, 3)
    await create(db, after(4, 1, 2, 3), after(5, 1), after(6, 1, 2))
    await settle(db)
    for n in (1, 2, 3):
        await finish(db, n)

    assert sorted(await settle(db)) == [4, 5, 6]


ENDS: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "succeed": lambda db: runs.succeed(db, [ending(1)], "report"),
    "finish": lambda db: runs.finish(db, [ending(1)], "report"),
    "cancel": lambda db: tasks.cancel(db, [task_id(2)], reason=""),
    "refuse": lambda db: tasks.refuse(db, incarnation(8), task_id(3), 1, "no"),
    "reap": lambda db: tasks.reap(db, incarnation(7), reason="it was silent"),
    "by hand": lambda db: db.execute(
        "update fcs.tasks set status = 'failed', due_at = null where id = %s", [task_id(2)]
    ),
}


@pytest.mark.parametrize("how", ENDS)
async def test_whoever_ends_it_it_is_counted(db: Connection, how: str) -> None:
    await add_running(db, 7, 1)
    await add_tasks(db, 2)
    await add_dispatched(db, 8, 3)
    await create(db, *(after(n + 10, n, when_needs_fail=RUN) for n in (1, 2, 3)))
    await settle(db)

    await ENDS[how](db)
    assert len(await settle(db)) == 1


async def test_a_task_that_was_cancelled_meanwhile_stays_so(db: Connection) -> None:
    """FINAL."""
    await add_tasks(db, 1)
    await create(db, after(2, 1))
    await settle(db)
    await tasks.cancel(db, [task_id(2)], reason="no need")
    await finish(db, 1)

    assert await settle(db) == []
    assert await status(db, 2) == "cancelled"


async def test_nobody_pays_whom_nobody_needs(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)

    assert await notes(db) == 0


async def test_who_ends_a_needed_task_tells_the_supervisor(clean: Connection) -> None:
    await add_workers(clean, 7)
    await add_tasks(clean, 1)
    await create(clean, after(2, 1))
    await settle(clean)
    ears = await listen(clean, ["fcs_supervisor"])

    await tasks.cancel(clean, [task_id(1)], reason="")
    assert "settle" in await ears.payloads()


# Deleting


async def test_what_others_wait_for_is_not_deleted(db: Connection) -> None:
    await add_dispatched(db, 7, 1)
    await create(db, after(2, 1))

    assert await tasks.delete(db, [task_id(1)]) == {
        task_id(1): Deletion(Status.DISPATCHED, is_awaited=True)
    }
    assert await status(db, 1) == "dispatched"
    [worker] = await rows(db, "select tasks_sent from fcs.workers where pid = 7")
    assert worker["tasks_sent"] == 1


async def test_it_is_deleted_when_nobody_waits_any_more(db: Connection) -> None:
    await add_tasks(db, 1, 2)
    await create(db, after(3, 1), after(4, 2))
    await tasks.cancel(db, [task_id(3)], reason="")
    await finish(db, 2)
    await settle(db)

    found = await tasks.delete(db, [task_id(1), task_id(2)])
    assert [deletion.is_done for deletion in found.values()] == [True, True]


async def test_a_dependant_takes_its_needs_along(db: Connection) -> None:
    await add_tasks(db, 1)
    await create(db, after(2, 1))
    await tasks.delete(db, [task_id(2)])

    assert await rows(db, "select from fcs.dependencies") == []
    assert (await tasks.delete(db, [task_id(1)]))[task_id(1)].is_done


@pytest.mark.parametrize("seen", [True, False])
async def test_what_was_deleted_by_hand_counts_as_not_succeeded(db: Connection, seen: bool) -> None:
    """LIVE: nothing waits for ever for what is not there."""
    await add_tasks(db, 1)
    await create(db, after(2, 1), after(3, 1, when_needs_fail=RUN))
    if seen:
        await settle(db)
    await db.execute("delete from fcs.tasks where id = %s", [task_id(1)])

    assert await settle(db) == [3]
    assert "deleted" in (await row(db, 2))["error"]


# Many


@pytest.fixture
async def supervisor(database_url: str) -> AsyncIterator[Connection]:
    """A connection as the supervisor has it, to a database that may be filled, at noon."""
    async with (
        await connect(database_url, part="test", keys_only=True) as db,
        db.transaction(force_rollback=True),
    ):
        await freeze(db, NOON)
        yield db


async def test_ten_thousand_are_settled_in_steps_each_dependency_once(
    supervisor: Connection,
) -> None:
    db, count = supervisor, 10_000
    await db.execute(
        "insert into fcs.tasks (id, ty) select lpad(to_hex(n), 32, '0')::uuid, 'baz'"
        " from generate_series(1, %s) as n",
        [count],
    )
    await create(db, new(count + 1, after=tuple(task_id(n) for n in range(1, count + 1))))
    assert await settle(db) == []
    await db.execute(
        "update fcs.tasks set status = 'succeeded', due_at = null where id <= %s",
        [UUID(int=count)],
    )
    assert await notes(db) == count

    before = await touched(db)
    steps, due = 0, list[Waiting]()
    while notes_taken := (step := await settling.settle(db)).notes:
        assert notes_taken <= settling.NOTES_MAX
        steps, due = steps + 1, due + step.due
    assert [task.id for task in due] == [task_id(count + 1)]
    assert steps == count / settling.NOTES_MAX
    # Not quadratic: each dependency is read a few times, not once for each of the others.
    assert await touched(db) - before <= 4 * count


async def touched(db: Connection) -> int:
    """How many rows of the dependencies were read in this transaction."""
    [read] = await rows(
        db,
        "select seq_tup_read + idx_tup_fetch as tuples from pg_stat_xact_user_tables"
        " where relname = 'dependencies'",
    )
    return int(read["tuples"])


async def test_a_wide_fan_out_is_settled_in_bounded_steps(db: Connection) -> None:
    await add_tasks(db, 1)
    await creation.create_linked(db, [after(n, 1) for n in range(2, 27)])
    await settle(db)
    await finish(db, 1)

    sizes = []
    while (step := await settling.settle(db, edges=10)).notes:
        sizes.append(len(step.due))
    assert sizes == [10, 10, 5]


# At the same time


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        await add_workers(stage.observer, 7, 8)
        yield stage


async def create_dependant(db: Connection) -> object:
    return await creation.create_linked(db, [after(2, 1)])


async def end(db: Connection) -> object:
    return await runs.finish(db, [ending(1)], "report")


async def mark(db: Connection) -> object:
    return await settling.mark_needed(db)


async def settle_once(db: Connection) -> object:
    return (await settling.settle(db)).due


async def settle_one_note(db: Connection) -> object:
    return (await settling.settle(db, limit=1)).due


async def delete_needed(db: Connection) -> object:
    return await tasks.delete(db, [task_id(1)])


async def test_a_create_that_takes_its_time_holds_up_nobody(stage: Stage) -> None:
    """LIVE: a caller's long transaction must not stop the worker that runs the needed task."""
    await add_running(stage.observer, 7, 1)

    played = await stage.play(create_dependant, end)
    assert not played.waited
    assert await settle(stage.observer) == [2]


async def test_an_end_under_way_is_not_missed_by_a_create(stage: Stage) -> None:
    await add_running(stage.observer, 7, 1)

    await stage.play(end, create_dependant)
    assert await settle(stage.observer) == [2]


@pytest.mark.parametrize("acts", [(end, mark), (mark, end)])
async def test_an_end_that_meets_the_mark_leaves_its_note(
    stage: Stage, acts: tuple[Any, Any]
) -> None:
    await add_running(stage.observer, 7, 1)
    await create_dependant(stage.observer)

    assert (await stage.play(*acts)).waited
    assert await settle(stage.observer) == [2]


@pytest.mark.parametrize("commit", [True, False])
async def test_two_supervisors_count_each_end_once(stage: Stage, commit: bool) -> None:
    db = stage.observer
    await add_running(db, 7, 1, 3)
    await create(db, after(2, 1, 3))
    await settle(db)
    await end(db)
    # Two notes about one end, so that neither of them has nothing to do.
    await db.execute("insert into fcs.unsettled (task_id) values (%s)", [task_id(1)])

    assert (await stage.play(settle_one_note, settle_one_note, commit=commit)).waited
    await settle(db)
    assert (await row(db, 2))["open_needs"] == 1


async def cancel_both(db: Connection) -> object:
    return await tasks.cancel(db, [task_id(1), task_id(2)], reason="")


@pytest.mark.parametrize("acts", [(settle_once, cancel_both), (cancel_both, settle_once)])
async def test_a_cancel_meets_whoever_settles(stage: Stage, acts: tuple[Any, Any]) -> None:
    db = stage.observer
    await add_running(db, 7, 1)
    await create_dependant(db)
    await settle(db)
    await end(db)

    await stage.play(*acts)
    assert await settle(db) == []
    ended = await row(db, 2)
    assert (ended["status"], ended["due_at"]) == ("cancelled", None)
    assert "before it started" in ended["error"]


async def test_a_delete_that_crosses_a_create_is_found_out(stage: Stage) -> None:
    await add_tasks(stage.observer, 1)

    await stage.play(create_dependant, delete_needed)
    assert await settle(stage.observer) == []
    assert "deleted" in (await row(stage.observer, 2))["error"]


async def test_a_delete_waits_for_whoever_settles(stage: Stage) -> None:
    db = stage.observer
    await add_running(db, 7, 1)
    await create_dependant(db)
    await end(db)

    async def delete_dependant(db: Connection) -> object:
        return await tasks.delete(db, [task_id(2)])

    assert (await stage.play(settle_once, delete_dependant)).waited
    assert await rows(db, "select from fcs.dependencies") == []
    assert await rows(db, "select id from fcs.tasks") == [{"id": TaskId(task_id(1))}]


# Looking


async def test_a_look_at_a_task_shows_what_it_waits_for(db: Connection) -> None:
    await add_tasks(db, 1, 2, 3)
    await create(db, after(4, 1, 2, 3, key="order-17", when_needs_fail=RUN))
    await finish(db, 1)
    await settle(db)
    await db.execute("delete from fcs.tasks where id = %s", [task_id(2)])

    view = await insights.find_task(db, task_id(4))
    assert view is not None
    assert view.key == "order-17"
    assert [(need.id.int, need.status) for need in view.after] == [
        (2, None),
        (3, Status.PENDING),
        (1, Status.SUCCEEDED),
    ]
    alone = await insights.find_task(db, task_id(3))
    assert alone is not None
    assert (alone.key, alone.after) == (None, [])


async def test_pruning_leaves_what_is_still_waited_for(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)
    await add_final(db, 7, 2, Status.FAILED)
    await create(db, after(3, 1, 2, when_needs_fail=RUN))
    everything = Stretch(UUID(int=0), task_id(9)), dict.fromkeys(FINAL, NOON + SECOND)

    assert sum((await retention.prune(db, *everything)).values()) == 1
    assert await settle(db) == [3]
    assert sum((await retention.prune(db, *everything)).values()) == 1

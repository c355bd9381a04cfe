"""Queues: pause, limits, and what the supervisor counts."""

import pytest
from psycopg.errors import CheckViolation
from tests.database.scene import (
    NOON,
    SECOND,
    add_dispatched,
    add_running,
    add_tasks,
    add_workers,
    ending,
    incarnation,
    listen,
    registration,
    task_id,
)

from fcs.database import queues, runs, workers
from fcs.database.connect import Connection
from fcs.domain.facts import Held, Limit, QueueRules
from fcs.domain.hints import SUPERVISOR_CHANNEL


async def test_a_queue_without_a_row_has_no_rules(db: Connection) -> None:
    await add_tasks(db, 1, queue="mail")

    assert await queues.rules(db) == []


async def test_who_pauses_a_queue_and_why_is_kept(db: Connection) -> None:
    await queues.pause(db, "mail", by="ann", why="the provider is down")

    [view] = await queues.look(db, ["mail"])
    assert (view.paused_at, view.paused_by, view.paused_why) == (
        NOON,
        "ann",
        "the provider is down",
    )
    assert await queues.rules(db) == [QueueRules("mail", is_paused=True)]


async def test_pausing_what_is_paused_gives_another_reason(db: Connection) -> None:
    await queues.pause(db, "mail", by="ann", why="")
    await db.execute("select set_config('fcs.now', %s, false)", [(NOON + SECOND).isoformat()])
    await queues.pause(db, "mail", by="bob", why="still down")

    [view] = await queues.look(db, ["mail"])
    assert (view.paused_at, view.paused_by, view.paused_why) == (NOON, "bob", "still down")


async def test_resuming_leaves_the_limits(db: Connection) -> None:
    await queues.set_limits(db, "mail", {"running_max": 3})
    await queues.pause(db, "mail", by="ann", why="")

    assert await queues.resume(db, "mail")
    assert not await queues.resume(db, "mail")
    assert await queues.rules(db) == [QueueRules("mail", whole=Limit(3))]


async def test_only_the_limits_that_are_named_change(db: Connection) -> None:
    await queues.set_limits(db, "mail", {"running_max": 3, "rate": 0.5, "key_burst": 7})
    await queues.set_limits(db, "mail", {"running_max": None, "burst": 2, "key_running_max": 1})
    await queues.set_limits(db, "mail", {"key_rate": 9})

    expected = QueueRules("mail", whole=Limit(None, 0.5, 2), per_key=Limit(1, 9, 7))
    assert await queues.rules(db) == [expected]


@pytest.mark.parametrize(
    "changes", [{"running_max": 0}, {"rate": 0}, {"burst": 0}, {"key_rate": 1e9}]
)
async def test_a_limit_that_makes_no_sense_is_refused(
    db: Connection, changes: dict[str, float]
) -> None:
    with pytest.raises(CheckViolation):
        await queues.set_limits(db, "mail", changes)


async def test_the_supervisor_is_told_of_each_change(clean: Connection) -> None:
    ears = await listen(clean, [SUPERVISOR_CHANNEL])
    await queues.pause(clean, "mail", by="ann", why="")
    assert await ears.payloads() == ["queues"]
    await queues.resume(clean, "mail")
    assert await ears.payloads() == ["queues"]
    await queues.set_limits(clean, "mail", {"running_max": 3})
    assert await ears.payloads() == ["queues"]
    await queues.resume(clean, "mail")  # it is not paused
    assert await ears.payloads() == []


async def test_what_workers_hold_of_a_queue_is_counted(db: Connection) -> None:
    await add_workers(db, 1)
    await add_tasks(db, 9, queue="mail")
    await add_dispatched(db, 1, 1, 2)
    await add_running(db, 1, 3)
    await db.execute(
        "update fcs.tasks set queue = 'mail', limit_key = 'ann' where id <> %s", [task_id(2)]
    )

    held = await queues.held_in(db, {"mail", "other"})

    assert sorted(held) == [Held(task_id(n), "mail", "ann", incarnation(1)) for n in (1, 3)]


async def test_a_task_that_is_over_or_waits_is_not_held(db: Connection) -> None:
    await add_workers(db, 1)
    await add_tasks(db, 1)
    await add_dispatched(db, 1, 2)
    await add_running(db, 1, 3, 4)
    await runs.finish(db, [ending(4)], "report")

    asked = [task_id(n) for n in range(1, 6)]
    assert await queues.still_held(db, asked) == {task_id(2), task_id(3)}


async def test_queues_are_those_with_rules_with_tasks_and_with_workers(db: Connection) -> None:
    await add_tasks(db, 1, 2, queue="waiting")
    await add_tasks(db, 3, queue="also")
    await queues.set_limits(db, "limited", {"rate": 1})
    await workers.register(db, registration(1, queues=["served", "also"]), replaces=None)

    assert await queues.names(db) == ["also", "limited", "served", "waiting"]
    assert await queues.names(db, limit=2) == ["also", "limited"]


async def test_a_look_tells_what_waits_and_what_is_held(db: Connection) -> None:
    await add_workers(db, 1)
    await add_dispatched(db, 1, 1, 2)
    await add_tasks(db, 3)
    await add_tasks(db, 4, 5, scheduled_at=NOON + SECOND)

    [other, usual] = await queues.look(db, ["other", "default"])

    assert (usual.due, usual.scheduled, usual.held) == (1, 2, 2)
    assert (other.name, other.due, other.held, other.paused_at) == ("other", 0, 0, None)


async def test_the_depth_of_a_queue_is_what_is_due_in_it(db: Connection) -> None:
    await add_tasks(db, 1, 2, 3, queue="mail")
    await add_tasks(db, 4, queue="mail", scheduled_at=NOON + SECOND)
    await add_tasks(db, 5)

    assert await queues.depth(db, "mail") == 3
    assert await queues.depth(db, "nothing") == 0

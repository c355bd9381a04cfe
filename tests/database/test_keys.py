"""Idempotency keys: one request under one key, however often and however close together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from tests.database.interleave import Stage, staged
from tests.database.scene import NOON, add_tasks, freeze, listen, new, row, rows, task_id

from fcs.database import creation, tasks
from fcs.database.connect import Connection
from fcs.database.creation import Created
from fcs.domain.errors import KeyInFlight, KeyReused
from fcs.domain.task import NewTask

DAY = 86_400.0


def keyed(n: int, **changes: Any) -> NewTask:
    return new(n, key="order-17", **changes)


async def ask(db: Connection) -> Any:
    """Each time under an id of its own, as a caller does that does not know of the first time."""
    return await creation.create_linked(db, [keyed(db.info.backend_pid)])


async def forget(db: Connection, **changes: Any) -> int:
    return await creation.forget_keys(db, **{"seconds": DAY, "limit": 100} | changes)


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        yield stage


async def test_it_is_the_same_task_as_without_a_key(db: Connection) -> None:
    options: dict[str, Any] = {
        "queue": "mail", "priority": 3, "max_attempts": 5, "timeout": 30.0,
        "on_interrupt": "retry", "limit_key": "ann", "delay": 60.0,
    }  # fmt: skip
    await tasks.create(db, [new(1, **options)])
    assert await creation.create_linked(db, [keyed(2, **options)]) == Created([task_id(2)])

    usual, linked = await row(db, 1), await row(db, 2)
    assert linked == usual | {"id": task_id(2), "key": "order-17"}


async def test_the_same_again_is_the_first_task(db: Connection) -> None:
    await creation.create_linked(db, [keyed(1)])

    again = await creation.create_linked(db, [keyed(2)])
    assert again == Created([task_id(1)], is_replay=True)
    assert len(await rows(db, "select from fcs.tasks")) == 1


async def test_a_lost_answer_is_the_same_create_sent_twice(db: Connection) -> None:
    """F-91: the ids are the same, and so it is no replay."""
    await creation.create_linked(db, [keyed(1)])

    assert await creation.create_linked(db, [keyed(1)]) == Created([task_id(1)])
    assert len(await rows(db, "select from fcs.tasks")) == 1


async def test_something_else_under_the_same_key_is_refused(db: Connection) -> None:
    await creation.create_linked(db, [keyed(1)])

    with pytest.raises(KeyReused, match=str(task_id(1))):
        await creation.create_linked(db, [keyed(2, priority=5)])
    assert len(await rows(db, "select from fcs.tasks")) == 1


async def test_a_key_stands_for_all_that_was_asked_for_at_once(db: Connection) -> None:
    await creation.create_linked(db, [keyed(n) for n in (3, 1, 2)])

    again = await creation.create_linked(db, [keyed(n) for n in (4, 5, 6)])
    assert again == Created([task_id(n) for n in (3, 1, 2)], is_replay=True)
    for part in ([keyed(7)], [keyed(n) for n in (7, 8)], [keyed(n) for n in (7, 8, 9, 10)]):
        with pytest.raises(KeyReused):
            await creation.create_linked(db, part)
    assert len(await rows(db, "select from fcs.tasks")) == 3


async def test_only_what_is_new_is_told(clean: Connection, clean_url: str) -> None:
    ears = await listen(clean, ["fcs_supervisor"])
    await creation.create_linked(clean, [keyed(1)])
    assert await ears.payloads() == [f"tasks {task_id(1)}"]

    await creation.create_linked(clean, [keyed(2)])
    assert await ears.payloads() == []


async def test_two_at_once_are_one(stage: Stage) -> None:
    outcome = await stage.play(ask, ask)

    assert outcome.waited
    assert outcome.second == Created(outcome.first.ids, is_replay=True)
    assert len(await rows(stage.observer, "select from fcs.tasks")) == 1


async def test_the_second_is_the_first_if_that_was_rolled_back(stage: Stage) -> None:
    outcome = await stage.play(ask, ask, commit=False)

    assert not outcome.second.is_replay
    [left] = await rows(stage.observer, "select id from fcs.tasks")
    assert [left["id"]] == outcome.second.ids


async def test_who_meets_an_open_transaction_is_told_soon(stage: Stage) -> None:
    async with stage.one.transaction():
        await ask(stage.one)
        with pytest.raises(KeyInFlight, match="order-17"):
            await ask(stage.two)
    assert (await ask(stage.two)).is_replay


def test_so_is_who_has_no_event_loop(clean_url: str) -> None:
    with (
        psycopg.connect(clean_url, autocommit=True) as one,
        psycopg.connect(clean_url, autocommit=True) as two,
    ):
        with one.transaction(force_rollback=True):
            creation.create_linked_sync(one, [keyed(1)])
            with pytest.raises(KeyInFlight):
                creation.create_linked_sync(two, [keyed(2)])
        assert creation.create_linked_sync(two, [keyed(2)]) == Created([task_id(2)])
        assert creation.create_linked_sync(one, [keyed(1)]).is_replay


async def test_many_at_once_are_one(clean_url: str) -> None:
    async with staged(clean_url) as one, staged(clean_url) as two:
        callers = [one.one, one.two, one.observer, two.one, two.two, two.observer]
        answers = await asyncio.gather(*(ask(db) for db in callers for _ in range(5)))

        assert len({answer.ids[0] for answer in answers}) == 1
        assert len(await rows(one.one, "select from fcs.tasks")) == 1


async def test_the_patience_of_the_caller_stays_his_own(db: Connection) -> None:
    await db.execute("set local lock_timeout = '17s'")
    await creation.create_linked(db, [keyed(1)])
    await creation.create_linked(db, [keyed(2)])

    [setting] = await rows(db, "show lock_timeout")
    assert setting == {"lock_timeout": "17s"}


# How long a key is held


async def test_a_key_is_held_while_its_task_is_there(db: Connection) -> None:
    await creation.create_linked(db, [keyed(1)])
    await freeze(db, NOON + timedelta(days=400))

    assert await forget(db) == 0
    assert (await creation.create_linked(db, [keyed(2)])).is_replay


async def test_a_key_outlives_its_task(db: Connection) -> None:
    """F-19: whoever was not answered asks again, and the task has been and gone meanwhile."""
    await creation.create_linked(db, [keyed(1)])
    await freeze(db, NOON + timedelta(days=7))
    await tasks.delete(db, [task_id(1)])

    await freeze(db, NOON + timedelta(days=7, seconds=DAY))
    assert await forget(db) == 0
    again = await creation.create_linked(db, [keyed(2)])
    assert again == Created([task_id(1)], is_replay=True)
    assert await rows(db, "select from fcs.tasks") == []


async def test_a_key_is_forgotten_in_the_end(db: Connection) -> None:
    await creation.create_linked(db, [keyed(1)])
    await tasks.delete(db, [task_id(1)])
    await freeze(db, NOON + timedelta(seconds=DAY + 1))

    assert await forget(db) == 1
    assert await creation.create_linked(db, [keyed(2, ty="foo")]) == Created([task_id(2)])


async def test_a_key_of_many_is_held_until_the_last_of_them_is_gone(db: Connection) -> None:
    await creation.create_linked(db, [keyed(n) for n in (1, 2)])
    await tasks.delete(db, [task_id(1)])
    await freeze(db, NOON + timedelta(days=2))

    assert await forget(db) == 1  # and found in use
    assert await forget(db) == 0
    assert (await creation.create_linked(db, [keyed(3), keyed(4)])).is_replay

    await tasks.delete(db, [task_id(2)])
    await freeze(db, NOON + timedelta(days=4))
    assert await forget(db) == 1
    assert await rows(db, "select from fcs.keys") == []


async def test_forgetting_is_done_a_little_at_a_time(db: Connection) -> None:
    for n in range(1, 6):
        await creation.create_linked(db, [new(n, key=f"key {n}")])
    await db.execute("delete from fcs.tasks")
    await freeze(db, NOON + timedelta(days=2))

    assert [await forget(db, limit=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_tasks_without_a_key_free_none(db: Connection) -> None:
    await add_tasks(db, 1)
    await creation.create_linked(db, [keyed(2)])
    await tasks.delete(db, [task_id(1)])

    [held] = await rows(db, "select freed_at from fcs.keys")
    assert held == {"freed_at": None}

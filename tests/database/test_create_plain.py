"""One task as most are: a statement of its own, and the same row, answers and hints."""

import psycopg
import pytest
from tests.database.scene import NOON, SECOND, Ears, new, row, rows, task_id
from tests.database.test_create_alike import ARGS

from fcs.database import creation, sleep, tasks
from fcs.database.connect import Connection


@pytest.mark.parametrize("args", ARGS)
async def test_the_row_is_that_of_the_other_statement(db: Connection, args: bytes) -> None:
    await tasks.create(db, [new(1, ty="żółć", args=args)])
    assert await creation.create_plain(db, new(2, ty="żółć", args=args)) == 1

    one, other = await rows(
        db, "select to_jsonb(tasks) - 'id' as columns, args::text from fcs.tasks order by id"
    )
    assert one == other


@pytest.mark.parametrize("args", [b"", b"1,2", b"{},{}", b"{", b'{"a": "\\u0000"}'])
async def test_arguments_that_are_none_are_refused(db: Connection, args: bytes) -> None:
    with pytest.raises(psycopg.Error):
        async with db.transaction():
            await creation.create_plain(db, new(1, args=args))

    assert await rows(db, "select from fcs.tasks") == []


async def test_an_id_that_is_there_is_the_same_create_again(db: Connection) -> None:
    assert await creation.create_plain(db, new(1)) == 1
    assert await creation.create_plain(db, new(1, ty="foo")) == 0
    assert await tasks.create(db, [new(1)]) == 0

    assert (await row(db, 1))["ty"] == "baz"


def test_without_an_event_loop_it_is_the_same(clean_url: str) -> None:
    with psycopg.connect(clean_url, autocommit=True) as db:
        assert creation.create_plain_sync(db, new(1)) == 1
        assert creation.create_plain_sync(db, new(1)) == 0


def test_only_a_lone_task_of_which_nothing_is_chosen_goes_that_way() -> None:
    assert creation.is_plain([new(1, ty="any", args=b'{"x": 1}')])
    assert not creation.is_plain([])
    assert not creation.is_plain([new(1), new(2)])
    for options in (
        {"queue": "mail"},
        {"priority": 1},
        {"scheduled_at": NOON + 90 * SECOND},
        {"delay": 1.0},
        {"max_attempts": 2},
        {"timeout": 1.0},
        {"limit_key": "a"},
    ):
        assert not creation.is_plain([new(1, **options)]), options


async def test_who_sleeps_is_rung_and_who_is_awake_is_not(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    await creation.create_plain(clean, new(1))
    assert await ears.payloads() == [f"tasks {task_id(1)}"]
    await creation.create_plain(clean, new(1))  # nothing new
    assert await ears.payloads() == []

    await sleep.wake_up(sleeper)
    await creation.create_plain(clean, new(2))
    assert await ears.payloads() == []


async def test_in_a_longer_transaction_it_rings_whoever_is_awake(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    await sleep.wake_up(sleeper)
    async with clean.transaction():
        await creation.create_plain(clean, new(1))
        assert await sleep.fall_asleep(sleeper)
    assert await ears.payloads() == [f"tasks {task_id(1)}"]

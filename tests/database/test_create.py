"""Creating tasks: durable, idempotent, all or none; and the supervisor hears of what is true."""

from datetime import UTC, datetime

import psycopg
import pytest
from tests.database.scene import NOON, SECOND, add_tasks, new, row, rows, task_id

from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.ids import TaskId


async def test_a_new_task_is_pending_and_due_now(db: Connection) -> None:
    assert await tasks.create(db, [new(1, queue="mail", priority=-7)]) == 1

    created = await row(db, 1)
    assert created == {
        "id": task_id(1),
        "worker_id": None,
        "incarnation": None,
        "run_id": None,
        "created_at": NOON,
        "updated_at": NOON,
        "scheduled_at": None,
        "due_at": NOON,
        "started_at": None,
        "status": "pending",
        "dispatch_no": 0,
        "attempt": 0,
        "priority": -7,
        "queue": "mail",
        "ty": "baz",
        "args": {"x": 1},
        "error": None,
        "max_attempts": 1,
        "retry_interrupted": False,
        "timeout": None,
        "limit_key": "",
        "result": None,
        "progress": None,
        "cancel_requested_at": None,
        "cancel_reason": None,
        "cancel_level": None,
        "key": None,
        "open_needs": None,
        "needs_may_fail": False,
        "is_needed": False,
    }


async def test_options_are_written_down(db: Connection) -> None:
    options = {"max_attempts": 5, "timeout": 30.0, "on_interrupt": "retry", "limit_key": "ann"}
    await tasks.create(db, [new(1, **options, delay=60.0)])

    created = await row(db, 1)
    assert created["due_at"] == created["scheduled_at"] == NOON + 60 * SECOND
    assert created["max_attempts"] == 5
    assert created["timeout"] == 30
    assert created["retry_interrupted"]
    assert created["limit_key"] == "ann"


@pytest.mark.parametrize(("ahead", "due"), [(60, 60), (-60, 0)])
async def test_a_task_is_due_when_it_is_scheduled_but_not_before_it_exists(
    db: Connection, ahead: float, due: float
) -> None:
    """F-60: a schedule in the past must not jump the queue."""
    await add_tasks(db, 1, scheduled_at=NOON + ahead * SECOND)

    created = await row(db, 1)
    assert created["scheduled_at"] == NOON + ahead * SECOND
    assert created["due_at"] == NOON + due * SECOND


async def test_the_same_create_twice_is_one_task(db: Connection) -> None:
    """F-91: a client that did not hear the answer sends its ids again."""
    assert await tasks.create(db, [new(1), new(2)]) == 2
    assert await tasks.create(db, [new(1, ty="foo"), new(2), new(3)]) == 1

    assert len(await rows(db, "select from fcs.tasks")) == 3
    assert (await row(db, 1))["ty"] == "baz"


async def test_one_id_twice_in_one_create_is_one_task(db: Connection) -> None:
    assert await tasks.create(db, [new(1), new(1)]) == 1


async def test_a_create_after_the_task_has_run_is_still_the_same_create(db: Connection) -> None:
    """F-91: it must not run again because the answer was lost for long."""
    await add_tasks(db, 1)
    await db.execute(
        "update fcs.tasks set status = 'succeeded', due_at = null where id = %s", [task_id(1)]
    )

    assert await tasks.create(db, [new(1)]) == 0
    assert (await row(db, 1))["status"] == "succeeded"


async def test_nothing_to_create_is_nothing_created(db: Connection) -> None:
    assert await tasks.create(db, []) == 0


async def test_many_are_created_all_or_none(db: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        async with db.transaction():
            await tasks.create(db, [new(1), new(2, ty="")])

    assert await rows(db, "select from fcs.tasks") == []


async def test_arguments_are_kept_as_they_are(db: Connection) -> None:
    args = '{"text": "zażółć 🥨 \\" \\\\ %s %(id)s", "n": 123456789012345678901234567890, "f": 0.1}'
    await add_tasks(db, 1, args=args.encode())

    [kept] = await rows(db, "select args::text = %s::jsonb::text as same from fcs.tasks", args)
    assert kept["same"]


def test_creating_without_an_event_loop_is_the_same(clean_url: str) -> None:
    with psycopg.connect(clean_url, autocommit=True) as db:
        assert tasks.create_sync(db, [new(1), new(2)]) == 2
        assert tasks.create_sync(db, [new(1)]) == 0
        assert tasks.create_sync(db, []) == 0
        with db.transaction(force_rollback=True):
            assert tasks.create_sync(db, [new(3)]) == 1

        cursor = db.execute("select id from fcs.tasks order by id")
        assert cursor.fetchall() == [(task_id(1),), (task_id(2),)]


async def test_moments_are_kept_to_the_microsecond(db: Connection) -> None:
    moment = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
    await add_tasks(db, 1, scheduled_at=moment)

    assert (await row(db, 1))["scheduled_at"] == moment


async def test_ids_sort_by_age_among_tasks_created_together(db: Connection) -> None:
    """F-61: rows of one statement have one time of creation; their ids decide."""
    await add_tasks(db, 3, 1, 2)

    ordered = await rows(db, "select id from fcs.tasks order by due_at, id")
    assert [TaskId(found["id"]).int for found in ordered] == [1, 2, 3]

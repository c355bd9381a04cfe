"""What people and programs look at: pages and counts, all of them bounded."""

from uuid import UUID

import psycopg
import pytest
from tests.database.scene import (
    LANE,
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    freeze,
    incarnation,
    listen,
    new,
    registration,
    task_id,
    worker_id,
)

from fcs.database import insights, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.insights import LaneWaiting
from fcs.database.tasks import create_sync
from fcs.domain.task import Status, TaskView
from fcs.domain.topology import Mode

LAST = UUID(int=2**128 - 1)


@pytest.fixture(autouse=True)
async def _worker(db: Connection) -> None:
    await add_workers(db, 7)


async def test_a_task_is_shown_as_its_row_is(db: Connection) -> None:
    await add_running(db, 7, 1)
    await tasks.create(db, [])

    assert await insights.find_task(db, task_id(1)) == TaskView(
        id=task_id(1),
        ty="baz",
        args_text='{"x": 1}',
        status=Status.RUNNING,
        worker_id=worker_id(7),
        queue="default",
        priority=0,
        attempt=1,
        created_at=NOON,
        updated_at=NOON,
        scheduled_at=None,
        started_at=NOON,
        error=None,
        late_report=None,
    )
    assert await insights.find_task(db, task_id(2)) is None


async def test_a_task_is_found_without_an_event_loop(shared_url: str) -> None:
    with psycopg.connect(shared_url, autocommit=True) as db, db.transaction(force_rollback=True):
        create_sync(db, [new(1)])
        found = insights.find_task_sync(db, task_id(1))

        assert found is not None
        assert found.status is Status.PENDING
        assert insights.find_task_sync(db, task_id(2)) is None


async def test_pages_go_from_the_newest_to_the_oldest(db: Connection) -> None:
    await add_tasks(db, 3, 1, 2, 5, 4)

    first = await insights.list_tasks(db, limit=2)
    assert [task.id.int for task in first] == [5, 4]
    second = await insights.list_tasks(db, limit=9, before=first[-1].id)
    assert [task.id.int for task in second] == [3, 2, 1]
    assert await insights.list_tasks(db, limit=9, before=task_id(1)) == []


async def test_pages_show_what_was_asked_for(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_tasks(db, 2, ty="foo")
    await add_tasks(db, 3, queue="mail")
    await add_final(db, 7, 4, Status.FAILED)

    async def listed(**wanted: object) -> list[int]:
        page = await insights.list_tasks(db, limit=9, **wanted)  # type: ignore[arg-type]
        return [task.id.int for task in page]

    assert await listed(status=Status.PENDING) == [3, 2, 1]
    assert await listed(status=Status.FAILED) == [4]
    assert await listed(ty="foo") == [2]
    assert await listed(queue="mail") == [3]
    assert await listed(queue="mail", ty="foo") == []


async def test_a_short_id_may_stand_for_one_task_or_for_more(db: Connection) -> None:
    await add_tasks(db, 16, 17, 18, 99)

    assert await insights.find_by_prefix(db, low=UUID(int=99), high=LAST) == [task_id(99)]
    assert len(await insights.find_by_prefix(db, low=UUID(int=16), high=UUID(int=31))) == 2
    assert await insights.find_by_prefix(db, low=UUID(int=100), high=LAST) == []


async def test_workers_are_shown_the_ended_ones_too(db: Connection) -> None:
    await workers.register(db, registration(8, listen="127.0.0.1:1"), replaces=None)
    await workers.end_worker(db, incarnation(7), state="lost")
    await freeze(db, NOON + SECOND)

    live, lost = await insights.list_workers(db)

    assert (live.id, live.state, live.listen, live.silent) == (
        worker_id(8),
        "live",
        "127.0.0.1:1",
        1.0,
    )
    assert (lost.id, lost.incarnation, lost.state) == (worker_id(7), incarnation(7), "lost")
    assert len(await insights.list_workers(db, limit=1)) == 1


async def test_the_mode_by_which_a_worker_goes_is_shown_once_it_told(db: Connection) -> None:
    [worker] = await insights.list_workers(db)
    assert worker.follows is None
    account = {"report_no": 0, "slots_busy": 0, "tasks_taken": 0}
    await workers.beat(db, incarnation(7), **account, follows=Mode.HASH)

    [worker] = await insights.list_workers(db)
    assert worker.follows is Mode.HASH


async def test_what_waits_is_counted_lane_by_lane(db: Connection) -> None:
    await add_tasks(db, 1, 2)
    await add_tasks(db, 3, scheduled_at=NOON + 60 * SECOND)
    await add_tasks(db, 4, priority=1, scheduled_at=NOON + 60 * SECOND)
    await freeze(db, NOON + SECOND)

    urgent, empty = LANE._replace(priority=1), LANE._replace(ty="foo")
    assert await insights.waiting(db, [LANE, urgent, empty]) == [
        LaneWaiting(LANE, 2, 1, NOON),
        LaneWaiting(urgent, 0, 1, None),
        LaneWaiting(empty, 0, 0, None),
    ]


async def test_what_workers_hold_is_counted(db: Connection) -> None:
    await add_running(db, 7, 1)
    await add_dispatched(db, 7, 2, 3)
    await add_final(db, 7, 4, Status.SUCCEEDED)

    assert await insights.in_hand(db) == {Status.DISPATCHED: 2, Status.RUNNING: 1}


async def test_what_became_of_the_latest_tasks_is_counted(db: Connection) -> None:
    await add_tasks(db, 1, 2)
    await add_final(db, 7, 3, Status.SUCCEEDED)
    await add_final(db, 7, 4, Status.SUCCEEDED)

    recent = await insights.recent(db, since=task_id(2))
    assert recent == {Status.PENDING: 1, Status.SUCCEEDED: 2}


async def test_how_long_it_took_is_measured_on_what_succeeded(db: Connection) -> None:
    await add_running(db, 7, 1, 2, 3)
    await add_tasks(db, 4)
    for n, after in ((1, 1), (2, 4)):
        await freeze(db, NOON + after * SECOND)
        await db.execute(
            "update fcs.tasks set status = 'succeeded', incarnation = null, "
            "updated_at = fcs.now() where id = %s",
            [task_id(n)],
        )

    span = await insights.finished_span(db, since=task_id(1))
    assert span.tasks == 2


async def test_the_live_workers_types_are_known(db: Connection) -> None:
    await workers.register(db, registration(8, types=["foo", "baz"]), replaces=None)
    await workers.register(db, registration(9, types=["qux"]), replaces=None)
    await workers.end_worker(db, incarnation(9), state="gone")

    assert await insights.known_types(db) == {"foo", "baz"}


async def test_the_settings_that_the_promise_rests_on_are_shown(db: Connection) -> None:
    """F-78: for the doctor."""
    settings = await insights.settings(db)

    assert settings["fsync"] in ("on", "off")
    assert {"full_page_writes", "synchronous_commit", "max_connections"} <= set(settings)
    assert int(settings["server_version_num"]) >= 140_000


async def test_health_tells_what_could_hold_things_up(db: Connection, shared_url: str) -> None:
    """F-85, F-87: who pins old rows, how full the notification queue is."""
    async with await connect(shared_url, part="pinner") as pinner, pinner.transaction():
        await pinner.execute("set transaction isolation level repeatable read")
        await pinner.execute("select")
        health = await insights.health(db)
        pin = await insights.pin(db)
        pinning = pinner.info.backend_pid

    assert health.connections >= 2
    assert health.oldest_snapshot is not None
    assert 0 <= health.notification_queue < 1
    assert not health.in_recovery
    assert pin is not None
    assert (pin.pid, pin.application_name) == (pinning, "fcs pinner")


async def test_a_pooler_is_noticed_by_who_answers(db: Connection) -> None:
    """F-84."""
    assert await insights.backend_pid(db) == db.info.backend_pid


async def test_whether_notifications_arrive_can_be_tried(clean: Connection) -> None:
    """F-84."""
    ears = await listen(clean, ["somewhere"])
    await insights.ring(clean, "somewhere", "hello")

    assert await ears.heard() == [("somewhere", "hello")]


async def test_a_table_that_would_not_survive_a_crash_is_named(db: Connection) -> None:
    """F-78."""
    assert await insights.unlogged(db) == []

    await db.execute("alter table fcs.late_reports set unlogged")
    assert await insights.unlogged(db) == ["late_reports"]

"""Many tasks at a time: pages that lose nothing, and new tasks for those that have ended."""

from datetime import timedelta
from uuid import UUID

import pytest
from tests.database.scene import (
    NOON,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    ending,
    freeze,
    incarnation,
    row,
    rows,
    run_id,
    status,
    task_id,
)

from fcs.database import bulk, insights, runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Again, Ending, Evidence
from fcs.domain.bulk import Filter
from fcs.domain.ids import TaskId
from fcs.domain.task import FINAL, AttemptOutcome, OnInterrupt, Status


@pytest.fixture(autouse=True)
async def _workers(db: Connection) -> None:
    await add_workers(db, 7, 8)


async def matching(db: Connection, filter: Filter, *, limit: int = 2) -> list[int]:
    """All that match, page by page."""
    found: list[int] = []
    before: UUID | None = None
    while True:
        statuses = [filter.status] if filter.status else list(Status)
        page = await bulk.match(db, filter, statuses=statuses, before=before, limit=limit)
        if page.last is None:
            return found
        assert len(page.matches) <= limit
        found += [id.int for id, _ in page.matches]
        before = page.last


async def test_pages_lead_from_the_newest_to_the_oldest(db: Connection) -> None:
    await add_tasks(db, *range(1, 8))

    assert await matching(db, Filter()) == [7, 6, 5, 4, 3, 2, 1]


async def test_a_page_without_a_match_is_not_the_last(db: Connection) -> None:
    await add_tasks(db, 1, ty="foo")
    await add_tasks(db, 2, 3, 4, 5)

    assert await matching(db, Filter(ty="foo")) == [1]


async def test_a_filter_names_status_type_queue_and_age(db: Connection) -> None:
    await add_tasks(db, 1, queue="mail")
    await add_tasks(db, 2, ty="foo")
    await add_final(db, 7, 3, Status.FAILED)
    await freeze(db, NOON + timedelta(hours=1))
    await add_tasks(db, 4)

    assert await matching(db, Filter(queue="mail")) == [1]
    assert await matching(db, Filter(ty="foo")) == [2]
    assert await matching(db, Filter(status=Status.FAILED)) == [3]
    assert await matching(db, Filter(older_than=3_600)) == [3, 2, 1]
    assert await matching(db, Filter(older_than=3_601)) == []
    page = await bulk.match(db, Filter(), statuses=[Status.FAILED], before=None, limit=9)
    assert page.matches == [(task_id(3), Status.FAILED)]


def copy(n: int) -> TaskId:
    return task_id(1_000 + n)


async def test_an_ended_task_is_repeated_as_a_new_one(db: Connection) -> None:
    """FINAL: its own status stays what it is."""
    options = {"queue": "mail", "priority": 3, "max_attempts": 4, "timeout": 1.5}
    await add_tasks(db, 1, on_interrupt=OnInterrupt.RETRY, limit_key="acme", **options)
    await tasks.cancel(db, [task_id(1)], reason="no need")

    assert await bulk.repeat(db, {task_id(1): copy(1)}) == {task_id(1): Status.CANCELLED}

    new = await row(db, 1_001)
    assert (new["status"], new["attempt"], new["due_at"]) == ("pending", 0, NOON)
    assert {name: new[name] for name in options} == options
    assert (new["args"], new["limit_key"], new["retry_interrupted"]) == ({"x": 1}, "acme", True)
    assert (new["error"], new["cancel_requested_at"], new["scheduled_at"]) == (None, None, None)
    assert await status(db, 1) == "cancelled"


async def test_what_has_not_ended_is_not_repeated(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_running(db, 7, 2)
    await add_final(db, 7, 3, Status.FAILED)

    found = await bulk.repeat(db, {task_id(n): copy(n) for n in (1, 2, 3, 4)})

    assert {id.int: s for id, s in found.items()} == {
        1: Status.PENDING, 2: Status.RUNNING, 3: Status.FAILED,
    }  # fmt: skip
    assert [await status(db, 1_000 + n) for n in (1, 2, 3, 4)] == [None, None, "pending", None]
    assert {found[id] in FINAL for id in found if id.int != 3} == {False}


async def test_a_repeat_sent_twice_creates_one(db: Connection) -> None:
    await add_final(db, 7, 1, Status.INTERRUPTED)

    for _ in range(2):
        assert await bulk.repeat(db, {task_id(1): copy(1)}) == {task_id(1): Status.INTERRUPTED}
    assert len(await rows(db, "select from fcs.tasks")) == 2


async def test_a_repeated_task_has_no_attempts_that_snoozes_added(db: Connection) -> None:
    await add_running(db, 7, 1)
    again = Again(task_id(1), run_id(1), 0, Evidence(AttemptOutcome.SNOOZED), more_attempts=1)
    assert await runs.retry(db, [again], "report")
    await tasks.cancel(db, [task_id(1)], reason="")
    assert (await row(db, 1))["max_attempts"] == 2

    await bulk.repeat(db, {task_id(1): copy(1)})
    assert (await row(db, 1_001))["max_attempts"] == 1


# --- attempts ---


async def test_a_run_is_listed_from_its_begin_on(db: Connection) -> None:
    await add_tasks(db, 2)
    await add_running(db, 7, 1)

    [run] = await insights.list_attempts(db, task_id(1))
    assert (run.attempt, run.run_id, run.outcome, run.ended_at) == (1, run_id(1), None, None)
    assert await insights.list_attempts(db, task_id(2)) == []


async def test_a_run_that_left_nothing_behind_is_known_by_its_task(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)

    [run] = await insights.list_attempts(db, task_id(1))
    assert (run.outcome, run.started_at, run.ended_at) == (AttemptOutcome.SUCCEEDED, NOON, NOON)


async def test_runs_stand_in_their_order_with_what_they_left(db: Connection) -> None:
    await add_tasks(db, 3, max_attempts=3)
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch", "line 1", "said so")
    for run in (1, 2):
        await begin(db, run)
        await runs.retry(db, [Again(task_id(3), run_id(run), 0, evidence)], "report")
    await begin(db, 3)
    last = Ending(task_id(3), run_id(3), Status.FAILED, "worse", evidence=evidence)
    await runs.finish(db, [last], "report")

    found = await insights.list_attempts(db, task_id(3))
    assert [run.attempt for run in found] == [1, 2, 3]
    assert {(run.error_type, run.error, run.trace, run.logs) for run in found} == {
        ("ValueError", "ouch", "line 1", "said so")
    }
    assert [run.attempt for run in await insights.list_attempts(db, task_id(3), limit=2)] == [2, 3]


async def begin(db: Connection, run: int) -> None:
    await db.execute(
        "update fcs.tasks set status = 'running', due_at = null, incarnation = %s, run_id = %s,"
        " attempt = attempt + 1, started_at = fcs.now() where id = %s",
        [incarnation(7), run_id(run), task_id(3)],
    )


async def test_a_late_report_stands_with_its_run(db: Connection) -> None:
    await add_running(db, 7, 1)
    await tasks.reap(db, incarnation(7), reason="it was silent")
    await runs.record_late(db, [ending(1)])

    [run] = await insights.list_attempts(db, task_id(1))
    assert run.outcome is AttemptOutcome.INTERRUPTED
    assert run.late_report is not None
    assert (run.late_report.status, run.late_report.run_id) == (Status.SUCCEEDED, run_id(1))


async def test_only_what_is_there_and_not_final_is_open(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_running(db, 7, 2)
    await add_final(db, 7, 3, Status.FAILED)

    found = await insights.still_open(db, [task_id(n) for n in (1, 2, 3, 4)])
    assert {id.int for id in found} == {1, 2}

"""Finishing: only the run that owns the task, once; what comes late is evidence and no more."""

import psycopg
import pytest
from msgspec import structs
from tests.database.scene import (
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
    row,
    rows,
    run_id,
    status,
    task_id,
    worker_id,
)

from fcs.database import insights, runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Evidence
from fcs.domain.task import FINAL, AttemptOutcome, LateReport, Status

ENDS = [Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED]


@pytest.fixture(autouse=True)
async def _worker(db: Connection) -> None:
    await add_workers(db, 7)


async def reap(db: Connection) -> None:
    """The worker is declared lost, rightly or not."""
    await tasks.reap(db, incarnation(7), reason="it was silent")


@pytest.mark.parametrize("end", ENDS)
async def test_the_owner_ends_its_run(db: Connection, end: Status) -> None:
    await add_running(db, 7, 1)
    await freeze(db, NOON + SECOND)

    assert await runs.finish(db, [ending(1, end)], "report") == {task_id(1)}

    ended = await row(db, 1)
    assert ended["status"] == end
    assert ended["error"] == ("ouch" if end is Status.FAILED else None)
    assert ended["incarnation"] is None
    assert ended["worker_id"] == worker_id(7)  # who did it stays known
    assert (ended["started_at"], ended["updated_at"]) == (NOON, NOON + SECOND)


async def test_a_plain_success_is_recorded_for_its_owner_alone(db: Connection) -> None:
    """OWNER, FINAL: as any other ending."""
    await add_running(db, 7, 1, 2, 3)
    await runs.finish(db, [ending(2, Status.FAILED)], "report")
    await freeze(db, NOON + SECOND)
    before = [await row(db, 2), await row(db, 3)]

    endings = [ending(1), ending(2), ending(3, run=99)]
    assert await runs.succeed(db, endings, "report") == {task_id(1)}

    done = await row(db, 1)
    assert (done["status"], done["error"], done["incarnation"]) == ("succeeded", None, None)
    assert done["updated_at"] == NOON + SECOND
    assert [await row(db, 2), await row(db, 3)] == before


async def test_a_result_is_kept_and_a_plain_success_leaves_no_other_trace(db: Connection) -> None:
    await add_running(db, 7, 1, 2)
    await runs.finish(
        db, [structs.replace(ending(1), result='{"n": [1, null]}'), ending(2)], "report"
    )

    assert (await row(db, 1))["result"] == {"n": [1, None]}
    assert (await row(db, 2))["result"] is None
    assert await rows(db, "select * from fcs.attempts") == []


async def test_what_a_run_left_behind_is_kept(db: Connection) -> None:
    await add_running(db, 7, 1, 2, 3)
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch", "line 1", "said hello")
    failed = structs.replace(ending(1, Status.FAILED), evidence=evidence)
    not_ours = structs.replace(ending(3, Status.FAILED, run=99), evidence=evidence)
    await freeze(db, NOON + SECOND)
    assert await runs.finish(db, [failed, ending(2), not_ours], "report") == {
        task_id(1),
        task_id(2),
    }

    [kept] = await rows(db, "select * from fcs.attempts")
    assert (kept["task_id"], kept["attempt"], kept["run_id"]) == (task_id(1), 1, run_id(1))
    assert (kept["started_at"], kept["ended_at"]) == (NOON, NOON + SECOND)
    texts = ("error_type", "error", "trace", "logs")
    assert [kept[name] for name in texts] == ["ValueError", "ouch", "line 1", "said hello"]


async def test_nobody_else_ends_it(db: Connection) -> None:
    """OWNER, F-22: a run is ended by its own token only."""
    await add_running(db, 7, 1, 2)

    assert await runs.finish(db, [ending(1, run=99)], "report") == set()
    assert await runs.finish(db, [ending(1, run=2)], "report") == set()
    assert await status(db, 1) == "running"


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("then", ENDS)
async def test_it_ends_once(db: Connection, first: Status, then: Status) -> None:
    """F-23: the second report of the same run finds it ended."""
    await add_final(db, 7, 1, first)

    assert await runs.finish(db, [ending(1, then)], "report") == set()
    assert await status(db, 1) == first


async def test_what_was_not_begun_cannot_end(db: Connection) -> None:
    await add_tasks(db, 1)
    await add_dispatched(db, 7, 2)

    endings = [ending(1), ending(2), ending(3)]
    assert await runs.finish(db, endings, "report") == set()


async def test_the_rest_of_a_batch_ends_although_one_was_lost(db: Connection) -> None:
    await add_running(db, 7, 1, 3)
    await add_final(db, 7, 2, Status.INTERRUPTED)

    ended = await runs.finish(db, [ending(3, Status.FAILED), ending(2), ending(1)], "report")

    assert ended == {task_id(1), task_id(3)}
    assert [await status(db, n) for n in (1, 2, 3)] == ["succeeded", "interrupted", "failed"]


async def test_a_worker_thought_dead_cannot_turn_interrupted_into_succeeded(
    db: Connection,
) -> None:
    """F-21: the seed's SQL lets a late report change a final status."""
    await add_running(db, 7, 1)
    await reap(db)

    assert await runs.finish(db, [ending(1)], "report") == set()
    assert await status(db, 1) == "interrupted"


async def test_what_it_says_is_kept_beside_the_task(db: Connection) -> None:
    """F-21, F-11: interrupted; the worker later reported success."""
    await add_running(db, 7, 1)
    await reap(db)
    await freeze(db, NOON + SECOND)

    assert await runs.record_late(db, [ending(1, Status.FAILED)]) == {task_id(1)}

    view = await insights.find_task(db, task_id(1))
    assert view is not None
    assert view.status is Status.INTERRUPTED
    assert view.error == "it was silent"
    assert view.late_report == LateReport(run_id(1), Status.FAILED, "ouch", NOON + SECOND)


async def test_a_late_report_sent_twice_is_one(db: Connection) -> None:
    await add_running(db, 7, 1)
    await reap(db)
    await runs.record_late(db, [ending(1)])

    assert await runs.record_late(db, [ending(1)]) == set()
    assert await runs.record_late(db, [ending(1, Status.FAILED)]) == set()
    [kept] = await rows(db, "select status::text from fcs.late_reports")
    assert kept["status"] == "succeeded"


@pytest.mark.parametrize("end", ENDS)
async def test_repeating_what_the_row_says_is_no_late_report(db: Connection, end: Status) -> None:
    """F-23: the answer to the first report was lost, nothing else."""
    await add_final(db, 7, 1, end)

    assert await runs.record_late(db, [ending(1, end)]) == set()


async def test_the_same_end_of_another_run_is_a_late_report(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)

    assert await runs.record_late(db, [ending(1, run=99)]) == {task_id(1)}


async def test_contradicting_oneself_is_recorded(db: Connection) -> None:
    """F-23: the same run with another outcome is a bug that somebody should see."""
    await add_final(db, 7, 1, Status.SUCCEEDED)

    assert await runs.record_late(db, [ending(1, Status.FAILED)]) == {task_id(1)}


async def test_a_late_report_on_a_deleted_task_is_dropped(db: Connection) -> None:
    assert await runs.record_late(db, [ending(1)]) == set()


@pytest.mark.parametrize("before", sorted(FINAL))
@pytest.mark.parametrize("after", list(Status))
async def test_a_final_status_never_changes(db: Connection, before: str, after: str) -> None:
    """FINAL: not even for who writes SQL by hand."""
    await add_tasks(db, 1)
    await db.execute("update fcs.tasks set status = %s, due_at = null", [before])
    held = incarnation(7) if after in ("dispatched", "running") else None
    due = NOON if after == "pending" else None
    update = "update fcs.tasks set status = %s, incarnation = %s, due_at = %s"

    if before == after:
        await db.execute(update, [after, held, due])
        return
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation) as refused:
        async with db.transaction():
            await db.execute(update, [after, held, due])
    assert refused.value.sqlstate == "23000"
    assert str(task_id(1)) in str(refused.value)
    assert refused.value.diag.message_hint
    assert await status(db, 1) == before

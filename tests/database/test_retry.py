"""Another attempt: only for the run that owns the task, only while one is left."""

from typing import Any

import pytest
from tests.database.scene import (
    NOON,
    SECOND,
    add_running,
    add_workers,
    beginning,
    freeze,
    incarnation,
    new,
    row,
    rows,
    run_id,
    status,
    task_id,
    to,
    worker_id,
)

from fcs.database import runs, tasks
from fcs.database.connect import Connection
from fcs.database.runs import Again, Evidence
from fcs.domain.task import AttemptOutcome

W = incarnation(7)
OUCH = Evidence(AttemptOutcome.FAILED, "ValueError", "ValueError: ouch", "line 1", "said hello")


@pytest.fixture(autouse=True)
async def _worker(db: Connection) -> None:
    await add_workers(db, 7, 8)


async def add_retried(db: Connection, n: int, **options: Any) -> None:
    """A running task that may have three attempts."""
    await tasks.create(db, [new(n, **{"max_attempts": 3, **options})])
    await begin(db, n, dispatch_no=1, run=n)


async def begin(db: Connection, n: int, *, dispatch_no: int, run: int) -> None:
    """Each dispatch is that of another attempt."""
    assert await tasks.dispatch(db, to(7, n)) == {task_id(n)}
    one = beginning(n, dispatch_no=dispatch_no, run=run, attempt=dispatch_no)
    assert await runs.begin(db, W, [one]) == {task_id(n)}


def again(n: int, *, run: int | None = None, delay: float = 0.0, more: int = 0) -> Again:
    return Again(task_id(n), run_id(n if run is None else run), delay, OUCH, more)


async def attempts(db: Connection, n: int) -> list[dict[str, Any]]:
    query = "select * from fcs.attempts where task_id = %s order by attempt"
    return await rows(db, query, task_id(n))


async def test_a_failed_run_is_followed_by_another_after_its_pause(db: Connection) -> None:
    await add_retried(db, 1)
    await runs.report_progress(db, {(task_id(1), run_id(1)): "1"})
    await freeze(db, NOON + SECOND)

    assert await runs.retry(db, [again(1, delay=60)], "report") == {run_id(1)}

    waiting = await row(db, 1)
    assert waiting["status"] == "pending"
    assert waiting["due_at"] == NOON + 61 * SECOND
    assert (waiting["attempt"], waiting["max_attempts"]) == (1, 3)
    assert waiting["error"] == "ValueError: ouch"
    gone = ("worker_id", "incarnation", "run_id", "started_at", "progress")
    assert [waiting[column] for column in gone] == [None] * 5


async def test_what_happened_in_the_attempt_is_kept(db: Connection) -> None:
    await add_retried(db, 1)
    await freeze(db, NOON + SECOND)
    await runs.retry(db, [again(1)], "report")

    assert await attempts(db, 1) == [
        {
            "task_id": task_id(1),
            "attempt": 1,
            "run_id": run_id(1),
            "worker_id": worker_id(7),
            "outcome": "failed",
            "started_at": NOON,
            "ended_at": NOON + SECOND,
            "error_type": "ValueError",
            "error": "ValueError: ouch",
            "trace": "line 1",
            "logs": "said hello",
        }
    ]


async def test_it_goes_with_its_task(db: Connection) -> None:
    await add_retried(db, 1)
    await runs.retry(db, [again(1)], "report")
    await tasks.delete(db, [task_id(1)])

    assert await attempts(db, 1) == []


async def test_no_body_starts_more_often_than_allowed(db: Connection) -> None:
    """ONCE, for a task that may be tried three times."""
    await add_retried(db, 1)
    await runs.retry(db, [again(1)], "report")
    await begin(db, 1, dispatch_no=2, run=2)
    await runs.retry(db, [again(1, run=2)], "report")
    await begin(db, 1, dispatch_no=3, run=3)

    assert await runs.retry(db, [again(1, run=3)], "report") == set()
    assert await status(db, 1) == "running"
    assert (await row(db, 1))["attempt"] == 3


async def test_by_default_there_is_no_second_attempt(db: Connection) -> None:
    await add_running(db, 7, 1)

    assert await runs.retry(db, [again(1)], "report") == set()
    assert await status(db, 1) == "running"


async def test_a_snooze_brings_an_attempt_of_its_own(db: Connection) -> None:
    await add_running(db, 7, 1)

    assert await runs.retry(db, [again(1, more=1)], "report") == {run_id(1)}
    assert (await row(db, 1))["max_attempts"] == 2
    await begin(db, 1, dispatch_no=2, run=2)
    assert (await row(db, 1))["attempt"] == 2


async def test_only_the_owner_asks_for_another(db: Connection) -> None:
    """OWNER, F-22."""
    await add_retried(db, 1)

    assert await runs.retry(db, [again(1, run=99)], "report") == set()
    assert await status(db, 1) == "running"
    assert await attempts(db, 1) == []


async def test_what_shall_end_does_not_run_again(db: Connection) -> None:
    await add_retried(db, 1)
    await tasks.cancel(db, [task_id(1)], reason="no need")

    assert await runs.retry(db, [again(1)], "report") == set()
    assert await status(db, 1) == "running"


async def test_sent_twice_it_is_one_and_the_second_answer_says_so(db: Connection) -> None:
    """The first answer may be lost; meanwhile the next attempt may even run."""
    await add_retried(db, 1)
    await runs.retry(db, [again(1)], "report")
    assert await runs.retry(db, [again(1)], "report") == {run_id(1)}
    await begin(db, 1, dispatch_no=2, run=2)

    assert await runs.retry(db, [again(1)], "report") == {run_id(1)}
    assert await status(db, 1) == "running"
    assert (await row(db, 1))["run_id"] == run_id(2)
    assert len(await attempts(db, 1)) == 1


async def test_a_run_that_was_reaped_meanwhile_is_not_said_to_have_been_returned(
    db: Connection,
) -> None:
    await add_retried(db, 1)
    await tasks.reap(db, W, reason="it was silent")

    assert await runs.retry(db, [again(1)], "report") == set()


async def test_never_before_its_time(db: Connection) -> None:
    """EARLY: the row forbids it as well."""
    await freeze(db, NOON + 60 * SECOND)
    await add_retried(db, 1, scheduled_at=NOON + 60 * SECOND)
    await freeze(db, NOON)  # the database's clock is set back
    await runs.retry(db, [again(1)], "report")

    assert (await row(db, 1))["due_at"] == NOON + 60 * SECOND


# When the worker dies.


async def test_a_reaped_run_is_followed_by_another_where_that_was_asked_for(
    db: Connection,
) -> None:
    await add_retried(db, 1, on_interrupt="retry")
    await runs.report_progress(db, {(task_id(1), run_id(1)): "1"})

    moved = await tasks.reap(db, W, reason="it was silent")

    assert (moved.interrupted, moved.retried) == ([], [task_id(1)])
    assert [task.id for task in moved.returned] == [task_id(1)]
    waiting = await row(db, 1)
    assert waiting["status"] == "pending"
    # Not at once: it may have been this very body that killed the worker.
    assert NOON + SECOND <= waiting["due_at"] <= NOON + 2 * SECOND
    gone = ("worker_id", "incarnation", "run_id", "started_at", "progress")
    assert [waiting[column] for column in gone] == [None] * 5
    [kept] = await attempts(db, 1)
    assert (kept["outcome"], kept["error"]) == ("interrupted", "it was silent")


@pytest.mark.parametrize("options", [{"max_attempts": 1, "on_interrupt": "retry"}, {}])
async def test_any_other_is_interrupted(db: Connection, options: dict[str, Any]) -> None:
    await add_retried(db, 1, **options)
    await tasks.reap(db, W, reason="it was silent")

    assert await status(db, 1) == "interrupted"
    [kept] = await attempts(db, 1)
    assert kept["outcome"] == "interrupted"


async def test_a_reaped_run_that_shall_end_does_not_run_again(db: Connection) -> None:
    await add_retried(db, 1, on_interrupt="retry")
    await tasks.cancel(db, [task_id(1)], reason="no need")
    await tasks.reap(db, W, reason="it was silent")

    assert await status(db, 1) == "interrupted"


async def test_a_resent_retry_meets_the_next_run_of_its_task(db: Connection) -> None:
    await add_retried(db, 1)
    await runs.retry(db, [again(1, run=1)], "report")
    await begin(db, 1, dispatch_no=2, run=2)

    assert await runs.retry(db, [again(1, run=1), again(1, run=2)], "report") == {
        run_id(1),
        run_id(2),
    }

    assert [(kept["attempt"], kept["run_id"]) for kept in await attempts(db, 1)] == [
        (1, run_id(1)),
        (2, run_id(2)),
    ]


async def test_a_resent_retry_says_nothing_about_the_next_run(db: Connection) -> None:
    await add_retried(db, 1)
    await runs.retry(db, [again(1, run=1)], "report")
    await begin(db, 1, dispatch_no=2, run=2)
    await tasks.cancel(db, [task_id(1)], reason="")

    assert await runs.retry(db, [again(1, run=1), again(1, run=2)], "report") == {run_id(1)}


async def test_evidence_that_somebody_made_by_hand_is_in_nobodys_way(db: Connection) -> None:
    await add_retried(db, 1)
    await db.execute(
        "insert into fcs.attempts (task_id, attempt, run_id, outcome, started_at)"
        " values (%s, 1, %s, 'failed', fcs.now())",
        [task_id(1), run_id(99)],
    )

    assert await runs.retry(db, [again(1)], "report") == {run_id(1)}

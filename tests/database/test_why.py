"""Why a task is where it is: each cause is told when it is the one, from the rows alone."""

from datetime import timedelta
from typing import Any

import pytest
from tests.database.scene import (
    NOON,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    freeze,
    new,
    registration,
    run_id,
    task_id,
    worker_id,
)
from tests.domain.samples import led, unled

from fcs.database import creation, queues, runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.explaining import explain_task
from fcs.database.runs import Again, Evidence
from fcs.database.why import look_around
from fcs.domain.cluster import ClusterView
from fcs.domain.task import AttemptOutcome, Status
from fcs.domain.topology import Mode
from fcs.domain.why import Around, Why, explain

LED = led()
HASH = unled(mode=Mode.HASH)


async def why(db: Connection, n: int = 1, *, cluster: ClusterView = LED) -> Why:
    """As `explain_task`, in a cluster that is led as the test says."""
    from fcs.database import insights

    task, seen = await insights.find_task(db, task_id(n)), await look_around(db, task_id(n))
    assert task is not None
    assert seen is not None
    around = Around(*seen, await insights.list_workers(db), cluster)
    found = explain(task, around)
    assert found.cause
    assert found.remedy
    return found


async def again(db: Connection, outcome: AttemptOutcome, error: str) -> None:
    """Task 1 has run once, and is to run again in a minute."""
    await add_tasks(db, 1, max_attempts=3)
    await db.execute(
        "update fcs.tasks set status = 'running', due_at = null, attempt = 1, run_id = %s,"
        " incarnation = gen_random_uuid(), started_at = fcs.now()",
        [run_id(1)],
    )
    evidence = Evidence(outcome, error=error)
    more = 1 if outcome is AttemptOutcome.SNOOZED else 0
    assert await runs.retry(db, [Again(task_id(1), run_id(1), 60, evidence, more)], "report")


async def set_limits(db: Connection, **limits: Any) -> None:
    names = ", ".join(limits)
    places = ", ".join(["%s"] * len(limits))
    await db.execute(
        f"insert into fcs.queues (name, {names}) values ('default', {places})".encode(),
        list(limits.values()),
    )


async def test_it_is_scheduled(db: Connection) -> None:
    await add_tasks(db, 1, scheduled_at=NOON + timedelta(minutes=90))
    found = await why(db)
    assert found.code == "scheduled"
    assert found.cause == "it is scheduled for 2026-01-01 13:30:00Z (in 90 min)"


async def test_another_attempt_is_due_later(db: Connection) -> None:
    await again(db, AttemptOutcome.FAILED, "ValueError: ouch")
    found = await why(db)
    assert found.code == "retry"
    assert "attempt 1 of 3 came to nothing (ValueError: ouch)" in found.cause
    assert "12:01:00Z (in 60 s)" in found.cause
    assert f"fcs task attempts {task_id(1)}" in found.remedy


async def test_its_body_asked_for_another_time(db: Connection) -> None:
    await again(db, AttemptOutcome.SNOOZED, "no answer yet")
    found = await why(db)
    assert found.code == "snoozed"
    assert found.cause.endswith("12:01:00Z (in 60 s): no answer yet")


async def test_others_have_to_end_before_it(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1, 2, 3)
    await creation.add(db, [new(4, after=(task_id(1), task_id(2)))])
    await creation.add(db, [new(5, after=(task_id(3),))])
    found = await why(db, 4)
    assert found.code == "dependencies"
    assert found.cause == f"it waits for the end of 2 other tasks: {task_id(1)}, {task_id(2)}"
    assert found.remedy.endswith(f"fcs why {task_id(1)}")
    assert (await why(db, 5)).cause == f"it waits for the end of another task: {task_id(3)}"
    assert (await why(db, 1)).code == "next"


async def test_all_slots_are_busy(db: Connection) -> None:
    assert await workers.register(db, registration(7, slots_total=2), replaces=None)
    await db.execute("update fcs.workers set slots_busy = 2")
    await add_tasks(db, 1, 2)
    found = await why(db, 2)
    assert found.code == "no_free_slot"
    assert "all 2 of the one worker that can run it are busy; 1 of its kind" in found.cause
    assert found.details == {"workers": 1, "slots": 2, "busy": 2, "ahead": 1}


async def test_its_queue_is_paused(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await queues.pause(db, "default", by="ann", why="the printer burns")
    found = await why(db)
    assert found.code == "queue_paused"
    assert found.cause == (
        "queue 'default' is paused by ann since 2026-01-01 12:00:00Z: the printer burns"
    )
    assert "fcs queue resume default" in found.remedy


async def test_the_limit_of_its_queue_is_full(db: Connection) -> None:
    await add_workers(db, 7)
    await set_limits(db, running_max=2)
    await add_running(db, 7, 2)
    await add_dispatched(db, 7, 3)
    await add_tasks(db, 1)
    found = await why(db)
    assert found.code == "limit_full"
    assert f"held: by {task_id(2)}, {task_id(3)}" in found.cause
    assert found.details["held"] == 2


async def test_the_limit_of_its_key_is_full(db: Connection) -> None:
    await add_workers(db, 7)
    await set_limits(db, key_running_max=1)
    await add_running(db, 7, 2)
    await db.execute("update fcs.tasks set limit_key = 'acme'")
    await add_tasks(db, 1, limit_key="acme")
    await add_tasks(db, 4, limit_key="other")
    found = await why(db)
    assert found.code == "limit_full"
    assert "limit key 'acme' in queue 'default' runs 1 at a time" in found.cause
    assert (await why(db, 4)).code == "next"


async def test_its_queue_lets_few_start(db: Connection) -> None:
    await add_workers(db, 7)
    await set_limits(db, rate=0.5)
    await add_tasks(db, 1, 2, 3)
    found = await why(db, 3)
    assert found.code == "rate"
    assert "lets 0.5 tasks start in a second, so its turn comes in about 6 s" in found.cause


async def test_no_worker_knows_its_type(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1, ty="bazz")
    found = await why(db)
    assert found.code == "unknown_type"
    assert "Did you mean 'baz'?" in found.remedy


async def test_no_worker_serves_its_queue(db: Connection) -> None:
    assert await workers.register(db, registration(7, queues=["mail"]), replaces=None)
    await add_tasks(db, 1, queue="male")
    found = await why(db)
    assert found.code == "unserved_queue"
    assert "Did you mean 'mail'?" in found.remedy


async def test_no_worker_is_live(db: Connection) -> None:
    await add_workers(db, 7)
    await db.execute("update fcs.workers set state = 'lost'")
    await add_tasks(db, 1)
    assert (await why(db)).code == "no_worker"


async def test_nobody_is_there_to_lead(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    found = await why(db, cluster=unled())
    assert found.code == "no_supervisor"
    assert "fcs work --elect" in found.remedy
    assert (await explain_task(db, task_id(1))) == found


async def test_where_nobody_has_to_lead_nobody_is_missed(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    assert (await why(db, cluster=HASH)).code == "next"


async def test_nothing_is_in_its_way(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1)
    assert (await why(db)).code == "next"
    await freeze(db, NOON + timedelta(minutes=5))
    found = await why(db)
    assert "due for 5 min" in found.cause
    assert "leader's log" in found.remedy
    assert "fcs doctor" in found.remedy


async def test_what_else_would_hold_it_back_is_said_as_well(db: Connection) -> None:
    await add_tasks(db, 1, scheduled_at=NOON + timedelta(minutes=90))
    await queues.pause(db, "default", by="ann", why="")
    found = await why(db, cluster=unled())
    assert found.code == "scheduled"
    assert [other.code for other in found.also] == ["queue_paused", "no_supervisor", "no_worker"]


async def test_it_was_handed_to_a_worker(db: Connection) -> None:
    await add_workers(db, 7)
    await add_dispatched(db, 7, 1)
    await freeze(db, NOON + timedelta(seconds=2))
    found = await why(db)
    assert found.code == "dispatched"
    assert f"worker {worker_id(7)} 2 s ago, which has not begun it yet" in found.cause
    assert "the leader takes it back" in found.remedy
    assert "another worker takes it back" in (await why(db, cluster=HASH)).remedy


@pytest.mark.parametrize("status", [Status.DISPATCHED, Status.RUNNING])
async def test_its_worker_is_silent_or_gone(db: Connection, status: Status) -> None:
    await add_workers(db, 7)
    await (add_dispatched if status is Status.DISPATCHED else add_running)(db, 7, 1)
    await freeze(db, NOON + timedelta(seconds=4))
    found = await why(db)
    assert found.code == "worker_lost"
    assert "silent for 4 s" in found.cause
    assert found.remedy.startswith("The leader ")
    assert (await why(db, cluster=HASH)).remedy.startswith("Another worker ")
    await db.execute("delete from fcs.workers")
    assert "is gone" in (await why(db)).cause


async def test_it_runs(db: Connection) -> None:
    await add_workers(db, 7)
    await add_running(db, 7, 1)
    found = await why(db)
    assert found.code == "running"
    assert f"on worker {worker_id(7)} since 2026-01-01 12:00:00Z" in found.cause
    assert f"fcs task wait {task_id(1)}" in found.remedy


async def test_it_runs_longer_than_it_may(db: Connection) -> None:
    await add_workers(db, 7)
    await add_running(db, 7, 1)
    await db.execute("update fcs.tasks set timeout = 1")
    await freeze(db, NOON + timedelta(seconds=2))
    found = await why(db)
    assert found.code == "past_timeout"
    assert "longer than its timeout of 1 s" in found.cause


async def test_it_was_asked_to_end(db: Connection) -> None:
    await add_workers(db, 7)
    await add_running(db, 7, 1)
    await tasks.cancel(db, [task_id(1)], reason="ordered twice")
    found = await why(db)
    assert found.code == "cancel_asked"
    assert found.cause.endswith("asked to end at 2026-01-01 12:00:00Z: ordered twice")
    assert found.also == []


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.INTERRUPTED])
async def test_it_has_ended(db: Connection, status: Status) -> None:
    await add_workers(db, 7)
    await add_final(db, 7, 1, status)
    found = await why(db)
    assert found.code == status
    assert "at 2026-01-01 12:00:00Z" in found.cause
    if status is Status.FAILED:
        assert found.cause.endswith("in attempt 1 of 1: ouch")
        assert f"fcs task retry {task_id(1)}" in found.remedy
    if status is Status.INTERRUPTED:
        assert found.remedy.startswith("Nobody knows how far it came")


async def test_it_was_cancelled(db: Connection) -> None:
    await add_tasks(db, 1)
    await tasks.cancel(db, [task_id(1)], reason="ordered twice")
    found = await why(db)
    assert found.code == "cancelled"
    assert found.cause.endswith("12:00:00Z: cancelled before it started: ordered twice")


async def test_what_is_not_there_needs_no_reason(db: Connection) -> None:
    assert await explain_task(db, task_id(1)) is None
    await add_tasks(db, 1)
    assert (await explain_task(db, task_id(1))) is not None

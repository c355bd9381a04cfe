"""Workers in the database: one process per id, leases by the database's clock, a final end."""

import pytest
from tests.database.scene import (
    NOBODY,
    NOON,
    SECOND,
    add_dispatched,
    add_workers,
    freeze,
    incarnation,
    registration,
    rows,
    worker_id,
    worker_row,
)

from fcs.database import workers
from fcs.database.connect import Connection
from fcs.database.workers import Beaten, Registered
from fcs.domain.facts import Beat, WorkerState
from fcs.domain.topology import Mode

W, NEXT = incarnation(7), incarnation(77)


async def test_a_registered_worker_is_there(db: Connection) -> None:
    announced = registration(7, queues=["mail"], types=["foo", "baz"], listen="127.0.0.1:5000")
    assert await workers.register(db, announced, replaces=None)
    await freeze(db, NOON + 2 * SECOND)

    assert (await workers.survey(db)).workers == [
        WorkerState(W, worker_id(7), "live", 0, 2.0, 0, 4, 0, 0, 0, ["mail"], ["foo", "baz"])
    ]


async def test_a_taken_id_is_not_taken_again(db: Connection) -> None:
    """F-36: two processes with one id (a TODO of the seed)."""
    await add_workers(db, 7)

    again = registration(7, incarnation=NEXT)
    assert not await workers.register(db, again, replaces=None)
    assert not await workers.register(db, again, replaces=NOBODY)
    assert (await worker_row(db, 7))["incarnation"] == W


async def test_who_takes_an_id_over_starts_from_nothing(db: Connection) -> None:
    await add_workers(db, 7)
    await workers.beat(db, W, report_no=5, slots_busy=2, tasks_taken=9, follows=Mode.ELECTED)
    await db.execute("update fcs.workers set tasks_sent = 11, testified_at = fcs.now()")
    await freeze(db, NOON + SECOND)

    announced = registration(
        7,
        incarnation=NEXT,
        slots_total=2,
        queues=["mail"],
        types=["foo"],
        host="there",
        pid=9,
        version="2",
        listen="127.0.0.1:1",
    )
    assert await workers.register(db, announced, replaces=W)

    assert await worker_row(db, 7) == {
        "id": worker_id(7),
        "incarnation": NEXT,
        "state": "live",
        "started_at": NOON + SECOND,
        "beat_at": NOON + SECOND,
        "beat_no": 0,
        "report_no": 0,
        "slots_total": 2,
        "slots_busy": 0,
        "tasks_sent": 0,
        "tasks_taken": 0,
        "queues": ["mail"],
        "types": ["foo"],
        "host": "there",
        "pid": 9,
        "version": "2",
        "listen": "127.0.0.1:1",
        "follows": None,
        "testified_at": None,
    }


async def test_a_replaced_process_is_fenced(db: Connection) -> None:
    """F-37: a paused twin that wakes up after the take-over."""
    await add_workers(db, 7)
    await workers.register(db, registration(7, incarnation=NEXT), replaces=W)

    assert await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=0) is None
    assert not await workers.lock_worker(db, W)
    await workers.drain(db, W)
    await workers.end_worker(db, W, state="gone")
    assert (await worker_row(db, 7))["state"] == "live"


async def test_who_wants_an_id_learns_who_holds_it_and_for_how_long_it_was_silent(
    db: Connection,
) -> None:
    await db.execute("select set_config('fcs.now', '', false)")
    assert await workers.lock_registration(db, worker_id(7)) is None

    await add_workers(db, 7)
    await workers.beat(db, W, report_no=0, slots_busy=0, tasks_taken=0)
    await db.execute("update fcs.workers set beat_at = clock_timestamp() + interval '1 hour'")
    held = await workers.lock_registration(db, worker_id(7))
    assert held is not None
    assert held[:3] == (W, "live", 1)
    assert -3_600 <= held.silent < 0


async def test_a_lease_is_not_older_than_this_start_of_postgres(db: Connection) -> None:
    """F-43: nobody could beat while it was down."""
    await add_workers(db, 7)
    await db.execute("update fcs.workers set beat_at = pg_postmaster_start_time() - interval '1 d'")
    await db.execute(
        "select set_config('fcs.now', (pg_postmaster_start_time() + interval '3 s')::text, false)"
    )

    held = await workers.lock_registration(db, worker_id(7))
    assert held == Registered(W, "live", 0, 3.0)


async def test_a_beat_renews_the_lease_and_says_how_things_are(db: Connection) -> None:
    await add_workers(db, 7, 8)
    await db.execute("update fcs.workers set tasks_sent = 9 where incarnation = %s", [W])
    await freeze(db, NOON + SECOND)

    learned = await workers.beat(db, W, report_no=3, slots_busy=2, tasks_taken=5)
    [home] = await rows(db, "select id from fcs.identity")
    assert learned == Beaten(9, Mode.ELECTED, home["id"])

    beaten, other = await worker_row(db, 7), await worker_row(db, 8)
    assert (beaten["beat_at"], beaten["beat_no"]) == (NOON + SECOND, 1)
    assert (beaten["report_no"], beaten["slots_busy"], beaten["tasks_taken"]) == (3, 2, 5)
    assert (other["beat_at"], other["beat_no"]) == (NOON, 0)


@pytest.mark.parametrize(("state", "lives"), [("draining", True), ("lost", False), ("gone", False)])
async def test_who_drains_still_beats_and_who_has_ended_does_not(
    db: Connection, state: str, lives: bool
) -> None:
    await add_workers(db, 7)
    await db.execute(b"update fcs.workers set state = %s", [state])

    sent = await workers.beat(db, W, report_no=1, slots_busy=0, tasks_taken=0)
    assert (sent is not None) == lives
    assert await workers.lock_worker(db, W) == lives
    assert len((await workers.survey(db)).workers) == lives


async def test_who_drains_asks_for_no_more(db: Connection) -> None:
    """F-48."""
    await add_workers(db, 7, 8)
    await workers.drain(db, W)

    assert (await worker_row(db, 7))["state"] == "draining"
    assert (await worker_row(db, 8))["state"] == "live"


@pytest.mark.parametrize("state", ["lost", "gone"])
async def test_who_has_ended_does_not_come_back_by_draining(db: Connection, state: str) -> None:
    await add_workers(db, 7)
    await workers.end_worker(db, W, state=state)
    await workers.drain(db, W)

    assert (await worker_row(db, 7))["state"] == state


async def test_a_worker_is_held_for_its_end_only_as_it_was_seen(db: Connection) -> None:
    """F-46: it may have beaten since it was surveyed."""
    await add_workers(db, 7)
    await workers.beat(db, W, report_no=0, slots_busy=0, tasks_taken=0)

    assert await workers.lock_worker(db, W, beat_no=1)
    assert not await workers.lock_worker(db, W, beat_no=0)
    assert not await workers.lock_worker(db, NOBODY)
    assert await workers.lock_worker(db, W)


async def test_an_ended_worker_owes_nothing(db: Connection) -> None:
    await add_workers(db, 7)
    await db.execute("update fcs.workers set slots_busy = 3, tasks_sent = 9, tasks_taken = 7")
    await workers.end_worker(db, W, state="lost")

    ended = await worker_row(db, 7)
    assert (ended["state"], ended["slots_busy"]) == ("lost", 0)
    assert ended["tasks_sent"] == ended["tasks_taken"]


async def test_the_clock_is_the_database_s(db: Connection) -> None:
    clocks = await workers.survey(db)

    assert clocks.now == NOON
    [age] = await rows(
        db, "select extract(epoch from clock_timestamp() - pg_postmaster_start_time()) as seconds"
    )
    assert 0 < clocks.uptime <= age["seconds"]


async def test_who_stands_by_sees_the_beats_of_those_who_are_there(db: Connection) -> None:
    await add_workers(db, 7, 8, 9)
    await workers.beat(db, W, report_no=0, slots_busy=0, tasks_taken=0)
    await workers.drain(db, incarnation(8))
    await workers.end_worker(db, incarnation(9), state="gone")
    await freeze(db, NOON + 2 * SECOND)

    seen = await workers.beats(db)

    assert sorted(seen.beats) == [Beat(W, 1, 2.0), Beat(incarnation(8), 0, 2.0)]
    assert 0 < seen.uptime <= (await workers.survey(db)).uptime


async def test_who_stands_by_sees_without_any_worker_until_when_the_leader_leads(
    db: Connection,
) -> None:
    await db.execute("update fcs.leadership set expires_at = fcs.now() + interval '3 s'")

    seen = await workers.beats(db)

    assert (seen.renewed_until, seen.beats) == (NOON + 3 * SECOND, [])


async def test_rows_of_the_ended_are_forgotten_after_a_while(db: Connection) -> None:
    await add_workers(db, 1, 2, 3)
    await workers.end_worker(db, incarnation(1), state="lost")
    await freeze(db, NOON + 10 * SECOND)
    await add_workers(db, 4)
    await workers.end_worker(db, incarnation(4), state="gone")
    await workers.drain(db, incarnation(3))
    await freeze(db, NOON + 20 * SECOND)

    assert await workers.forget_ended(db, seconds=15) == 1
    assert {found["id"] for found in await rows(db, "select id from fcs.workers")} == {
        worker_id(n) for n in (2, 3, 4)
    }


async def test_who_holds_tasks_and_is_no_worker_is_found(db: Connection) -> None:
    """LIVE: nobody else looks for those whose row was removed by hand."""
    await add_workers(db, 1, 2, 3)
    for n in (1, 2, 3):
        await add_dispatched(db, n, n)
    assert await workers.strangers(db) == []

    await db.execute("delete from fcs.workers where id = %s", [worker_id(2)])
    await workers.end_worker(db, incarnation(3), state="lost")
    assert await workers.strangers(db) == [incarnation(2), incarnation(3)]

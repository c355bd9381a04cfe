"""A database that may have forgotten something: nothing begins on it (F-79, F-80)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.database.interleave import Act, staged
from tests.database.scene import (
    NOON,
    SECOND,
    add_dispatched,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    ending,
    freeze,
    incarnation,
    row,
    rows,
    run_id,
    status,
    task_id,
    to,
    worker_id,
)

from fcs.database import home as module
from fcs.database import identity, runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.home import Home, hold_on, verdict_on
from fcs.database.runs import Again, Evidence, Receipt
from fcs.domain.errors import DatabaseUnavailable, OnHold
from fcs.domain.identity import BINDS_FOR, awaits_adoption
from fcs.domain.ids import TaskId
from fcs.domain.task import AttemptOutcome, Status

W = incarnation(7)
UNNAMED = "walreceiver"
"""How this server would be called as a standby."""


@pytest.fixture
async def home(db: Connection) -> Connection:
    """A database on which somebody has begun something."""
    await Home(part="test").enter(db)
    await add_workers(db, 7)
    return db


async def change(db: Connection, assignments: str) -> None:
    await db.execute(f"update fcs.identity set {assignments}".encode())


async def identity_row(db: Connection) -> dict[str, Any]:
    [found] = await rows(db, "select * from fcs.identity")
    return found


COPIES = {
    "another server": "system = system + 1",
    "another database": "database = database + 1",
    "promoted": "timeline = timeline - 1",
}
STALE = "server_started_at = server_started_at - interval '1 s'"


async def begin(db: Connection) -> object:
    return await runs.begin(db, W, [beginning(1)])


async def dispatch(db: Connection) -> object:
    return await tasks.dispatch(db, to(7, 2))


async def survey(db: Connection) -> object:
    return await workers.survey(db)


ACTS: list[Callable[[Connection], Awaitable[object]]] = [begin, dispatch, survey]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
@pytest.mark.parametrize(
    "changed",
    [
        STALE,
        "on_hold_since = fcs.now()",
        "standbys = 's1', standbys_seen_at = fcs.now() - interval '89 s'",
    ],
)
async def test_nothing_is_handed_out_or_begun_where_nobody_has_looked(
    home: Connection, act: Callable[[Connection], Awaitable[object]], changed: str
) -> None:
    await add_dispatched(home, 7, 1)
    await add_tasks(home, 2)
    await change(home, changed)

    with pytest.raises(OnHold):
        await act(home)
    assert [await status(home, 1), await status(home, 2)] == ["dispatched", "pending"]
    beaten = await workers.beat(home, W, report_no=1, slots_busy=0, tasks_taken=0)
    assert beaten is not None
    assert beaten.home is None


@pytest.mark.parametrize(
    "changed",
    [
        "standbys = ''",
        "standbys = 's1', standbys_seen_at = fcs.now() - interval '91 s'",
        "system = null, database = null, timeline = null, server_started_at = null",
    ],
)
async def test_else_they_are(home: Connection, changed: str) -> None:
    await add_dispatched(home, 7, 1)
    await add_tasks(home, 2)
    await change(home, changed)

    assert await begin(home) == {task_id(1)}
    assert await dispatch(home) == {task_id(2)}
    await survey(home)


async def test_a_claim_binds_as_long_as_the_domain_says(home: Connection) -> None:
    for age, is_open in ((BINDS_FOR - 1, False), (BINDS_FOR + 1, True)):
        await change(
            home, f"standbys = 's1', standbys_seen_at = fcs.now() - make_interval(secs => {age})"
        )
        seen = await identity.look(home)
        assert seen.is_open == is_open
        assert (seen.binds_for > 0) != is_open


async def test_who_comes_first_writes_down_where_it_is(db: Connection) -> None:
    assert (await identity_row(db))["system"] is None
    await Home(part="test").enter(db)

    known = await identity_row(db)
    [found] = await rows(
        db,
        """
        select system_identifier as system, timeline_id as timeline, oid::bigint as database
          from pg_control_system(), pg_control_checkpoint(), pg_database
         where datname = current_database()
        """,
    )
    assert {name: known[name] for name in found} == found
    assert known["since"] is None


async def test_a_promoted_standby_that_knows_of_no_begin_is_put_on_hold(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-79: it may have been cut off before the first one."""
    monkeypatch.setattr(module, "LOOK_AGAIN", 0.01)
    await change(db, "made_timeline = made_timeline - 1")
    waiting = asyncio.create_task(Home(part="test").enter(db))

    assert "nobody has begun anything" in await until_on_hold(db)
    with pytest.raises(OnHold):
        await survey(db)
    await identity.adopt(db, await identity.look(db))
    await waiting


async def test_a_server_that_was_started_anew_is_still_the_same(home: Connection) -> None:
    before = await identity_row(home)
    await change(home, STALE)
    await Home(part="test").enter(home)

    assert await identity_row(home) == before
    await survey(home)


async def until_on_hold(db: Connection, seconds: float = 30.0) -> str:
    async with asyncio.timeout(seconds):
        while (found := await identity_row(db))["on_hold_since"] is None:
            await asyncio.sleep(0.01)
    return str(found["on_hold_why"])


@pytest.mark.parametrize("copy", COPIES)
async def test_a_copy_is_put_on_hold_until_somebody_adopts_it(
    home: Connection, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN", 0.01)
    before = await identity_row(home)
    await change(home, f"{COPIES[copy]}, {STALE}")
    waiting = asyncio.create_task(Home(part="test").enter(home))
    why = await until_on_hold(home)

    with pytest.raises(OnHold):
        await survey(home)
    assert await hold_on(home) == awaits_adoption(why)
    assert not waiting.done()
    assert await identity.adopt(home, await identity.look(home)) == []
    await waiting
    await survey(home)
    after = await identity_row(home)
    assert after["id"] != before["id"]
    assert {name: after[name] for name in ("system", "database", "timeline")} == {
        name: before[name] for name in ("system", "database", "timeline")
    }


async def test_a_promoted_standby_that_commits_waited_for_goes_on_by_itself(
    home: Connection,
) -> None:
    before = await identity_row(home)
    await change(home, f"{COPIES['promoted']}, {STALE}, standbys = '{UNNAMED}'")
    await change(home, "standbys_seen_at = fcs.now() - interval '59 s'")
    await Home(part="test").enter(home)

    after = await identity_row(home)
    assert after["id"] == before["id"]
    assert after["timeline"] == before["timeline"]
    assert after["standbys"] == ""
    assert after["since"] == NOON
    await survey(home)


@pytest.mark.parametrize(
    "claim",
    [
        "standbys = ''",
        "standbys = 'other'",
        f"standbys = '{UNNAMED}', standbys_seen_at = fcs.now() - interval '61 s'",
    ],
)
async def test_any_other_does_not(home: Connection, claim: str) -> None:
    await change(home, f"{COPIES['promoted']}, {STALE}, standbys_seen_at = fcs.now()")
    await change(home, claim)

    assert not verdict_on(await identity.look(home)).is_home
    assert await hold_on(home)


async def test_whether_it_was_that_standby_has_to_be_readable(
    modest_role: str, home: Connection
) -> None:
    """F-79: in doubt it holds, and says what would help."""
    await change(home, f"{COPIES['promoted']}, {STALE}, standbys = '{UNNAMED}'")
    await change(home, "standbys_seen_at = fcs.now()")
    await home.execute(f"grant usage on schema fcs to {modest_role}".encode())
    await home.execute(f"grant select on all tables in schema fcs to {modest_role}".encode())
    await home.execute(f"set local role {modest_role}".encode())
    verdict = verdict_on(await identity.look(home))
    await home.execute("reset role")

    assert not verdict.is_home
    assert "grant pg_read_all_settings" in verdict.why
    assert verdict_on(await identity.look(home)).is_home


@pytest.mark.parametrize(
    ("primary_conninfo", "cluster_name", "name"),
    [
        ("host=a application_name='s 1' password=x", "main", "s 1"),
        ("host=a", "main", "main"),
        ("host=a", "", UNNAMED),
        ("", "", UNNAMED),
        (None, "main", "main"),
        (None, "", None),
    ],
)
def test_a_standby_goes_by_the_name_that_postgres_takes(
    primary_conninfo: str | None, cluster_name: str, name: str | None
) -> None:
    assert identity._name(primary_conninfo, cluster_name) == name


async def test_leases_do_not_count_from_before_a_server_was_the_one(home: Connection) -> None:
    """F-43: nobody could beat to it."""
    [started] = await rows(home, "select pg_postmaster_start_time() + interval '60 s' as at")
    await freeze(home, started["at"])
    await change(home, "since = fcs.now() - interval '3 s'")

    held = await workers.lock_registration(home, worker_id(7))
    assert held is not None
    assert held.silent == 3.0
    await change(home, "since = clock_timestamp() + interval '1 h'")
    assert (await workers.survey(home)).uptime < 0


async def test_who_was_quicker_is_not_written_over(home: Connection) -> None:
    await change(home, STALE)
    seen = await identity.look(home)
    assert await identity.hold(home, seen, why="a copy")

    assert not await identity.hold(home, seen, why="another")
    assert not await identity.record(home, seen)
    assert await identity.adopt(home, seen) is None
    assert await identity.adopt(home, await identity.look(home)) == []
    assert await identity.adopt(home, await identity.look(home)) is None


async def test_what_another_server_was_asked_is_not_written_here(home: Connection) -> None:
    """A pooler may lead elsewhere between two statements."""
    await change(home, STALE)
    seen = await identity.look(home)
    elsewhere = seen._replace(found_server_started_at=NOON)

    assert not await identity.record(home, elsewhere)
    assert not await identity.hold(home, elsewhere, why="a copy")


async def test_a_claim_stands_until_nobody_trusts_it_any_more(home: Connection) -> None:
    await change(home, "standbys = 's1', standbys_seen_at = fcs.now() - interval '60 s'")
    assert not await identity.claim(home, "", in_force="")
    await change(home, "standbys_seen_at = fcs.now() - interval '91 s'")
    assert not await identity.claim(home, "s2", in_force="s2"), "that is not in force"
    assert await identity.claim(home, "", in_force="")

    claimed = await identity_row(home)
    assert (claimed["standbys"], claimed["standbys_seen_at"]) == ("", NOON)


async def test_a_primary_of_the_past_is_not_entered(home: Connection) -> None:
    """F-81: whoever has seen the next timeline does not go back."""
    at_home = Home(part="test")
    await at_home.enter(home)
    latest = at_home._latest
    assert latest is not None
    at_home._latest = latest._replace(timeline=latest.timeline + 1)

    with pytest.raises(DatabaseUnavailable, match="timeline 2"):
        await at_home.enter(home)


async def test_a_witness_is_heard_once_while_on_hold_and_once_after(
    home: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN", 0.01)
    heard = []

    async def testify(db: Connection) -> None:
        heard.append(await hold_on(db))

    witness = Home(part="test", testify=testify)
    await witness.enter(home)
    await witness.take_leave(home)
    assert heard == []
    await change(home, f"{COPIES['promoted']}, {STALE}")
    entering = asyncio.create_task(witness.enter(home))
    why = await until_on_hold(home)
    await asyncio.sleep(0.1)
    assert heard == [awaits_adoption(why)]
    assert await identity.adopt(home, await identity.look(home)) == []
    await entering
    assert heard == [awaits_adoption(why), None]


# --- What a worker tells ---


def receipt(n: int, *, run: int | None = None, attempt: int = 1, is_over: bool = True) -> Receipt:
    return Receipt(task_id(n), run_id(n if run is None else run), attempt, 3.0, is_over)


async def evidence(db: Connection, n: int) -> list[tuple[int, Any, str]]:
    found = await rows(
        db, "select * from fcs.attempts where task_id = %s order by attempt", task_id(n)
    )
    return [(one["attempt"], one["run_id"], one["outcome"]) for one in found]


@pytest.mark.parametrize("is_dispatched", [False, True])
async def test_a_task_whose_begin_was_forgotten_does_not_wait_any_more(
    home: Connection, is_dispatched: bool
) -> None:
    """ONCE: its body has started, whatever the row says."""
    await add_tasks(home, 1)
    if is_dispatched:
        await tasks.dispatch(home, to(7, 1))
    assert await runs.testify(home, worker_id(7), [receipt(1)]) == {task_id(1)}

    found = await row(home, 1)
    assert (found["status"], found["attempt"], found["run_id"]) == ("interrupted", 1, run_id(1))
    assert found["started_at"] == NOON - 3 * SECOND
    assert found["worker_id"] == worker_id(7)
    assert "forgotten" in found["error"]
    assert await evidence(home, 1) == [(1, run_id(1), "interrupted")]
    assert await runs.record_late(home, [ending(1)]) == {task_id(1)}


async def test_a_run_that_goes_on_by_the_row_but_is_over_is_interrupted(home: Connection) -> None:
    await add_running(home, 7, 1, 2)
    told = [receipt(1), receipt(2, is_over=False)]

    assert await runs.testify(home, worker_id(7), told) == {task_id(1)}
    assert [await status(home, 1), await status(home, 2)] == ["interrupted", "running"]
    assert (await row(home, 1))["attempt"] == 1


async def test_each_forgotten_run_counts_as_an_attempt(home: Connection) -> None:
    """And where another one was asked for, there is one, but never more than were asked for."""
    again = {"max_attempts": 4, "on_interrupt": "retry"}
    await add_tasks(home, 1, 2, **again)
    await tasks.dispatch(home, to(7, 1))
    await runs.begin(home, W, [beginning(1)])
    told = [receipt(1), receipt(1, run=11, attempt=2), receipt(1, run=12, attempt=3)]

    assert await runs.testify(home, worker_id(7), told) == {task_id(1)}
    found = await row(home, 1)
    assert (found["status"], found["attempt"], found["run_id"]) == ("pending", 3, None)
    assert await evidence(home, 1) == [
        (1, run_id(1), "interrupted"),
        (2, run_id(11), "interrupted"),
        (3, run_id(12), "interrupted"),
    ]
    many = [receipt(2, run=20 + n, attempt=n) for n in range(1, 10)]
    await runs.testify(home, worker_id(7), many)
    assert ((await row(home, 2))["status"], (await row(home, 2))["attempt"]) == ("interrupted", 4)


async def test_a_later_run_than_the_one_of_the_row_is_believed(home: Connection) -> None:
    """ONCE: the row's run was given back unstarted, and that was forgotten. Its worker, which has
    started nothing, will give it back once more; the body has started elsewhere since."""
    await add_running(home, 7, 1)
    await change(home, "on_hold_since = fcs.now()")

    later = receipt(1, run=11, is_over=False)
    assert await runs.testify(home, worker_id(8), [later]) == {task_id(1)}

    await change(home, "on_hold_since = null")
    assert await runs.release(home, [(task_id(1), run_id(1))]) == set()
    found = await row(home, 1)
    assert (found["status"], found["run_id"], found["worker_id"]) == (
        "interrupted",
        run_id(11),
        worker_id(8),
    )


async def test_an_attempt_after_the_one_of_the_row_is_believed(home: Connection) -> None:
    """ONCE: the retry was forgotten before its answer came, and its worker has begun again."""
    await add_tasks(home, 1, max_attempts=3, on_interrupt="retry")
    await tasks.dispatch(home, to(7, 1))
    await runs.begin(home, W, [beginning(1)])
    told = [receipt(1, is_over=False), receipt(1, run=11, attempt=2, is_over=False)]

    assert await runs.testify(home, worker_id(7), told) == {task_id(1)}

    failed = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    assert await runs.retry(home, [Again(task_id(1), run_id(1), 0.0, failed)], "") == set()
    found = await row(home, 1)
    assert (found["status"], found["attempt"]) == ("pending", 2)


async def test_whoever_tells_first_no_attempt_is_counted_twice(home: Connection) -> None:
    """ONCE: of the forgotten attempts two workers know one each."""
    again = {"max_attempts": 4, "on_interrupt": "retry"}
    await add_tasks(home, 1, 2, **again)
    await tasks.dispatch(home, to(7, 1, 2))
    await runs.begin(home, W, [beginning(1), beginning(2)])
    await change(home, "on_hold_since = fcs.now()")
    first, second = [receipt(1)], [receipt(1, run=11, attempt=2, is_over=False)]
    await runs.testify(home, worker_id(8), second)
    await runs.testify(home, worker_id(7), first)
    await runs.testify(home, worker_id(7), [receipt(2)])
    await runs.testify(home, worker_id(8), [receipt(2, run=12, attempt=2, is_over=False)])

    attempts = [(await row(home, n))["attempt"] for n in (1, 2)]
    assert attempts == [2, 2]
    assert [await status(home, n) for n in (1, 2)] == ["pending", "pending"]


async def test_the_number_of_a_forgotten_attempt_is_told(home: Connection) -> None:
    """ONCE: who knows of the one before may be gone, but its number is not free."""
    await add_tasks(home, 1, max_attempts=4, on_interrupt="retry")

    await runs.testify(home, worker_id(8), [receipt(1, run=11, attempt=2)])

    assert (await row(home, 1))["attempt"] == 2
    assert await evidence(home, 1) == [(2, run_id(11), "interrupted")]


async def test_what_began_after_the_adoption_is_not_taken_for_forgotten(home: Connection) -> None:
    """A worker that comes late tells of a run that the present one does not follow."""
    await add_running(home, 7, 1)

    assert await runs.testify(home, worker_id(8), [receipt(1, run=11, attempt=2)]) == set()
    assert await status(home, 1) == "running"


async def test_what_the_database_knows_is_not_changed_by_telling_it(home: Connection) -> None:
    """It may be told twice, or by a worker that was wrong about what was forgotten."""
    await add_tasks(home, 1, max_attempts=2)
    await tasks.dispatch(home, to(7, 1))
    await runs.begin(home, W, [beginning(1)])
    failed = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    await runs.retry(home, [Again(task_id(1), run_id(1), 0.0, failed)], "")
    await add_running(home, 7, 2)
    await runs.finish(home, [ending(2)], "")
    await add_running(home, 7, 3)
    before = [await row(home, n) for n in (1, 2, 3)]
    told = [receipt(1), receipt(2), receipt(3, is_over=False), receipt(3, run=33), receipt(4)]

    assert await runs.testify(home, worker_id(7), told) == set()
    assert [await row(home, n) for n in (1, 2, 3)] == before


@pytest.mark.parametrize("first", ["retry", "reap", "testify"])
async def test_a_run_that_is_moved_meanwhile_does_not_count_twice(
    clean_url: str, first: str
) -> None:
    """Whoever tells of it waits for the one who moves it, and sees what he has left behind."""
    failed = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")

    async def testify(db: Connection) -> set[TaskId]:
        await runs.hold_told(db, [receipt(1)])
        return await runs.testify(db, worker_id(7), [receipt(1)])

    acts: dict[str, Act] = {
        "retry": lambda db: runs.retry(db, [Again(task_id(1), run_id(1), 0.0, failed)], ""),
        "reap": lambda db: tasks.reap(db, W, reason="it was silent"),
        "testify": testify,
    }
    async with staged(clean_url) as stage:
        await add_workers(stage.observer, 7)
        await add_tasks(stage.observer, 1, max_attempts=2, on_interrupt="retry")
        await tasks.dispatch(stage.observer, to(7, 1))
        await runs.begin(stage.observer, W, [beginning(1)])
        played = await stage.play(acts[first], testify)

        assert (played.second, played.waited) == (set(), True)
        found = await row(stage.observer, 1)
        assert (found["status"], found["attempt"]) == ("pending", 1)
        assert len(await evidence(stage.observer, 1)) == 1


async def test_nothing_is_given_back_where_it_may_have_been_forgotten(home: Connection) -> None:
    """The row says that it runs; that it has ended may be what is lost."""
    await add_running(home, 7, 1)
    await change(home, "on_hold_since = fcs.now()")
    assert await runs.release(home, [(task_id(1), run_id(1))]) == set()
    await change(home, "on_hold_since = null")
    assert await runs.release(home, [(task_id(1), run_id(1))]) == {task_id(1)}


# --- Adoption ---


async def test_what_lay_with_a_worker_that_has_not_spoken_does_not_run_again(
    home: Connection,
) -> None:
    """Never a silent second run: nobody knows whether it began."""
    await add_workers(home, 8)
    await add_dispatched(home, 7, 1)
    await add_dispatched(home, 8, 2)
    await add_running(home, 7, 3)
    await add_tasks(home, 4)
    await add_tasks(home, 5, max_attempts=2, on_interrupt="retry")
    await tasks.dispatch(home, to(7, 5))
    await change(home, "on_hold_since = fcs.now()")
    await freeze(home, NOON + SECOND)
    await workers.has_testified(home, incarnation(8))

    seen = {one.id: one for one in await identity.in_hand(home, limit=10)}
    assert {one.id.int: one.has_testified for one in seen.values()} == {
        1: False, 2: True, 3: False, 5: False,
    }  # fmt: skip
    witnesses = await identity.witnesses(home, patience=0)
    heard = {one.id: one.has_testified for one in witnesses}
    assert heard == {worker_id(7): False, worker_id(8): True}

    assert await identity.adopt(home, await identity.look(home)) == [task_id(1), task_id(5)]
    assert [await status(home, n) for n in range(1, 6)] == [
        Status.INTERRUPTED, Status.DISPATCHED, Status.RUNNING, Status.PENDING, Status.PENDING,
    ]  # fmt: skip
    assert (await row(home, 5))["attempt"] == 1


async def test_who_may_still_tell_is_awaited(home: Connection) -> None:
    await add_workers(home, 8, 9)
    await freeze(home, NOON + 10 * SECOND)
    await change(home, "on_hold_since = fcs.now()")
    await workers.beat(home, incarnation(8), report_no=1, slots_busy=0, tasks_taken=0)
    await workers.has_testified(home, incarnation(9))

    async def awaited(patience: float) -> set[int]:
        found = await identity.witnesses(home, patience=patience)
        return {one.id.int - worker_id(0).int for one in found if one.is_awaited}

    assert await awaited(5) == {7, 8}
    await freeze(home, NOON + 14 * SECOND)
    assert await awaited(5) == {7, 8}
    await freeze(home, NOON + 16 * SECOND)
    assert await awaited(5) == {8}
    await workers.has_testified(home, incarnation(8))
    assert await awaited(5) == set()


async def test_what_a_worker_told_another_time_does_not_count(home: Connection) -> None:
    await add_dispatched(home, 7, 1)
    await workers.has_testified(home, W)
    await freeze(home, NOON + timedelta(hours=1))
    await change(home, "on_hold_since = fcs.now()")

    assert await identity.adopt(home, await identity.look(home)) == [task_id(1)]


async def test_where_nothing_is_on_hold_nothing_is_adopted(home: Connection) -> None:
    seen = await identity.look(home)
    assert seen.on_hold_since is None

    assert await identity.adopt(home, seen) is None
    assert (await identity.look(home)).id == seen.id

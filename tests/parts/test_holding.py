"""A database that may have forgotten something: nothing begins, and workers tell what they know.

The copy is made in place: what is known of the database is changed, all sessions end, and rows are
set back to what they were. Real copies and failovers are in `tests/system/test_failover.py`.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from tests.parts.lonely import Lonely
from tests.parts.stage import (
    CALM,
    connected,
    count,
    give,
    reach,
    supervising,
    until,
    until_so,
    view,
    working,
)

from fcs import App, Backoff, Status, current
from fcs.database import adoption, identity, runs
from fcs.database import home as home_module
from fcs.database.adoption import Adoption
from fcs.database.connect import Connection
from fcs.database.runs import Beginning
from fcs.domain.errors import Fenced
from fcs.domain.identity import Fate
from fcs.domain.ids import Incarnation, TaskId
from fcs.worker.intake import SLOW_BEGIN

RESTARTED = "update fcs.identity set server_started_at = server_started_at - interval '1 s'"
COPIED = f"{RESTARTED}, timeline = timeline - 1"
CLAIMED = "update fcs.identity set standbys = 'nobody', standbys_seen_at = fcs.now()"
BEGIN_WAITS = """
    select count(*)
      from pg_stat_activity
     where application_name = 'fcs worker begin' and wait_event = 'SyncRep'
"""
ON_HOLD = "select count(*) from fcs.identity where on_hold_since is not null"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_module, "LOOK_AGAIN", 0.02)


async def copy(db: Connection) -> None:
    """All of a sudden it is another database; everybody has to connect anew."""
    await db.execute(COPIED.encode())
    await end_all_sessions(db)


async def end_all_sessions(db: Connection) -> None:
    await db.execute(
        """
        select pg_terminate_backend(pid)
          from pg_stat_activity
         where datname = current_database() and application_name like 'fcs %'
           and pid <> pg_backend_pid()
        """
    )


async def forget(db: Connection, id: UUID, changes: str) -> None:
    """Set a row back to what it was, past the guards of final statuses."""
    async with db.transaction():
        await db.execute("set local session_replication_role = replica")
        await db.execute(f"update fcs.tasks set {changes} where id = %s".encode(), [id])


PENDING = """
    status = 'pending', incarnation = null, run_id = null, attempt = 0, started_at = null,
    worker_id = null, due_at = created_at
"""


async def adopted(db: Connection) -> Adoption:
    found = await adoption.adopt(db, patience=10, wait=lambda _: None)
    assert found is not None
    assert found.adopted
    return found


async def until_told(db: Connection) -> None:
    """Wait until the worker has told what it had begun."""
    query = """
        select count(*)
          from fcs.workers, fcs.identity
         where state in ('live', 'draining')
           and testified_at >= on_hold_since
    """

    async def so() -> bool:
        return bool(await count(db, query))

    await until(so)


async def test_nothing_begins_on_a_copy_until_somebody_adopts_it(
    app: App, database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """F-80."""
    started = 0

    @app.task
    async def noop() -> None:
        nonlocal started
        started += 1

    async with working(database_url, app.registry), supervising(database_url, CALM):
        await reach(db, [(await noop.enqueue()).id], Status.SUCCEEDED)
        with caplog.at_level(logging.WARNING):
            await copy(db)
            waiting = [(await noop.enqueue()).id for _ in range(10)]
            await until_told(db)
            # Everybody is there and has had the time to begin something.
            async with connected(database_url) as other:
                assert await adoption.examine(other) is not None
            assert [(await view(db, id)).status for id in waiting] == [Status.PENDING] * 10
        assert "on hold: part=worker" in caplog.text
        assert "fcs adopt" in caplog.text

        assert (await adopted(db)).tasks == []
        await reach(db, waiting, Status.SUCCEEDED)
    assert started == 11


async def test_what_had_begun_does_not_begin_again(
    app: App, database_url: str, db: Connection
) -> None:
    """F-79: the row says that it waits, and its body runs."""
    started: list[int] = []
    gate = asyncio.Event()

    @app.task
    async def body(n: int) -> None:
        started.append(n)
        await gate.wait()

    async with working(database_url, app.registry), supervising(database_url, CALM):
        task = await body.enqueue(n=1)
        await reach(db, [task.id], Status.RUNNING)
        await forget(db, task.id, PENDING)
        await copy(db)
        found = (await reach(db, [task.id], Status.INTERRUPTED))[0]
        assert "forgotten" in (found.error or "")

        gate.set()
        await adopted(db)
        await reach(db, [(await body.enqueue(n=2)).id], Status.SUCCEEDED)
        found = await view(db, task.id)
        assert found.status is Status.INTERRUPTED
        assert found.late_report is not None
        assert found.late_report.status is Status.SUCCEEDED
    assert started == [1, 2]


async def test_a_begin_that_was_forgotten_before_it_was_answered_starts_no_body(
    app: App, database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker stands still between the two, until somebody has adopted the database."""
    started = 0
    is_begun, goes_on = asyncio.Event(), asyncio.Event()
    begin = runs.begin

    async def late_begin(
        db: Connection, incarnation: Incarnation, beginnings: Sequence[Beginning]
    ) -> set[TaskId]:
        begun = await begin(db, incarnation, beginnings)
        if not goes_on.is_set():
            is_begun.set()
            await goes_on.wait()
        return begun

    @app.task
    async def body() -> None:
        nonlocal started
        started += 1

    monkeypatch.setattr(runs, "begin", late_begin)
    async with working(database_url, app.registry), supervising(database_url, CALM):
        task = await body.enqueue()
        await is_begun.wait()
        await asyncio.sleep(2 * SLOW_BEGIN)
        await forget(db, task.id, PENDING)
        await copy(db)
        goes_on.set()
        await until_told(db)
        await adopted(db)
        await reach(db, [task.id], Status.SUCCEEDED)
        await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)
    assert started == 2


async def test_nor_does_what_the_row_takes_for_a_run_that_was_given_back(
    app: App, database_url: str, db: Connection
) -> None:
    """The row is from before: by it a run goes on that its worker never started. Such runs are
    given back as soon as that is allowed."""
    started: list[int] = []
    gate = asyncio.Event()

    @app.task
    async def body(n: int) -> None:
        started.append(n)
        await gate.wait()

    async with working(database_url, app.registry), supervising(database_url, CALM):
        task = await body.enqueue(n=1)
        await reach(db, [task.id], Status.RUNNING)
        await forget(db, task.id, "run_id = gen_random_uuid()")
        await copy(db)
        await until_told(db)
        await adopted(db)

        gate.set()
        await reach(db, [(await body.enqueue(n=2)).id], Status.SUCCEEDED)
        assert (await view(db, task.id)).status is Status.INTERRUPTED
    assert started == [1, 2]


async def test_the_number_of_an_attempt_is_not_given_twice(
    app: App, database_url: str, db: Connection
) -> None:
    """The row waits for the first attempt, and the worker has seen the second one."""
    attempts: list[int] = []
    gate = asyncio.Event()

    @app.task(max_attempts=3, backoff=Backoff(first=0.01), on_interrupt="retry")
    async def body() -> None:
        attempts.append(current().attempt)
        if len(attempts) == 1:
            raise ValueError("once more")
        if len(attempts) == 2:
            await gate.wait()

    async with working(database_url, app.registry), supervising(database_url, CALM):
        task = await body.enqueue()
        await until_so(lambda: len(attempts) == 2)
        await forget(db, task.id, PENDING)
        await copy(db)
        await until_told(db)
        await adopted(db)
        await reach(db, [task.id], Status.SUCCEEDED)
        gate.set()
    assert attempts == [1, 2, 3]


async def test_what_had_ended_is_told_once_more(
    app: App, database_url: str, db: Connection
) -> None:
    """The rows say that they run. What a body returned is nowhere any more."""

    @app.task
    async def plain() -> None: ...

    @app.task
    async def telling() -> int:
        return 7

    async with working(database_url, app.registry) as hired, supervising(database_url, CALM):
        ids = [(await plain.enqueue()).id, (await telling.enqueue()).id]
        await reach(db, ids, Status.SUCCEEDED)
        for id in ids:
            running = f"status = 'running', result = null, incarnation = '{hired.incarnation}'"
            await forget(db, id, running)
        await copy(db)
        await until_told(db)

        first, second = [await view(db, id) for id in ids]
        assert first.status is Status.SUCCEEDED
        assert second.status is Status.INTERRUPTED
        assert second.late_report is not None
        assert second.late_report.status is Status.SUCCEEDED
        await adopted(db)


async def test_a_worker_tells_before_it_leaves(app: App, database_url: str, db: Connection) -> None:
    started = 0

    @app.task
    async def body() -> None:
        nonlocal started
        started += 1

    async with supervising(database_url, CALM):
        async with working(database_url, app.registry) as hired:
            task = await body.enqueue()
            await reach(db, [task.id], Status.SUCCEEDED)
            await forget(db, task.id, PENDING)
            await copy(db)
            # No time to look at anything else.
            hired.stop.now.set()
            await hired.end()
        assert (await view(db, task.id)).status is Status.INTERRUPTED
        await adopted(db)
        async with working(database_url, app.registry):
            await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)
    assert started == 2


async def test_so_does_one_that_the_copy_does_not_know(
    app: App, database_url: str, db: Connection
) -> None:
    """It came after the last commit that was received, and so did what it began."""

    @app.task
    async def body() -> None: ...

    async with supervising(database_url, CALM):
        task = await body.enqueue()
        async with working(database_url, app.registry) as hired:
            await reach(db, [task.id], Status.SUCCEEDED)
            await forget(db, task.id, PENDING)
            await db.execute("delete from fcs.workers")
            await copy(db)
            with pytest.raises(Fenced):
                await hired.end()
        assert (await view(db, task.id)).status is Status.INTERRUPTED


async def test_what_was_sent_to_one_who_is_gone_is_not_sent_to_another(
    app: App, database_url: str, db: Connection
) -> None:
    """Nobody knows whether it began there."""

    @app.task
    async def body() -> None: ...

    async with working(database_url, app.registry), supervising(database_url, CALM):
        await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)
        await copy(db)
        await until_told(db)
        task = await body.enqueue()
        gone = (
            "status = 'dispatched', due_at = null, dispatch_no = 1, worker_id = gen_random_uuid(),"
        )
        await forget(db, task.id, f"{gone} incarnation = gen_random_uuid()")

        [found] = (await adopted(db)).tasks
        assert (found.id, found.fate) == (task.id, Fate.INTERRUPTED)
        assert (await view(db, task.id)).status is Status.INTERRUPTED
        await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)


async def test_who_comes_while_it_is_on_hold_waits(
    app: App, database_url: str, db: Connection
) -> None:
    """Also to take up the id of another: that would move tasks."""

    @app.task
    async def body() -> None: ...

    async with working(database_url, app.registry):
        pass
    await copy(db)

    async def work() -> None:
        async with working(database_url, app.registry), supervising(database_url, CALM):
            await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)

    working_there = asyncio.create_task(work())

    await until(lambda: count(db, ON_HOLD))
    assert await count(db, "select count(*) from fcs.workers where state = 'live'") == 0
    await adopted(db)
    await working_there


async def test_a_supervisor_alone_finds_out_where_it_is(database_url: str, db: Connection) -> None:
    """Nobody else may come for long: after a restart it says that all is as before, and where all
    is not it does not bid for what it may not do."""
    async with supervising(database_url, CALM):
        await until(lambda: count(db, "select count(*) from fcs.identity where system is not null"))
        await db.execute(RESTARTED.encode())
        await end_all_sessions(db)
        await until(lambda: count(db, "select count(*) from fcs.home where is_open"))
        leads = "select count(*) from fcs.leadership where node is not null"
        await until(lambda: count(db, leads))

        await copy(db)
        await until(lambda: count(db, ON_HOLD))
        term = await count(db, "select term from fcs.leadership")
        await asyncio.sleep(1)
        assert await count(db, "select term from fcs.leadership") == term


@pytest.mark.direct  # behind a pooler nobody sees whose commit waits
@pytest.mark.xdist_group("lonely")
async def test_a_begin_that_was_let_go_without_its_standby_starts_no_body_so_far(
    lonely: Lonely, caplog: pytest.LogCaptureFixture
) -> None:
    """The standby is given up while the commit waits for it. It does not know of the begin, and
    might still be promoted and go on by itself."""
    started = asyncio.Event()
    app = App(database=lonely.url)

    @app.task
    async def body() -> None:
        started.set()

    async with working(lonely.url, app.registry) as hired:
        task = await body.enqueue()
        async with connected(lonely.url) as giver, AsyncExitStack() as without:
            await giver.execute("set synchronous_commit = local")
            # Whoever gives holds the row of the worker; a heartbeat that waits would hold it, too.
            async with giver.transaction():
                await give(giver, hired.incarnation, [task.id])
                db = await without.enter_async_context(lonely.without_standby())
                await db.execute(CLAIMED)
            await until(lambda: count(db, BEGIN_WAITS))
            await asyncio.sleep(2 * SLOW_BEGIN)
        async with connected(lonely.url) as db:
            await reach(db, [task.id], Status.RUNNING)
            await until_so(lambda: "commits waited for nobody" in caplog.text)
            assert not started.is_set()
            await db.execute(
                "update fcs.identity set standbys_seen_at = fcs.now() - interval '2 min'"
            )
            await started.wait()
    await app.close()


async def test_a_promotion_that_lost_nothing_needs_nobody(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task
    async def body() -> None: ...

    async with working(database_url, app.registry), supervising(database_url, CALM):
        await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)
        before = await identity.look(db)
        await db.execute(
            "update fcs.identity set standbys = 'walreceiver', standbys_seen_at = fcs.now()"
        )
        await copy(db)
        await reach(db, [(await body.enqueue()).id], Status.SUCCEEDED)
        after = await identity.look(db)
    assert after.id == before.id
    assert after.on_hold_since is None

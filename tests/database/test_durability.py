"""What is acknowledged is on disk, whatever a role or a database has set (F-78)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.conftest import Server, fresh_database
from tests.database.scene import (
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    beginning,
    ending,
    incarnation,
    new,
    rows,
    run_id,
    task_id,
    to,
)

from fcs.database import creation, runs, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.creation import ALIKE_MIN
from fcs.database.runs import Again, Evidence
from fcs.database.tasks import Overdue
from fcs.domain.task import AttemptOutcome, Status

W = incarnation(7)

# Each commit of a change writes down under which setting it waits for the disk.
WITNESS = """
create table witnessed (setting text);
create function witness() returns trigger language plpgsql as $$
begin
    insert into witnessed values (current_setting('synchronous_commit'));
    return null;
end
$$;
create constraint trigger witness after insert or update or delete on fcs.tasks
    deferrable initially deferred for each row execute function witness();
create constraint trigger witness after insert or update or delete on fcs.late_reports
    deferrable initially deferred for each row execute function witness();
"""


@pytest.fixture(scope="module")
def witness_url(postgres: Server, template: str) -> Iterator[str]:
    with fresh_database(postgres, template) as url:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(WITNESS)
        yield url


@contextmanager
def set_for_all(url: str, setting: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as db:
        name = psycopg.sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(url)["dbname"]))
        alter = psycopg.sql.SQL("alter database {} set synchronous_commit = {}")
        db.execute(alter.format(name, setting))
        try:
            yield
        finally:
            db.execute(alter.format(name, psycopg.sql.SQL("default")))


@pytest.fixture(params=["off", "local", "remote_write", "on"])
async def lax(witness_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A connection to a database on which somebody has set this."""
    with set_for_all(witness_url, request.param):
        async with await connect(witness_url, part="test") as db:
            await db.execute("delete from fcs.tasks; delete from fcs.late_reports")
            await db.execute("delete from fcs.workers; delete from witnessed")
            await add_workers(db, 7)
            yield db


async def witnessed(db: Connection) -> set[str]:
    """Under which settings the last changes were committed."""
    seen = {found["setting"] for found in await rows(db, "select setting from witnessed")}
    await db.execute("delete from witnessed")
    return seen


async def create(db: Connection) -> None:
    await add_tasks(db, 1)


async def create_plain(db: Connection) -> None:
    await creation.create_plain(db, new(1))


async def create_alike(db: Connection) -> None:
    await creation.create_alike(db, [new(1), new(2)])


async def create_part_by_part(db: Connection) -> None:
    await creation.add_parts(db, [[new(1)], [new(n) for n in range(2, 2 + ALIKE_MIN)]])


async def begin(db: Connection) -> None:
    await runs.begin(db, W, [beginning(1)])


async def succeed(db: Connection) -> None:
    await runs.succeed(db, [ending(1)], "report")


async def finish(db: Connection) -> None:
    await runs.finish(db, [ending(1)], "report")


async def release(db: Connection) -> None:
    await runs.release(db, [(task_id(1), run_id(1))])


async def retry(db: Connection) -> None:
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    await runs.retry(db, [Again(task_id(1), run_id(1), 0.0, evidence, 1)], "report")


async def cancel(db: Connection) -> None:
    await tasks.cancel(db, [task_id(1)], reason="no need")


async def refuse(db: Connection) -> None:
    await tasks.refuse(db, W, task_id(1), 1, "no")


async def reap(db: Connection) -> None:
    async with db.transaction():
        await workers.lock_worker(db, W)
        await tasks.reap(db, W, reason="it was silent")
        await workers.end_worker(db, W, state="lost")


async def delete(db: Connection) -> None:
    await tasks.delete(db, [task_id(1)])


async def record_late(db: Connection) -> None:
    await runs.record_late(db, [ending(1, run=9)])


async def nothing(db: Connection) -> None: ...


async def dispatched(db: Connection) -> None:
    await add_dispatched(db, 7, 1)


async def running(db: Connection) -> None:
    await add_running(db, 7, 1)


async def ended(db: Connection) -> None:
    await add_final(db, 7, 1, Status.SUCCEEDED)


Act = Callable[[Connection], Awaitable[None]]


@pytest.mark.parametrize(
    ("before", "act"),
    [
        (nothing, create),
        (nothing, create_plain),
        (nothing, create_alike),
        (nothing, create_part_by_part),
        (dispatched, begin),
        (running, begin),  # sent again, as proof
        (running, succeed),
        (running, finish),
        (running, release),
        (running, retry),
        (dispatched, cancel),
        (running, cancel),
        (dispatched, refuse),
        (running, reap),
        (ended, delete),
        (ended, record_late),
    ],
    ids=lambda act: act.__name__,
)
async def test_what_is_acknowledged_is_on_disk(lax: Connection, before: Act, act: Act) -> None:
    await before(lax)
    await lax.execute("delete from witnessed")
    await act(lax)

    assert await witnessed(lax) == {"on"}


def test_the_same_goes_for_creates_without_an_event_loop(witness_url: str) -> None:
    with (
        set_for_all(witness_url, "off"),
        psycopg.connect(witness_url, autocommit=True) as db,
    ):
        db.execute("delete from fcs.tasks")
        db.execute("delete from witnessed")
        tasks.create_sync(db, [new(1)])
        creation.create_alike_sync(db, [new(2)])
        creation.add_parts_sync(db, [[new(3)], [new(4)]])
        creation.create_plain_sync(db, new(5))
        assert db.execute("select setting from witnessed").fetchall() == [("on",)] * 5


async def test_a_create_in_somebody_s_transaction_makes_it_durable(lax: Connection) -> None:
    async with lax.transaction():
        await add_tasks(lax, 1)

    assert await witnessed(lax) == {"on"}


async def test_a_lost_dispatch_only_returns_the_task_so_it_need_not_wait(lax: Connection) -> None:
    await add_tasks(lax, 1)
    await lax.execute("delete from witnessed")
    await tasks.dispatch(lax, to(7, 1))

    assert await witnessed(lax) == {"off"}


async def test_what_follows_a_dispatch_waits_for_the_disk_again(lax: Connection) -> None:
    """The laxer setting is for one transaction only."""
    await add_dispatched(lax, 7, 1)
    await lax.execute("delete from witnessed")
    await tasks.take_back(lax, [Overdue(task_id(1), W, 1, 99.0)])

    [setting] = await rows(lax, "select current_setting('synchronous_commit') as now")
    assert await witnessed(lax) == {setting["now"]}


async def test_a_stricter_setting_stays(witness_url: str) -> None:
    """F-79: somebody wants to read on a standby what was acknowledged."""
    with set_for_all(witness_url, "remote_apply"):
        async with await connect(witness_url, part="test") as db:
            await db.execute("delete from fcs.tasks")
            await db.execute("delete from witnessed")
            await add_tasks(db, 1)

            assert await witnessed(db) == {"remote_apply"}

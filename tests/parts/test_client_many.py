"""Many tasks by one call: written part by part, and all the same all or none, durable, once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from tests.conftest import Server
from tests.database.scene import listen
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import connected, count
from tests.pooler import pooling

from fcs import App, Task
from fcs.client.handler import Handler
from fcs.client.packing import PART_MAX, Packing
from fcs.database import creation, sleep
from fcs.database.connect import Connection
from fcs.domain.errors import DatabaseUnavailable, InvalidArguments
from fcs.domain.hints import SUPERVISOR_CHANNEL
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask

TASKS = "select count(*) from fcs.tasks"
IN_TRANSACTION = """
    select count(*) from pg_stat_activity
     where datname = current_database()
       and backend_type = 'client backend'
       and pid <> pg_backend_pid()
       and xact_start is not null
"""
MANY = 2 * PART_MAX + 500

Numbered = Handler[..., Any, None]
Call = dict[str, Any]


def numbered_at(url: str) -> Numbered:
    @App(database=url).task
    async def numbered(n: int) -> None: ...

    return numbered


@pytest.fixture
def numbered(app: App) -> Numbered:
    @app.task
    async def numbered(n: int) -> None: ...

    return numbered


def calls(count: int = MANY) -> list[Call]:
    return [{"n": n} for n in range(count)]


async def on_the_loop(handler: Numbered, calls: list[Call]) -> list[Task[None]]:
    return await handler.enqueue_many(calls)


async def in_a_thread(handler: Numbered, calls: list[Call]) -> list[Task[None]]:
    return await asyncio.to_thread(handler.enqueue_many_sync, calls)


Create = Callable[[Numbered, list[Call]], Awaitable[list[Task[None]]]]
both = pytest.mark.parametrize("create", [on_the_loop, in_a_thread])


async def ids_in(db: Connection) -> list[TaskId]:
    """Those that are there, in the order in which they start."""
    found = await (await db.execute("select id from fcs.tasks order by due_at, id")).fetchall()
    return [id for (id,) in found]


@both
@pytest.mark.parametrize("number", [PART_MAX, PART_MAX + 1, MANY])
async def test_all_are_there_in_the_order_of_the_calls(
    numbered: Numbered, db: Connection, create: Create, number: int
) -> None:
    tasks = await create(numbered, calls(number))
    assert [task.id for task in tasks] == await ids_in(db)
    found = await db.execute("select (args ->> 'n')::int from fcs.tasks order by due_at, id")
    assert [n for (n,) in await found.fetchall()] == [*range(number)]


@both
async def test_tasks_that_share_less_than_their_type_are_there_as_well(
    app: App, db: Connection, create: Create
) -> None:
    @app.task(limit_by="n")
    async def limited(n: int) -> None: ...

    await create(limited, calls())
    assert await count(db, f"{TASKS} where limit_key = args ->> 'n'") == MANY


@both
@pytest.mark.parametrize("place", [1, PART_MAX + 1, MANY])
async def test_one_wrong_call_is_counted_out_and_none_is_created(
    numbered: Numbered, db: Connection, create: Create, place: int
) -> None:
    wrong = calls()
    wrong[place - 1] = {"n": "one"}
    with pytest.raises(InvalidArguments) as raised:
        await create(numbered, wrong)
    assert raised.value.__notes__[1:] == [f"in call number {place} of enqueue_many"]
    assert await count(db, TASKS) == 0
    await create(numbered, calls())
    assert await count(db, TASKS) == MANY


@both
@pytest.mark.parametrize("place", [0, MANY - 1])
async def test_what_postgres_refuses_takes_the_others_along(
    numbered: Numbered, db: Connection, create: Create, place: int
) -> None:
    await db.execute(
        f"alter table fcs.tasks add constraint not_this check (args ->> 'n' <> '{place}')".encode()
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="not_this"):
        await create(numbered, calls())
    assert await count(db, TASKS) == 0
    await create(numbered, calls()[1:-1])
    assert await count(db, TASKS) == MANY - 2


@both
@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
@pytest.mark.parametrize("statement", ["in the middle", "the commit"])
async def test_a_connection_that_breaks_costs_nothing_and_doubles_nothing(
    database_url: str, db: Connection, create: Create, kind: Kind, statement: str
) -> None:
    async with proxied(database_url) as proxy:
        if statement == "the commit":
            trouble = proxy.trouble_with(kind, "COMMIT")
        else:
            trouble = proxy.trouble(kind, "create_alike", skip=1)
        numbered = numbered_at(proxy.url)
        tasks = await create(numbered, calls())
        assert trouble.over.is_set()
        assert [task.id for task in tasks] == await ids_in(db)
        await numbered.app.store.close()


async def test_a_database_that_stays_away_has_none_of_them(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.client.store.PATIENCE", 0.1)
    async with proxied(database_url) as proxy:
        numbered = numbered_at(proxy.url)
        held = proxy.trouble(Kind.HOLD, "create_alike", skip=1)
        creating = asyncio.create_task(numbered.enqueue_many(calls()))
        await held.reached.wait()
        proxy.leave()
        with pytest.raises(DatabaseUnavailable):
            await creating
        assert await count(db, TASKS) == 0
        await numbered.app.store.close()


async def test_nobody_waits_for_the_many_of_somebody_else(
    database_url: str, db: Connection
) -> None:
    async with proxied(database_url) as proxy:
        numbered = numbered_at(proxy.url)
        held = proxy.trouble(Kind.HOLD, "create_alike", skip=1)
        creating = asyncio.create_task(numbered.enqueue_many(calls()))
        await held.reached.wait()
        await numbered.enqueue(n=1)
        assert await count(db, TASKS) == 1
        held.let_go.set()
        await creating
        assert await count(db, TASKS) == 1 + MANY
        await numbered.app.store.close()


async def test_a_caller_that_goes_away_leaves_none_of_them(
    database_url: str, db: Connection
) -> None:
    async with proxied(database_url) as proxy:
        numbered = numbered_at(proxy.url)
        held = proxy.trouble(Kind.HOLD, "create_alike", skip=1)
        creating = asyncio.create_task(numbered.enqueue_many(calls()))
        await held.reached.wait()
        creating.cancel()
        held.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await creating
        assert await count(db, TASKS) == 0
        await numbered.enqueue_many(calls())
        assert await count(db, TASKS) == MANY
        await numbered.app.store.close()


@both
async def test_no_transaction_is_open_while_the_calls_are_being_made(
    numbered: Numbered, database_url: str, create: Create
) -> None:
    """Whoever makes them may wait for something, or use the same database."""

    def slowly(watch: psycopg.Connection[Any]) -> Iterator[Call]:
        for call in calls():
            if call["n"] % PART_MAX == PART_MAX - 1:
                assert watch.execute(IN_TRANSACTION).fetchone() == (0,)
            yield call

    with psycopg.connect(database_url, autocommit=True) as watch:
        await create(numbered, slowly(watch))  # type: ignore[arg-type]


@both
@pytest.mark.parametrize("limit_by", [None, "n"])
async def test_the_supervisor_is_rung_once_for_all_of_them(
    app: App, database_url: str, create: Create, limit_by: str | None
) -> None:
    """Also one that is awake: it may look before they are committed, and not so far back after."""

    @app.task(limit_by=limit_by)
    async def numbered(n: int) -> None: ...

    async with connected(database_url) as listener, connected(database_url) as sleeper:
        ears = await listen(listener, [SUPERVISOR_CHANNEL])
        await create(numbered, calls())
        assert await ears.payloads() == ["scan"]
        assert await sleep.fall_asleep(sleeper)
        await create(numbered, calls(PART_MAX + 1))
        assert await ears.payloads() == ["scan"]


@both
async def test_a_key_stands_for_all_of_them(
    numbered: Numbered, db: Connection, create: Create
) -> None:
    once = numbered.using(key="order-17")
    first, second = await create(once, calls()), await create(once, calls())
    assert [task.id for task in first] == [task.id for task in second]
    assert await count(db, TASKS) == MANY


@both
async def test_each_of_them_waits_for_what_it_needs(
    numbered: Numbered, db: Connection, create: Create
) -> None:
    first = await numbered.enqueue(n=-1)
    await create(numbered.using(after=[first]), calls())
    assert await count(db, f"{TASKS} where open_needs = 1") == MANY


@both
async def test_in_somebody_s_transaction_they_are_part_of_it(
    numbered: Numbered, database_url: str, db: Connection, create: Create
) -> None:
    if create is on_the_loop:
        async with connected(database_url) as own, own.transaction(force_rollback=True):
            await create(numbered.using(connection=own), calls())
            assert await count(own, TASKS) == MANY
    else:
        with psycopg.connect(database_url) as sync:
            await create(numbered.using(connection=sync), calls())
            assert sync.execute(TASKS).fetchone() == (MANY,)
            sync.rollback()
    assert await count(db, TASKS) == 0


@both
async def test_they_go_through_a_pooler_and_leave_nothing_behind(
    postgres: Server, database_url: str, db: Connection, create: Create
) -> None:
    with pooling(postgres.url()) as pooler:
        numbered = numbered_at(pooler.url(database_url))
        for round in (1, 2):
            await create(numbered, calls())
            assert await count(db, TASKS) == round * MANY
        await numbered.app.store.close()
        with psycopg.connect(
            pooler.url(database_url), autocommit=True, prepare_threshold=None
        ) as other:
            for _ in range(4):
                assert other.execute("select name from pg_prepared_statements").fetchall() == []


async def test_a_part_that_could_not_be_packed_is_not_left_out_the_next_time() -> None:
    troubles = [TimeoutError("not now")]

    def pack(id: TaskId, call: Any) -> NewTask:
        if call["n"] == PART_MAX and troubles:
            raise troubles.pop()
        return NewTask(id, "numbered", b"{}")

    packing = Packing(calls(), pack)
    with pytest.raises(TimeoutError):
        packing.all()
    assert len(packing.all()) == MANY
    assert packing.all() == packing.all()


async def test_no_part_waits_for_the_answer_to_the_one_before(
    database_url: str, db: Connection
) -> None:
    """Postgres works on one while the next is packed."""
    packed: list[TaskId] = []

    def pack(id: TaskId, call: Any) -> NewTask:
        packed.append(id)
        return NewTask(id, "numbered", b"{}")

    async with proxied(database_url) as proxy, connected(proxy.url) as own:
        held = proxy.trouble(Kind.HOLD, "create_alike")
        creating = asyncio.create_task(creation.add_parts(own, Packing(calls(), pack)))
        await held.reached.wait()
        assert len(packed) == MANY
        held.let_go.set()
        assert (await creating).ids == packed == await ids_in(db)

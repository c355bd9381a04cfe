"""Creating tasks from Python: what is asked for is what is there, and what is wrong is said."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.conftest import Server, fresh_database
from tests.parts.lonely import Lonely
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import connected, count, until, view

from fcs import App, Task
from fcs.client import store
from fcs.client.handler import Handler
from fcs.database.connect import Connection
from fcs.domain.errors import (
    DatabaseUnavailable,
    InvalidArguments,
    InvalidInput,
    InvalidSettings,
    SchemaOutdated,
)
from fcs.registry import InvalidTaskType

TASKS = "select count(*) from fcs.tasks"
NOWHERE = "postgresql://127.0.0.1:1/nothing"
TOMORROW = datetime(2999, 1, 1, 9, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))

Mail = Handler[..., None, None]


class Urgency(IntEnum):
    HIGH = 5


@pytest.fixture
def mail(app: App) -> Mail:
    @app.task(queue="mail", priority=3)
    def mail(to: str, copies: int = 1) -> None:
        """Send a mail."""

    return mail


@pytest.fixture
def unsent() -> Mail:
    """A handler that never gets as far as to a database."""

    @App(database=NOWHERE).task
    def mail(to: str, copies: int = 1) -> None: ...

    return mail


def test_an_app_without_a_database_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FCS_DATABASE", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    app = App()

    @app.task
    def noop() -> None: ...

    for create in (noop.enqueue_sync, lambda: asyncio.run(_enqueue(noop))):
        with pytest.raises(InvalidSettings, match="no database") as raised:
            create()
        assert "FCS_DATABASE" in raised.value.hint


def test_a_database_without_the_schema_says_what_to_run(blank_database_url: str) -> None:
    app = App(database=blank_database_url)
    noop = app.task(name="noop")(lambda: None)
    for create in (noop.enqueue_sync, lambda: asyncio.run(_enqueue(noop))):
        with pytest.raises(SchemaOutdated) as raised:
            create()
        assert "fcs init" in raised.value.hint
    asyncio.run(app.close())


async def _enqueue(handler: Handler[[], None, None]) -> None:
    await handler.enqueue()


def test_the_database_is_named_by_the_app_then_by_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    # Given, `FCS_DATABASE`, `DATABASE_URL`: the first that is there counts.
    for given, fcs_database, works in (
        (database_url, NOWHERE, True),
        (None, database_url, True),
        (None, "", False),
        (NOWHERE, database_url, False),
    ):
        app = App(database=given)
        monkeypatch.setenv("FCS_DATABASE", fcs_database)
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
        noop = app.task(name="noop")(lambda: None)
        if works:
            noop.enqueue_sync()
        else:
            with pytest.raises(DatabaseUnavailable):
                noop.enqueue_sync()
        asyncio.run(app.close())


async def test_an_app_follows_the_environment_to_another_database(
    postgres: Server, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tests do that give each test a database of its own, in one event loop."""
    app = App()
    noop = app.task(name="noop")(lambda: None)
    with (
        fresh_database(postgres, template) as one,
        fresh_database(postgres, template) as other,
    ):
        for url in (one, other):
            monkeypatch.setenv("FCS_DATABASE", url)
            for _ in range(2):
                await noop.enqueue()
                noop.enqueue_sync()
        await app.close()
        for url in (one, other):
            async with connected(url) as db:
                assert await count(db, TASKS) == 4


Create = Callable[[Mail], Awaitable[list[Task[Any]]]]

CREATE: dict[str, Create] = {}


def way(create: Create) -> Create:
    CREATE[create.__name__] = create
    return create


@way
async def enqueue(mail: Mail) -> list[Task[Any]]:
    return [await mail.enqueue("ann"), await mail.enqueue(to="ben", copies=2)]


@way
async def enqueue_sync(mail: Mail) -> list[Task[Any]]:
    return [mail.enqueue_sync("ann"), mail.enqueue_sync(to="ben", copies=2)]


@way
async def enqueue_many(mail: Mail) -> list[Task[Any]]:
    return await mail.enqueue_many([{"to": "ann"}, {"to": "ben", "copies": 2}])


@way
async def enqueue_many_sync(mail: Mail) -> list[Task[Any]]:
    return mail.enqueue_many_sync({"to": to} | more for to, more in FEW)


FEW: list[tuple[str, dict[str, int]]] = [("ann", {}), ("ben", {"copies": 2})]


@pytest.mark.parametrize("name", CREATE)
async def test_what_was_created_is_there(mail: Mail, db: Connection, name: str) -> None:
    # `using` says how; the handler itself stays as it was declared.
    special = mail.using(queue="vip", priority=-100, scheduled_at=TOMORROW)
    usual = await CREATE[name](mail)
    later = await CREATE[name](special)
    for tasks, place in ((usual, ("mail", 3, None)), (later, ("vip", -100, TOMORROW))):
        views = [await view(db, task.id) for task in tasks]
        assert [task.args_text for task in views] == [
            '{"to": "ann"}',
            '{"to": "ben", "copies": 2}',
        ]
        assert {(task.queue, task.priority, task.scheduled_at) for task in views} == {place}
        assert {(task.ty, task.status.value) for task in views} == {("mail", "pending")}


async def test_nothing_at_all_can_be_created(mail: Mail, db: Connection) -> None:
    assert await mail.enqueue_many([]) == []
    assert mail.enqueue_many_sync([]) == []
    assert await count(db, TASKS) == 0


@pytest.mark.nightly
async def test_a_hundred_thousand_are_created_at_once(mail: Mail, db: Connection) -> None:
    calls = [{"to": str(number)} for number in range(100_000)]
    assert len(set(await mail.enqueue_many(calls))) == 100_000
    mail.enqueue_many_sync(calls)
    assert await count(db, TASKS) == 200_000


def test_options_add_up(unsent: Mail) -> None:
    chosen = unsent.using(queue="vip").using(priority=9).using(scheduled_at=TOMORROW)
    options = chosen.using(limit_key="ann")._options
    assert (options.queue, options.priority, options.scheduled_at) == ("vip", 9, TOMORROW)
    assert options.limit_key == "ann"


def test_a_handler_is_still_its_function() -> None:
    @App(database=NOWHERE).task(name="sum.up")
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3
    assert (add.__name__, add.__doc__) == ("sum.up", "Add.")
    assert repr(add) == "Handler(sum.up)"
    assert add.using(queue="q")(1, b=5) == 6


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"queue": ""}, "/queue"),
    ({"queue": "a b"}, "/queue"),
    ({"queue": "x" * 101}, "/queue"),
    ({"queue": "nul\0"}, "/queue"),
    ({"priority": 101}, "/priority"),
    ({"priority": -101}, "/priority"),
    ({"limit_key": "x" * 201}, "/limit_key"),
    ({"limit_key": "nul\0"}, "/limit_key"),
    ({"scheduled_at": datetime(2030, 1, 1)}, "/scheduled_at"),  # noqa: DTZ001 - that is the point
    ({"scheduled_at": datetime.max.replace(tzinfo=UTC)}, "/scheduled_at"),
    ({"scheduled_at": datetime.min.replace(tzinfo=UTC)}, "/scheduled_at"),
]


@pytest.mark.parametrize(("options", "place"), WRONG_OPTIONS)
def test_an_option_that_makes_no_sense_is_named(
    unsent: Mail, options: dict[str, Any], place: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        unsent.using(**options)
    assert [problem.pointer for problem in raised.value.problems] == [place]
    assert raised.value.hint


WRONG_TYPES: list[tuple[str, Any]] = [
    ("scheduled_at", "2030-01-01T12:00:00Z"),
    ("scheduled_at", date(2030, 1, 1)),
    ("scheduled_at", 1_900_000_000),
    ("scheduled_at", timedelta(hours=1)),
    ("delay", datetime(2030, 1, 1, tzinfo=UTC)),
    ("delay", [5]),
    ("delay", True),
    ("timeout", datetime(2030, 1, 1, tzinfo=UTC)),
    ("queue", 3),
    ("priority", "high"),
    ("priority", 1.5),
    ("priority", True),
    ("max_attempts", "3"),
    ("max_attempts", 2.5),
    ("max_attempts", True),
    ("on_interrupt", 5),
    ("key", 17),
    ("limit_key", 17),
    ("after", 17),
    ("after", [17]),
    ("when_needs_fail", 5),
]


@pytest.mark.parametrize(("option", "value"), WRONG_TYPES)
def test_an_option_of_the_wrong_type_is_named_with_what_was_given(
    unsent: Mail, option: str, value: Any
) -> None:
    with pytest.raises(InvalidInput) as raised:
        unsent.using(**{option: value})
    assert [problem.pointer for problem in raised.value.problems] == [f"/{option}"]
    given = value[0] if option == "after" and isinstance(value, list) else value
    assert repr(given) in str(raised.value) or f"'{given}'" in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize("is_alone", [True, False])
def test_an_await_that_was_forgotten_is_recognised(unsent: Mail, is_alone: bool) -> None:
    first = unsent.enqueue("ann")
    with pytest.raises(InvalidInput, match="coroutine") as raised:
        unsent.using(after=first if is_alone else [first])  # type: ignore[arg-type, list-item]
    first.close()
    assert "await it first" in raised.value.hint


def test_whole_numbers_may_be_of_a_class_of_their_own(unsent: Mail) -> None:
    new = unsent.using(priority=Urgency.HIGH, max_attempts=Urgency.HIGH).new("ann")
    assert (type(new.priority), new.priority) == (int, 5)
    assert (type(new.max_attempts), new.max_attempts) == (int, 5)


def test_a_naive_time_is_refused_with_what_to_use_instead(unsent: Mail) -> None:
    with pytest.raises(InvalidInput, match="no time zone") as raised:
        unsent.using(scheduled_at=datetime(2030, 1, 1, 12))  # noqa: DTZ001 - that is the point
    assert "datetime.now(UTC)" in raised.value.hint


async def test_the_limits_of_scheduling_can_be_stored(mail: Mail, db: Connection) -> None:
    for moment in (
        datetime(1971, 1, 1, tzinfo=UTC),
        datetime(8999, 12, 31, 23, 59, tzinfo=UTC),
    ):
        task = await mail.using(scheduled_at=moment).enqueue("ann")
        assert (await view(db, task.id)).scheduled_at == moment


def test_a_type_is_declared_once() -> None:
    app = App(database=NOWHERE)
    app.task(name="mail")(lambda: None)
    with pytest.raises(InvalidTaskType, match="Two functions"):
        app.task(name="mail")(lambda: None)


async def test_arguments_that_do_not_fit_create_nothing(mail: Mail, db: Connection) -> None:
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        (("ann",), {"copies": "two"}),
        (("ann",), {"to": "ben"}),
        (("ann", 1, 2), {}),
        (("ann",), {"bcc": "eve"}),
        (("a\0b",), {}),
    ]
    for args, kwargs in wrong:
        with pytest.raises(InvalidInput):
            await mail.enqueue(*args, **kwargs)
        with pytest.raises(InvalidInput):
            mail.enqueue_sync(*args, **kwargs)
    assert await count(db, TASKS) == 0


async def test_one_wrong_call_of_many_is_counted_out_and_none_is_created(
    mail: Mail, db: Connection
) -> None:
    calls: list[dict[str, Any]] = [{"to": "ann"}, {"to": "ben"}, {"to": 3}, {"to": "eve"}]
    with pytest.raises(InvalidArguments) as raised:
        await mail.enqueue_many(calls)
    assert raised.value.__notes__[-1] == "in call number 3 of enqueue_many"
    with pytest.raises(InvalidArguments):
        mail.enqueue_many_sync(calls)
    assert await count(db, TASKS) == 0


async def test_creating_in_a_transaction_of_ones_own_is_part_of_it(
    mail: Mail, database_url: str, db: Connection
) -> None:
    async with connected(database_url) as own:
        handler = mail.using(connection=own)
        async with own.transaction():
            kept = await handler.enqueue("ann")
            await handler.enqueue_many([{"to": "ben"}])
            assert await count(db, TASKS) == 0
        assert await count(db, TASKS) == 2
        async with own.transaction(force_rollback=True):
            await handler.enqueue("eve")
            assert await count(own, TASKS) == 3
        assert await count(db, TASKS) == 2
    # The task outlives the connection that made it.
    assert (await kept.view()).args_text == '{"to": "ann"}'


async def test_creating_in_a_transaction_of_ones_own_works_without_an_event_loop(
    mail: Mail, database_url: str, db: Connection
) -> None:
    with psycopg.connect(database_url) as own:
        handler = mail.using(connection=own)
        kept = handler.enqueue_sync("ann")
        handler.enqueue_many_sync([{"to": "ben"}])
        assert await count(db, TASKS) == 0
        own.commit()
        assert await count(db, TASKS) == 2
        handler.enqueue_sync("eve")
        own.rollback()
    assert await count(db, TASKS) == 2
    assert kept.view_sync().args_text == '{"to": "ann"}'


async def test_a_connection_may_make_its_rows_as_its_owner_likes(
    mail: Mail, database_url: str, db: Connection
) -> None:
    async with await psycopg.AsyncConnection.connect(
        database_url, row_factory=dict_row, cursor_factory=psycopg.AsyncRawCursor
    ) as own:
        await mail.using(connection=own).enqueue("ann")
    with psycopg.connect(
        database_url, row_factory=dict_row, cursor_factory=psycopg.RawCursor
    ) as sync:
        mail.using(connection=sync).enqueue_sync("ann")
    assert await count(db, TASKS) == 2


async def test_the_wrong_twin_is_refused_with_the_right_one(mail: Mail, database_url: str) -> None:
    async with connected(database_url) as own:
        handler = mail.using(connection=own)
        for create in (
            lambda: handler.enqueue_sync("ann"),
            lambda: handler.enqueue_many_sync([{"to": "ann"}]),
        ):
            with pytest.raises(InvalidInput, match="async") as raised:
                create()
            assert "enqueue()" in raised.value.hint
    with psycopg.connect(database_url) as sync:
        for created in (
            mail.using(connection=sync).enqueue("ann"),
            mail.using(connection=sync).enqueue_many([{"to": "ann"}]),
        ):
            with pytest.raises(InvalidInput, match="ordinary") as raised:
                await created
            assert "enqueue_sync()" in raised.value.hint


def test_what_is_no_connection_of_psycopgs_is_refused(unsent: Mail) -> None:
    with pytest.raises(InvalidInput, match="object") as raised:
        unsent.using(connection=object())
    assert "psycopg" in raised.value.hint


def test_an_app_serves_one_event_loop_after_the_other(database_url: str) -> None:
    """And leaves no connection of the first one open: warnings are errors here."""
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)

    async def create_and_look() -> None:
        tasks = await asyncio.gather(*[noop.enqueue() for _ in range(5)])
        views = await asyncio.gather(*[task.view() for task in tasks])
        assert [view.id for view in views] == [task.id for task in tasks]

    for _ in range(3):
        asyncio.run(create_and_look())

    async def last() -> None:
        await create_and_look()
        await app.close()

    asyncio.run(last())


def in_threads(number: int, act: Callable[[], None]) -> None:
    """Act in several threads at once; raise what any of them raised."""
    errors: list[BaseException] = []
    gate = threading.Barrier(number, timeout=30)

    def guarded() -> None:
        try:
            gate.wait()
            act()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=guarded, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    assert not any(thread.is_alive() for thread in threads)


def test_threads_create_together(database_url: str) -> None:
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)

    def create() -> None:
        for _ in range(20):
            noop.enqueue_sync()

    in_threads(8, create)
    asyncio.run(app.close())
    with psycopg.connect(database_url) as db:
        assert db.execute(TASKS).fetchone() == (160,)


def test_threads_with_event_loops_of_their_own_create_together(database_url: str) -> None:
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)

    async def create() -> None:
        for _ in range(20):
            await asyncio.gather(noop.enqueue(), noop.enqueue())
        await app.close()

    in_threads(4, lambda: asyncio.run(create()))
    with psycopg.connect(database_url) as db:
        assert db.execute(TASKS).fetchone() == (160,)


@pytest.mark.parametrize("kind", [Kind.LOSE_STATEMENT, Kind.LOSE_ANSWER])
async def test_an_answer_that_was_lost_creates_nothing_twice(
    database_url: str, db: Connection, kind: Kind
) -> None:
    async with proxied(database_url) as proxy:
        app = App(database=proxy.url)
        noop = app.task(name="noop")(lambda: None)
        for create in (noop.enqueue, lambda: asyncio.to_thread(noop.enqueue_sync)):
            before = await count(db, TASKS)
            trouble = proxy.trouble(kind, "create_plain")
            await create()
            assert trouble.over.is_set()
            assert await count(db, TASKS) == before + 1
        await app.close()


async def test_a_database_that_stays_away_is_said_to_be(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    async with proxied(database_url) as proxy:
        app = App(database=proxy.url)
        noop = app.task(name="noop")(lambda: None)
        task = await noop.enqueue()
        await asyncio.to_thread(task.view_sync)
        proxy.leave()
        asks: list[Callable[[], Awaitable[object]]] = [
            noop.enqueue,
            task.view,
            task.wait,
            lambda: asyncio.to_thread(noop.enqueue_sync),
            lambda: asyncio.to_thread(task.view_sync),
        ]
        for ask in asks:
            with pytest.raises(DatabaseUnavailable) as raised:
                await ask()
            assert raised.value.hint
        proxy.come_back()
        await noop.enqueue()
        await asyncio.to_thread(noop.enqueue_sync)
        await app.close()


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.xdist_group("lonely")
async def test_a_create_that_no_standby_has_is_not_taken_for_done(lonely: Lonely, end: str) -> None:
    app = App(database=lonely.url)
    noop = app.task(name="noop")(lambda: None)
    async with lonely.without_standby() as db:
        before = await count(db, TASKS)
        create = asyncio.create_task(asyncio.to_thread(noop.enqueue_sync))
        await lonely.end_wait(db, end)
        await until(lambda: grown(db, before))
        await lonely.until_waiting_or(db, create)
        assert not create.done()
    await create
    await app.close()


async def grown(db: Connection, before: int) -> bool:
    return await count(db, TASKS) > before

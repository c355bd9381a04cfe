"""Tasks in the caller's transaction, by every library that can carry one: there if it commits."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import asyncpg
import django
import django.conf
import psycopg
import pytest
import sqlalchemy
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, create_async_engine
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import NullPool
from tests.database.scene import listen
from tests.parts.stage import connected, count, reach, supervising, working

from fcs import App
from fcs.client.carriers import carrier_for
from fcs.client.handler import Handler
from fcs.database import parts
from fcs.database.carrier import SyncCarrier
from fcs.database.connect import Connection
from fcs.database.creation import ALIKE_MIN
from fcs.domain.errors import InvalidInput, KeyInFlight, KeyReused
from fcs.domain.hints import SUPERVISOR_CHANNEL
from fcs.domain.task import Status

django.conf.settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, LOGGING_CONFIG=None
)
django.setup()

TASKS = "select count(*) from fcs.tasks"

Mail = Handler[..., Any, Any]


class Opened:
    """Somebody's connection, in a transaction that has begun or begins by itself."""

    def __init__(self, connection: object, commit: Any, rollback: Any, is_async: bool) -> None:
        self.connection, self.is_async = connection, is_async
        self._commit, self._rollback = commit, rollback

    async def enqueue(self, mail: Mail, to: str) -> None:
        if self.is_async:
            await mail.using(connection=self.connection).enqueue(to)
        else:
            mail.using(connection=self.connection).enqueue_sync(to)

    async def enqueue_many(self, mail: Mail, calls: list[dict[str, Any]]) -> None:
        handler = mail.using(connection=self.connection)
        if self.is_async:
            await handler.enqueue_many(calls)
        else:
            handler.enqueue_many_sync(calls)

    async def commit(self) -> None:
        await self._end(self._commit)

    async def rollback(self) -> None:
        await self._end(self._rollback)

    async def _end(self, act: Callable[[], Any]) -> None:
        answer = act()
        if self.is_async:
            await answer


Opening = Callable[[str], AsyncIterator[Opened]]
WAYS: dict[str, Callable[[str], AbstractAsyncContextManager[Opened]]] = {}


def way(opening: Opening) -> Opening:
    WAYS[opening.__name__] = asynccontextmanager(opening)
    return opening


@way
async def psycopg_sync(url: str) -> AsyncIterator[Opened]:
    with psycopg.connect(url) as own:
        yield Opened(own, own.commit, own.rollback, False)


@way
async def psycopg_async(url: str) -> AsyncIterator[Opened]:
    async with await psycopg.AsyncConnection.connect(url) as own:
        yield Opened(own, own.commit, own.rollback, True)


@way
async def asyncpg_connection(url: str) -> AsyncIterator[Opened]:
    own = await asyncpg.connect(**asyncpg_place(url))
    # As applications do that like to read and write dicts.
    await own.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    transaction = own.transaction()
    await transaction.start()
    yield Opened(own, transaction.commit, transaction.rollback, True)
    await own.close()


@way
async def asyncpg_pool(url: str) -> AsyncIterator[Opened]:
    async with (
        asyncpg.create_pool(**asyncpg_place(url), min_size=1, max_size=1) as pool,
        pool.acquire() as own,
    ):
        transaction = own.transaction()
        await transaction.start()
        yield Opened(own, transaction.commit, transaction.rollback, True)


@way
async def sqlalchemy_connection(url: str) -> AsyncIterator[Opened]:
    with engine(url).connect() as own:
        yield Opened(own, own.commit, own.rollback, False)


@way
async def sqlalchemy_session(url: str) -> AsyncIterator[Opened]:
    with Session(engine(url)) as own:
        yield Opened(own, own.commit, own.rollback, False)


@way
async def sqlalchemy_scoped_session(url: str) -> AsyncIterator[Opened]:
    own = scoped_session(lambda: Session(engine(url)))
    yield Opened(own, own.commit, own.rollback, False)
    own.remove()


@way
async def sqlalchemy_async_connection(url: str) -> AsyncIterator[Opened]:
    async with async_engine(url).connect() as own:
        yield Opened(own, own.commit, own.rollback, True)


@way
async def sqlalchemy_async_session(url: str) -> AsyncIterator[Opened]:
    async with AsyncSession(async_engine(url)) as own:
        yield Opened(own, own.commit, own.rollback, True)


@way
async def sqlalchemy_async_scoped_session(url: str) -> AsyncIterator[Opened]:
    own = async_scoped_session(lambda: AsyncSession(psycopg_async_engine(url)), scopefunc=id_here)
    yield Opened(own, own.commit, own.rollback, True)
    await own.remove()


def id_here() -> int:
    return 1


@way
async def django_connection(url: str) -> AsyncIterator[Opened]:
    with django_at(url):
        yield Opened(connection, connection.commit, connection.rollback, False)


@way
async def django_connection_by_alias(url: str) -> AsyncIterator[Opened]:
    with django_at(url):
        own = connections["default"]
        yield Opened(own, own.commit, own.rollback, False)


@contextmanager
def django_at(url: str) -> Iterator[None]:
    """Let Django's one connection be one to this database, in a transaction."""
    parts = conninfo_to_dict(url)
    words = {"NAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user"}
    connection.settings_dict.update({ours: parts.get(its, "") for ours, its in words.items()})
    connection.settings_dict["PASSWORD"] = parts.get("password", "")
    # Django keeps to one thread and refuses one with a running event loop.
    with patch.dict(os.environ, {"DJANGO_ALLOW_ASYNC_UNSAFE": "1"}):
        connection.set_autocommit(False)
        try:
            yield
        finally:
            connection.close()


def engine(url: str) -> Any:
    return sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=partial(psycopg.connect, url), poolclass=NullPool
    )


def psycopg_async_engine(url: str) -> Any:
    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=partial(psycopg.AsyncConnection.connect, url),
        poolclass=NullPool,
    )


def async_engine(url: str) -> Any:
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(asyncpg.connect, **asyncpg_place(url)),
        poolclass=NullPool,
    )


def asyncpg_place(url: str) -> dict[str, Any]:
    """Where a database is, in asyncpg's words."""
    parts = conninfo_to_dict(url)
    names = {"host": "host", "port": "port", "user": "user", "password": "password"}
    place = {ours: parts[theirs] for ours, theirs in names.items() if theirs in parts}
    return place | {"database": parts["dbname"]}


@pytest.fixture
def mail(app: App) -> Mail:
    @app.task
    async def mail(to: str) -> None: ...

    return mail


@pytest.mark.parametrize("name", WAYS)
async def test_a_rollback_leaves_no_task_and_no_hint(
    mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    async with connected(database_url) as listener:
        ears = await listen(listener, [SUPERVISOR_CHANNEL])
        async with WAYS[name](database_url) as opened:
            await opened.enqueue(mail, "eve")
            await opened.rollback()
        assert await count(db, TASKS) == 0
        assert await ears.heard() == []


@pytest.mark.parametrize("name", WAYS)
async def test_a_task_runs_once_its_transaction_commits(
    app: App, mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    async with WAYS[name](database_url) as opened:
        await opened.enqueue(mail, "ann")
        await opened.enqueue_many(mail, [{"to": "100 % :ben"}, {"to": "'; --"}])
        assert await count(db, TASKS) == 0
        await opened.commit()
    assert await count(db, TASKS) == 3
    rows = await (await db.execute("select id, args->>'to' from fcs.tasks")).fetchall()
    assert {to for _, to in rows} == {"ann", "100 % :ben", "'; --"}
    async with working(database_url, app.registry), supervising(database_url):
        await reach(db, [id for id, _ in rows], Status.SUCCEEDED)


@pytest.mark.parametrize("name", WAYS)
async def test_many_that_are_alike_are_carried_as_few_are(
    mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    calls = [{"to": f'{number} % :ben {{"a", \\b}}\'; -- ż'} for number in range(ALIKE_MIN)]
    async with WAYS[name](database_url) as opened:
        await opened.enqueue_many(mail, calls)
        assert await count(db, TASKS) == 0
        await opened.commit()
    rows = await (await db.execute("select args from fcs.tasks order by id")).fetchall()
    assert [args for (args,) in rows] == calls


@pytest.mark.parametrize("name", WAYS)
async def test_more_than_fits_one_statement_is_all_or_none(
    mail: Mail, database_url: str, db: Connection, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "TASKS_MAX", 2)
    await db.execute("alter table fcs.tasks add constraint not_eve check (args->>'to' <> 'eve')")
    five = [{"to": str(number)} for number in range(5)]
    async with WAYS[name](database_url) as opened:
        await opened.enqueue(mail, "before")
        # The last one cannot be written, and takes those of the earlier statements with it.
        with pytest.raises(Exception, match="not_eve"):
            await opened.enqueue_many(mail, [*five, {"to": "eve"}])
        await opened.enqueue_many(mail, five)
        await opened.commit()
    assert await count(db, TASKS) == 6


@pytest.mark.parametrize("name", WAYS)
async def test_a_key_is_used_once_its_transaction_commits(
    mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    async with WAYS[name](database_url) as own:
        await own.enqueue(mail.using(key="order-17"), "ann")
        await own.enqueue(mail.using(key="order-17"), "ann")
        with pytest.raises(KeyReused):
            await own.enqueue(mail.using(key="order-17"), "ben")
        await own.commit()
    assert await count(db, TASKS) == 1


@pytest.mark.parametrize("name", ["asyncpg_pool", "sqlalchemy_async_session", "django_connection"])
async def test_a_key_in_flight_is_told_by_every_library(
    mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    async with db.transaction():
        await mail.using(key="order-17", connection=db).enqueue("ann")
        async with WAYS[name](database_url) as own:
            with pytest.raises(KeyInFlight):
                await own.enqueue(mail.using(key="order-17"), "ann")
            await own.rollback()


@pytest.mark.parametrize("name", WAYS)
async def test_the_wrong_twin_is_refused_with_the_right_one(
    mail: Mail, database_url: str, db: Connection, name: str
) -> None:
    async with WAYS[name](database_url) as opened:
        opened.is_async = not opened.is_async
        right = "enqueue_sync" if opened.is_async else "enqueue()"
        with pytest.raises(InvalidInput, match="connection") as raised:
            await opened.enqueue(mail, "ann")
        assert right in raised.value.hint
        opened.is_async = not opened.is_async
        await opened.rollback()
    assert await count(db, TASKS) == 0


async def test_in_autocommit_the_task_is_there_at_once(
    mail: Mail, database_url: str, db: Connection
) -> None:
    own = await asyncpg.connect(**asyncpg_place(database_url))
    await mail.using(connection=own).enqueue("ann")
    await own.close()
    loose = engine(database_url).execution_options(isolation_level="AUTOCOMMIT")
    with loose.connect() as sync:
        mail.using(connection=sync).enqueue_sync("ben")
        assert await count(db, TASKS) == 2


async def test_what_is_no_open_connection_is_refused_with_what_is(mail: Mail) -> None:
    for wrong in (object(), "postgresql://", sqlalchemy.create_engine("postgresql+psycopg://")):
        with pytest.raises(InvalidInput, match=type(wrong).__name__) as raised:
            mail.using(connection=wrong)
        assert "session of SQLAlchemy" in raised.value.hint


async def test_sqlalchemy_carries_also_where_its_asyncio_part_cannot_be_loaded(
    mail: Mail, db: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy.ext.asyncio", None)  # as without greenlet
    with Session(engine(database_url)) as session, session.begin():
        mail.using(connection=session).enqueue_sync("ann")
    assert await count(db, TASKS) == 1
    with pytest.raises(InvalidInput, match="Engine"):
        mail.using(connection=engine(database_url))


async def test_a_connection_to_another_kind_of_database_is_refused(mail: Mail) -> None:
    with (
        sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.NullPool).connect() as own,
        pytest.raises(InvalidInput, match="sqlite") as raised,
    ):
        mail.using(connection=own).enqueue_sync("ann")
    assert "fcs" in raised.value.hint


async def test_what_a_statement_says_beside_its_parameters_stays_as_it_is(
    database_url: str,
) -> None:
    statement = """
        -- a comment with a :colon
        select %(word)s::jsonb, (array[1, 2, 3])[:2]  -- and :another
    """
    word = '{"a": ":b"}'
    for url_of in (engine(database_url).connect, partial(psycopg.connect, database_url)):
        with url_of() as own:
            carrier = carrier_for(own)
            assert isinstance(carrier, SyncCarrier)
            assert carrier.run(statement, {"word": word}) == [({"a": ":b"}, [1, 2])]


def test_no_library_is_loaded_for_somebody_elses_connection() -> None:
    program = """
import sys
from fcs import App
import psycopg
from fcs.client.carriers import carrier_for
carrier_for(psycopg.Connection.__new__(psycopg.Connection))
print(*{"sqlalchemy", "asyncpg", "django"} & set(sys.modules))
"""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == ""

"""Idempotency keys from Python: whoever asks twice gets the first task."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import connected, count

from fcs import App, Task
from fcs.client.handler import Handler
from fcs.database.connect import Connection
from fcs.domain.errors import InvalidInput, KeyInFlight, KeyReused

TASKS = "select count(*) from fcs.tasks"

Mail = Handler[..., None, None]


@pytest.fixture
def mail(app: App) -> Mail:
    @app.task
    def mail(to: str) -> None:
        """Send a mail."""

    return mail


async def enqueue(mail: Mail, to: str) -> list[Task[None]]:
    return [await mail.enqueue(to)]


async def enqueue_sync(mail: Mail, to: str) -> list[Task[None]]:
    return [mail.enqueue_sync(to)]


async def enqueue_many(mail: Mail, to: str) -> list[Task[None]]:
    return await mail.enqueue_many([{"to": to}, {"to": "everybody"}])


async def enqueue_many_sync(mail: Mail, to: str) -> list[Task[None]]:
    return mail.enqueue_many_sync([{"to": to}, {"to": "everybody"}])


Create = Callable[[Mail, str], Awaitable[list[Task[None]]]]


@pytest.mark.parametrize("create", [enqueue, enqueue_sync, enqueue_many, enqueue_many_sync])
async def test_the_same_twice_is_created_once(mail: Mail, db: Connection, create: Create) -> None:
    once = mail.using(key="order-17")
    first, second = await create(once, "ann"), await create(once, "ann")

    assert [task.id for task in first] == [task.id for task in second]
    assert await count(db, TASKS) == len(first)
    with pytest.raises(KeyReused, match="order-17"):
        await create(once, "ben")


async def test_without_a_key_the_same_twice_is_two(mail: Mail, db: Connection) -> None:
    assert (await mail.enqueue("ann")).id != (await mail.enqueue("ann")).id
    assert await count(db, TASKS) == 2


async def test_in_a_transaction_the_key_is_used_if_that_commits(
    mail: Mail, database_url: str, db: Connection
) -> None:
    async with connected(database_url) as mine:
        once = mail.using(key="order-17", connection=mine)
        async with mine.transaction(force_rollback=True):
            await once.enqueue("ann")
        async with mine.transaction():
            kept = await once.enqueue("ben")
            assert (await once.enqueue("ben")).id == kept.id
    assert (await mail.using(key="order-17").enqueue("ben")).id == kept.id
    assert await count(db, TASKS) == 1


async def test_the_same_without_an_event_loop(mail: Mail, database_url: str) -> None:
    with psycopg.connect(database_url) as mine:
        kept = mail.using(key="order-17", connection=mine).enqueue_sync("ann")
    assert mail.using(key="order-17").enqueue_sync("ann").id == kept.id


async def test_a_key_in_an_open_transaction_holds_up_nobody_else(
    mail: Mail, database_url: str
) -> None:
    async with connected(database_url) as mine, mine.transaction():
        await mail.using(key="order-17", connection=mine).enqueue("ann")
        with pytest.raises(KeyInFlight, match="order-17"):
            await mail.using(key="order-17").enqueue("ann")
        await mail.using(key="order-18").enqueue("ann")
        await mail.enqueue("ann")


@pytest.mark.parametrize("key", ["", "a\nb", "k" * 256])
async def test_what_is_no_key_is_refused_at_once(mail: Mail, key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency key"):
        mail.using(key=key)


async def test_an_answer_that_was_lost_is_asked_for_again(
    database_url: str, db: Connection
) -> None:
    """F-91: the first sending has been carried out, and it is the same create."""
    async with proxied(database_url) as proxy:
        app = App(database=proxy.url)

        @app.task
        def noop() -> None: ...

        proxy.trouble(Kind.LOSE_ANSWER, "create_linked")
        task = await noop.using(key="order-17").enqueue()
        assert (await task.view()).id == task.id
        assert await count(db, TASKS) == 1
        await app.close()

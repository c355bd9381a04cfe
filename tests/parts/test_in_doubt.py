"""An answer that was lost, and a database that stays away: what may have been created is named."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.parts.proxy import Kind, Proxy, Trouble, proxied
from tests.parts.stage import count

from fcs import App
from fcs.database.connect import Connection
from fcs.domain.errors import DatabaseUnavailable, InDoubt

COPYING = "Create tasks anew that have ended"


@pytest.fixture
async def proxy(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    monkeypatch.setattr("fcs.client.store.PATIENCE", 0.5)
    async with proxied(database_url) as proxy:
        yield proxy


@pytest.fixture
async def distant(proxy: Proxy) -> AsyncIterator[App]:
    app = App(database=proxy.url)
    yield app
    await app.close()


async def told(proxy: Proxy, lost: Trouble, asking: Any) -> InDoubt:
    """Let the database go away when it has done what it was asked for, and before it says so."""
    asked = asyncio.ensure_future(asking)
    await proxy.leave_after(lost, asked)
    with pytest.raises(InDoubt) as error:
        await asked
    proxy.come_back()
    return error.value


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("key", [None, "order-17"])
async def test_a_create_says_which_task_may_be_there(
    distant: App, proxy: Proxy, db: Connection, sync: bool, key: str | None
) -> None:
    @distant.task
    async def noop() -> None: ...

    handler = noop.using(key=key) if key else noop
    lost = proxy.trouble(Kind.LOSE_ANSWER, "create_linked" if key else "create_plain")
    asking = asyncio.to_thread(handler.enqueue_sync) if sync else handler.enqueue()
    error = await told(proxy, lost, asking)

    cursor = await db.execute("select id from fcs.tasks")
    [[id]] = await cursor.fetchall()
    assert f"not known whether task {id} was created" in str(error)
    assert ("same key" if key else f"app.find('{id}')") in error.hint


@pytest.mark.parametrize("sync", [False, True])
async def test_a_create_of_many_says_where_to_look(
    distant: App, proxy: Proxy, db: Connection, sync: bool
) -> None:
    @distant.task
    async def noop() -> None: ...

    calls: list[dict[str, Any]] = [{}] * 2_500
    lost = proxy.trouble_at_commit(Kind.LOSE_ANSWER)
    asking = asyncio.to_thread(noop.enqueue_many_sync, calls) if sync else noop.enqueue_many(calls)
    error = await told(proxy, lost, asking)

    cursor = await db.execute("select min(id::text), count(*) from fcs.tasks")
    [[first, number]] = await cursor.fetchall()
    assert number == len(calls)
    assert f"not known whether task {first} and 2,499 more were created" in str(error)
    assert f"app.find('{first}')" in error.hint


@pytest.mark.parametrize("sync", [False, True])
async def test_a_retry_says_which_task_may_be_there(
    distant: App, proxy: Proxy, db: Connection, sync: bool
) -> None:
    @distant.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    await db.execute("update fcs.tasks set status = 'failed', due_at = null")
    lost = proxy.trouble_with(Kind.LOSE_ANSWER, COPYING)
    error = await told(proxy, lost, asyncio.to_thread(task.retry_sync) if sync else task.retry())

    cursor = await db.execute("select id from fcs.tasks where status = 'pending'")
    [[id]] = await cursor.fetchall()
    assert f"not known whether task {id} was created" in str(error)
    assert f"app.find('{id}')" in error.hint


async def test_where_nothing_was_sent_nothing_is_in_doubt(distant: App, proxy: Proxy) -> None:
    @distant.task
    async def noop() -> None: ...

    proxy.leave()
    for asking in (noop.enqueue(), asyncio.to_thread(noop.enqueue_sync)):
        with pytest.raises(DatabaseUnavailable) as error:
            await asking
        assert not isinstance(error.value, InDoubt)
        assert "Check that Postgres runs there" in error.value.hint


async def test_threads_that_wait_for_each_other_wait_no_longer_than_each_alone(
    distant: App, proxy: Proxy, db: Connection
) -> None:
    @distant.task
    async def noop() -> None: ...

    hold = proxy.trouble(Kind.HOLD, "create_plain")
    first = asyncio.create_task(asyncio.to_thread(noop.enqueue_sync))
    await hold.reached.wait()
    with pytest.raises(DatabaseUnavailable, match="other threads"):
        await asyncio.to_thread(noop.enqueue_sync)
    hold.let_go.set()
    await first
    assert await count(db, "select count(*) from fcs.tasks") == 1

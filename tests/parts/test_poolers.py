"""Supervisor, worker and app behind a pooler of transactions: they poll, and all holds as ever.

`FCS_TEST_POOLER=1` runs the tests of other files so as well, but for those marked `direct`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec.structs import replace
from tests.conftest import Server
from tests.parts.stage import DEAF, connected, reach, supervising, working
from tests.pooler import WANTED, Pooler, around, is_pooled, pooling

import fcs
from fcs import App, Backoff, TaskCancelled
from fcs.domain.task import Status


@pytest.fixture(scope="module")
def pooler(postgres: Server) -> Iterator[Pooler]:
    with pooling(postgres.url()) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: Pooler, database_url: str) -> str:
    return pooler.url(database_url)


@pytest.fixture
async def app(pooled_url: str) -> AsyncIterator[App]:
    app = App(database=pooled_url)
    yield app
    await app.close()


def test_whoever_wants_a_pooler_before_all_databases_has_it(database_url: str) -> None:
    """Or the whole suite might pass behind none."""
    assert is_pooled(database_url) == bool(os.environ.get(WANTED))
    assert not is_pooled(around(database_url))


async def test_each_task_runs_once_and_its_result_arrives(app: App, pooled_url: str) -> None:
    begun: Counter[int] = Counter()

    @app.task
    async def double(n: int) -> int:
        begun[n] += 1
        return 2 * n

    async with supervising(pooled_url), working(pooled_url, app.registry, slots=20):
        tasks = await double.enqueue_many([{"n": n} for n in range(100)])
        assert [await task.result(30) for task in tasks] == [2 * n for n in range(100)]
    assert set(begun.values()) == {1}


async def test_nobody_needs_a_hint_or_a_beat(app: App, pooled_url: str) -> None:
    """A slot that has become free is known from the row, soon after."""

    @app.task
    async def noop() -> None: ...

    rare = replace(DEAF, beat_interval=100, lease=1_000)
    async with (
        supervising(pooled_url, rare),
        working(pooled_url, app.registry, settings=rare, slots=1),
    ):
        for _ in range(3):
            await (await noop.enqueue()).wait(30)


async def test_a_running_body_is_asked_to_end(app: App, pooled_url: str) -> None:
    @app.task
    async def endless() -> None:
        await asyncio.Event().wait()

    async with supervising(pooled_url), working(pooled_url, app.registry, settings=DEAF):
        task = await endless.enqueue()
        async with connected(pooled_url) as db:
            await reach(db, [task.id], Status.RUNNING)
        await task.cancel("enough")
        with pytest.raises(TaskCancelled):
            await task.wait(30)


async def test_failed_attempts_are_followed_by_others(app: App, pooled_url: str) -> None:
    @app.task(max_attempts=3, backoff=Backoff(first=0.001))
    async def flaky() -> int:
        attempt = fcs.current().attempt
        if attempt < 3:
            raise ValueError("not yet")
        return attempt

    async with supervising(pooled_url), working(pooled_url, app.registry):
        assert await (await flaky.enqueue()).result(30) == 3


async def test_a_way_around_the_pooler_keeps_the_hints(
    app: App, pooled_url: str, database_url: str
) -> None:
    """They alone carry it: nobody looks at the rows in time."""

    @app.task
    async def noop() -> None: ...

    patient = replace(DEAF, poll_interval=1_000)
    async with (
        supervising(pooled_url, patient, direct=around(database_url)),
        working(pooled_url, app.registry, settings=patient, slots=1, direct=around(database_url)),
    ):
        for _ in range(3):
            await (await noop.enqueue()).wait(30)

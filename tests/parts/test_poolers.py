"""Supervisor and worker behind a pooler of transactions: they poll, and all holds as ever."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.conftest import Server
from tests.parts.stage import supervising, working
from tests.pooler import Pooler, pooling

from fcs import App


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


async def test_results(app: App, pooled_url: str) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    async with supervising(pooled_url), working(pooled_url, app.registry):
        tasks = await double.enqueue_many([{"n": n} for n in range(100)])
        assert [await task.result(20) for task in tasks] == [2 * n for n in range(100)]

"""What the tests of the parts share: a connection of their own, and an app."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import pytest
from tests.conftest import Plant
from tests.parts.lonely import Lonely
from tests.parts.stage import connected
from tests.pooler import fronting

from fcs import App
from fcs.database.connect import Connection
from fcs.database.migrate import migrate
from fcs.embedded import Postgres


class LocalhostIs(Protocol):
    """Says for which addresses localhost is to stand."""

    def __call__(self, *addresses: str) -> None: ...


@pytest.fixture
def localhost_is(monkeypatch: pytest.MonkeyPatch) -> LocalhostIs:
    real = socket.getaddrinfo

    def localhost_is(*addresses: str) -> None:
        def find(host: str, *asked: Any, **named: Any) -> list[Any]:
            hosts = addresses if host == "localhost" else [host]
            return [found for address in hosts for found in real(address, *asked, **named)]

        monkeypatch.setattr(socket, "getaddrinfo", find)

    return localhost_is


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with connected(database_url) as db:
        yield db


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    app = App(database=database_url)
    yield app
    await app.close()


@pytest.fixture(scope="session")
def lonely(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> Iterator[Lonely]:
    """Whoever wants it is of the `xdist_group` of its name: it is there once."""
    with (
        Postgres(plant(tmp_path_factory.mktemp("lonely"))) as server,
        fronting(server.url()) as front,
    ):
        asyncio.run(migrate(server.url()))
        yield Lonely(front(server.url()))

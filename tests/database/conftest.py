"""Connections for the tests of the database floor: in a transaction that rolls back, at noon."""

import os
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from tests.conftest import Server, fresh_database
from tests.database.scene import NOON, Ears, freeze, listen
from tests.pooler import around

from fcs.database import sleep
from fcs.database.connect import Connection, connect
from fcs.domain.hints import SUPERVISOR_CHANNEL

TABLES = (
    "tasks",
    "workers",
    "queues",
    "late_reports",
    "keys",
    "dependencies",
    "unsettled",
    "schedules",
    "fires",
    "declarations",
    "reports",
)

# Of one row each.
SINGLE = ("cluster", "leadership")


@pytest.fixture
def database_url(database_url: str) -> str:
    """Statements are held against sessions of their own here, whatever else is pooled."""
    return around(database_url)


@pytest.fixture(scope="session")
def shared_url(postgres: Server, template: str) -> Iterator[str]:
    """One database for all tests that leave nothing behind."""
    with fresh_database(postgres, template) as url:
        yield url


@pytest.fixture
async def db(shared_url: str) -> AsyncIterator[Connection]:
    """A connection at a frozen noon; whatever the test writes is rolled back."""
    async with (
        await connect(shared_url, part="test") as db,
        db.transaction(force_rollback=True),
    ):
        await freeze(db, NOON)
        yield db


@pytest.fixture
def clean_url(shared_url: str) -> Iterator[str]:
    """The shared database with empty tables, for tests in which statements commit."""
    with psycopg.connect(shared_url, autocommit=True) as db:
        yield shared_url
        for table in TABLES:
            db.execute(f"delete from fcs.{table}".encode())
        for table in SINGLE:
            db.execute(f"delete from fcs.{table}".encode())
            db.execute(f"insert into fcs.{table} default values".encode())


@pytest.fixture
async def clean(clean_url: str) -> AsyncIterator[Connection]:
    """A connection on empty tables, where each statement commits."""
    async with await connect(clean_url, part="test") as db:
        yield db


@pytest.fixture
async def ears(clean: Connection) -> Ears:
    """Somebody who hears what a supervisor would."""
    return await listen(clean, [SUPERVISOR_CHANNEL])


@pytest.fixture
async def sleeper(clean_url: str) -> AsyncIterator[Connection]:
    """Another connection, on which a supervisor sleeps."""
    async with await connect(clean_url, part="test") as sleeper:
        assert await sleep.fall_asleep(sleeper)
        yield sleeper


@pytest.fixture
def modest_role(postgres: Server) -> Iterator[str]:
    """A role that owns nothing and may create nothing."""
    name = f"fcs_test_{os.getpid()}_modest"
    with psycopg.connect(postgres.url(), autocommit=True) as db:
        db.execute(f"create role {name} login".encode())
        yield name
        db.execute(f"drop role {name}".encode())

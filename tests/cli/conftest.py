"""The command line, run within the test process, on a database of the test's own."""

import os
import pwd
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.cli.said import Fcs, Said

from fcs.cli.program import run
from fcs.database.connect import Connection, connect


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """`fcs` has a process of its own, and its signals with it; this one is the tests'."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the person who runs the tests has set, or keeps running, is not meant for them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name in list(os.environ):
        if name.startswith("FCS_") or name in ("DATABASE_URL", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    """The user is a number that the system knows nothing about, as by `docker run -u 12345`."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def anywhere(capfd: pytest.CaptureFixture[str], clean_environment: None) -> Fcs:
    """`fcs` without a database."""

    def fcs(*arguments: object) -> Said:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return Said(code, *capfd.readouterr())

    return fcs


@pytest.fixture
def fcs(anywhere: Fcs, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Fcs:
    """`fcs` with FCS_DATABASE set to a database that has the schema."""
    monkeypatch.setenv("FCS_DATABASE", database_url)
    return anywhere


@pytest.fixture
def rows(database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The database behind the back of `fcs`."""
    with psycopg.connect(database_url, autocommit=True) as db:
        yield db


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with await connect(database_url, part="test") as db:
        yield db

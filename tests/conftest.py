"""Databases for the tests: one private Postgres a process, one fresh database a test.

`FCS_TEST_DATABASE`, the URL of a superuser, makes them use a server that runs already.
"""

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

import hypothesis
import psycopg
import pytest
from psycopg import sql
from tests.pooler import fronting

from fcs.embedded import Postgres, find_binaries
from fcs.embedded.folder import make_cluster, make_private

# The time that an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("default")

# Nobody crashes the shared server, and each database of a test is a copy that need not last.
CARELESS = {"fsync": "off", "full_page_writes": "off"}

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Let children hear all signals also where `nohup` or a script's `&` has some ignored.

    They inherit what is ignored, but no handler, not even one that does nothing.
    """
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: lambda *_: None,
        signal.SIGQUIT: lambda *_: None,
    }
    for number, handler in handlers.items():
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


class Plant(Protocol):
    """Puts what `initdb` makes into a folder of data, and returns that folder."""

    def __call__(self, folder: Path) -> Path: ...


class Server(Protocol):
    def url(self, dbname: str = "postgres") -> str: ...


class OuterServer:
    """A server that somebody else started."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, dbname: str = "postgres") -> str:
        return re.sub(r"^(\w+://[^/?]*)(/[^?]*)?", rf"\1/{dbname}", self._url)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder of the test's own; who runs root's Postgres instead of root gets there as well."""
    return reachable(tmp_path)


@cache
def grants_namespaces() -> bool:
    """Whether the kernel does; asked in a process that has no threads to be forked with."""
    ask = "import sys; from fcs.embedded import launcher; sys.exit(not launcher.namespace_works())"
    return subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0


def reachable(folder: Path) -> Path:
    """Open a folder of root's, and the way to it, to others, if one of them has to run Postgres."""
    if os.geteuid() == 0 and not grants_namespaces():
        closed = folder
        while closed.is_relative_to(tempfile.gettempdir()) and closed.stat().st_uid == 0:
            closed.chmod(closed.stat().st_mode | 0o011)
            closed = closed.parent
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server of this test process. Leave it running: `own_postgres` is there to be killed."""
    if url := os.environ.get("FCS_TEST_DATABASE"):
        yield OuterServer(url)
        return
    with (
        tempfile.TemporaryDirectory(prefix="fcs-test-") as folder,
        Postgres(folder, settings=CARELESS) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def front(postgres: Server) -> Iterator[Callable[[str], str]]:
    """The way to a database; with `FCS_TEST_POOLER=1` it leads through a pooler of transactions.

    What a test itself has to see it sees `around` the pooler.
    """
    with fronting(postgres.url()) as front:
        yield front


@pytest.fixture
def blank_database_url(postgres: Server, front: Callable[[str], str]) -> Iterator[str]:
    """An empty database of the test's own."""
    with fresh_database(postgres) as url:
        yield front(url)


@pytest.fixture
def database_url(postgres: Server, template: str, front: Callable[[str], str]) -> Iterator[str]:
    """A database of the test's own that has the schema."""
    with fresh_database(postgres, template) as url:
        yield front(url)


@pytest.fixture(scope="session")
def template(postgres: Server) -> Iterator[str]:
    """The name of the database that `database_url` copies; migrating takes longer than copying."""
    from fcs.database.migrate import migrate

    with fresh_database(postgres) as url:
        asyncio.run(migrate(url))
        yield psycopg.conninfo.conninfo_to_dict(url)["dbname"]  # type: ignore[misc]


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """For servers that need not be made from nothing: copying is many times as fast.

    By their identity all of them are one server, so no test may have two of them.
    """
    with tempfile.TemporaryDirectory(prefix="fcs-test-") as name:
        made = reachable(Path(name)) / "made"
        make_private(made)
        cluster = make_cluster(made, find_binaries())

        def plant(folder: Path) -> Path:
            make_private(folder)
            subprocess.run(["cp", "-a", cluster, folder], check=True)
            return folder

        yield plant


@pytest.fixture
def own_postgres(tmp_path: Path, plant: Plant) -> Iterator[Postgres]:
    """A server of the test's own, to stop and to crash."""
    with Postgres(plant(tmp_path / "postgres")) as server:
        yield server


@pytest.fixture
def own_url(own_postgres: Postgres) -> Iterator[str]:
    """The way to that server, as `front` knows it."""
    with fronting(own_postgres.url()) as front:
        yield front(own_postgres.url())


@contextmanager
def fresh_database(server: Server, template: str = "template1") -> Iterator[str]:
    name = f"fcs_test_{os.getpid()}_{next(_numbers)}"
    create = sql.SQL("create database {} template {}").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))

    with psycopg.connect(server.url(), autocommit=True) as admin:
        # The other way would write all of it into the log as well, for half as much again.
        by_files = sql.SQL(" strategy file_copy" if admin.info.server_version >= 150_000 else "")
        admin.execute(create + by_files)
        try:
            yield server.url(name)
        finally:
            admin.execute(drop)

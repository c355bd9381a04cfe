"""The plugin for pytest: a database for each test, and a worker on it.

It is there wherever fcs is installed. The server is the one in `FCS_TEST_DATABASE` (the URL of a
role that may create databases), or else a private Postgres for the session, which takes
`pip install 'free-churro-scheduler[up]'`.
"""

import asyncio
import itertools
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fcs.client.app import App
    from fcs.testing.ran import Ran

_numbers = itertools.count(1)

# In containers all sessions may have the same pid, and one that was killed leaves its databases.
_session = secrets.token_hex(4)


@pytest.fixture(scope="session")
def fcs_server() -> Iterator[str]:
    """The URL of a server for databases of tests."""
    if url := os.environ.get("FCS_TEST_DATABASE"):
        yield url
        return
    from fcs.embedded import Postgres

    with tempfile.TemporaryDirectory(prefix="fcs-test-") as folder, Postgres(folder) as server:
        yield server.url()


@pytest.fixture(scope="session")
def fcs_template(fcs_server: str) -> Iterator[str]:
    """The name of a database with the schema, to be copied."""
    from fcs.database.migrate import migrate
    from fcs.database.testing import copied_database

    name = _name("template")
    with copied_database(fcs_server, name, "template1") as url:
        asyncio.run(migrate(url))
        yield name


@pytest.fixture
def fcs_database(
    fcs_server: str, fcs_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of a database of the test's own, with the schema; `FCS_DATABASE` names it."""
    from fcs.database.testing import copied_database

    with copied_database(fcs_server, _name(str(next(_numbers))), fcs_template) as url:
        monkeypatch.setenv("FCS_DATABASE", url)
        yield url


@pytest.fixture
def fcs_worker(
    fcs_database: str,  # noqa: ARG001 - must outlive the workers
) -> Iterator[Callable[["App"], "list[Ran[Any]]"]]:
    """Call it with an app: a supervisor and a worker run its tasks until the test ends.

    Returns the runs so far, a list that grows.
    """
    from fcs.testing.background import working

    with ExitStack() as workers:
        yield lambda app: workers.enter_context(working(app))


def _name(of: str) -> str:
    return f"fcs_test_{os.getpid()}_{_session}_{of}"

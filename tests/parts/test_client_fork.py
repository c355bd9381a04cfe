"""An app that was used before its process forked: the child opens connections of its own."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable

import psycopg
import pytest

from fcs import App

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no fork"),
    # Some libraries keep threads; a fork in a test may ignore them.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

TASKS = "select count(*) from fcs.tasks"
SESSIONS = """
    select count(*) from pg_stat_activity
     where datname = current_database() and application_name in ('fcs client', 'fcs create')
"""


def forked(act: Callable[[], object]) -> int:
    """The exit code of a child that does something and goes."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            act()
        except BaseException:  # noqa: BLE001 - the exit code tells
            traceback.print_exc()
            code = 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def number(url: str, query: str) -> int:
    with psycopg.connect(url) as db:
        row = db.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


class Family:
    """An app that is used by a parent and by its child."""

    def __init__(self, url: str) -> None:
        self.app = App(database=url)
        self._noop = self.app.task(name="noop")(lambda: None)

    def create(self, runner: asyncio.Runner) -> None:
        """Use everything that has a connection."""
        self._noop.enqueue_sync()
        runner.run(self._create())

    def live_as_child(self) -> None:
        with asyncio.Runner() as runner:
            self.create(runner)
            runner.run(self.app.close())

    async def _create(self) -> None:
        await (await self._noop.enqueue()).view()


def test_parent_and_child_create_without_disturbing_each_other(database_url: str) -> None:
    family = Family(database_url)
    with asyncio.Runner() as runner:
        family.create(runner)
        assert forked(family.live_as_child) == 0
        family.create(runner)
        runner.run(family.app.close())
    assert number(database_url, TASKS) == 6


@pytest.mark.direct  # sessions are counted by their names
def test_a_child_takes_its_own_connections_along_and_leaves_alone_its_parents(
    database_url: str,
) -> None:
    family = Family(database_url)
    with asyncio.Runner() as runner:
        family.create(runner)
        sessions = number(database_url, SESSIONS)
        assert forked(family.live_as_child) == 0
        assert number(database_url, SESSIONS) == sessions == 3
        runner.run(family.app.close())


def test_a_fork_in_the_middle_of_a_create_holds_up_no_child(database_url: str) -> None:
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)
    noop.enqueue_sync()
    with app.store._sync._turn:
        assert forked(noop.enqueue_sync) == 0
    asyncio.run(app.close())
    assert number(database_url, TASKS) == 2

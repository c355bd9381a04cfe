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


def test_parent_and_child_create_without_disturbing_each_other(database_url: str) -> None:
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)

    async def once() -> None:
        task = await noop.enqueue()
        await task.view()

    async def in_child() -> None:
        await once()
        await app.close()

    def both() -> None:
        noop.enqueue_sync()
        asyncio.run(in_child())

    with asyncio.Runner() as runner:
        noop.enqueue_sync()
        runner.run(once())
        sessions = number(database_url, SESSIONS)
        assert forked(both) == 0
        # The child took its own connections along, and left those of its parent alone.
        assert number(database_url, SESSIONS) == sessions == 3
        noop.enqueue_sync()
        runner.run(in_child())
    assert number(database_url, TASKS) == 6


def test_a_fork_in_the_middle_of_a_create_holds_up_no_child(database_url: str) -> None:
    app = App(database=database_url)
    noop = app.task(name="noop")(lambda: None)
    noop.enqueue_sync()
    with app.store._sync._turn:
        assert forked(noop.enqueue_sync) == 0
    asyncio.run(app.close())
    assert number(database_url, TASKS) == 2

"""Reports in writing: a slot that became free is found without a ring.

Nobody looks at the rows by himself here for a minute: a report that was neither read nor rung
would leave the next task where it is, and the test with it.
"""

from collections.abc import Coroutine
from typing import Any

import pytest
from tests.parts.stage import DEAF, connected, count, hire_fake, supervising, until, working

from fcs import App
from fcs.client.handler import Handler
from fcs.database import reports as rows
from fcs.database.connect import Connection
from fcs.database.mail import listen
from fcs.domain.facts import WorkerReported
from fcs.domain.hints import SUPERVISOR_CHANNEL, parse_for_supervisor
from fcs.supervisor import reports

Noop = Handler[[], Coroutine[Any, Any, None], None]

pytestmark = pytest.mark.direct  # who hears no hints is not rung, and asks for nothing in writing


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers are many."""
    monkeypatch.setattr(reports, "MANY", 2)


async def succeeded(db: Connection, number: int) -> None:
    async def all_of_them() -> bool:
        query = "select count(*) from fcs.tasks where status = 'succeeded'"
        return await count(db, query) == number

    await until(all_of_them)


async def asked(db: Connection, number: int) -> None:
    """Wait until so many workers are to write."""

    async def so_many() -> bool:
        return await count(db, "select count(*) from fcs.reports") == number

    await until(so_many)


@pytest.mark.usefixtures("many")
async def test_slots_are_filled_again_from_what_workers_write(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with (
        working(database_url, app.registry, settings=DEAF, slots=1),
        working(database_url, app.registry, settings=DEAF, slots=1),
        supervising(database_url, DEAF),
        connected(database_url) as ear,
    ):
        await asked(db, 2)
        await listen(ear, SUPERVISOR_CHANNEL)
        await noop.enqueue_many([{}] * 300)
        await succeeded(db, 300)

        rung = [hint.payload async for hint in ear.notifies(timeout=0)]
        told = [hint for hint in rung if isinstance(parse_for_supervisor(hint), WorkerReported)]
        # Some come while it sleeps, before the first and after the last.
        assert len(told) < 150


@pytest.mark.usefixtures("many")
async def test_what_was_asked_for_follows_who_is_there(
    app: App, database_url: str, db: Connection
) -> None:
    async with working(database_url, app.registry), supervising(database_url, DEAF):
        async with working(database_url, app.registry):
            await asked(db, 2)
        # One alone is not many.
        await asked(db, 0)


async def test_what_one_before_asked_for_is_taken_down(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """Else its workers would write for nobody."""
    fake = await hire_fake(db, ["noop"], slots=1)
    await rows.ask_for(db, [fake.incarnation])
    async with supervising(database_url, DEAF):
        await asked(db, 0)


@pytest.mark.usefixtures("many")
async def test_what_somebody_else_wrote_into_a_report_harms_nobody(
    app: App, noop: Noop, database_url: str, db: Connection
) -> None:
    async with (
        working(database_url, app.registry, settings=DEAF, slots=1),
        working(database_url, app.registry, settings=DEAF, slots=1),
        supervising(database_url, DEAF),
    ):
        await asked(db, 2)
        await db.execute("update fcs.reports set report = 'nonsense ' || incarnation")
        await noop.enqueue_many([{}] * 50)
        await succeeded(db, 50)

"""What a candidate sees of the workers while it stands by, and what that is worth when it leads."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.parts.stage import (
    PATIENCE,
    come_round,
    count,
    end_sessions,
    hire_fake,
    supervising,
    until,
    view,
)

from fcs import App, Status
from fcs.client.handler import Handler
from fcs.database.connect import Connection
from fcs.domain.settings import Settings

BRISK = Settings(lease=3.0)
PATIENT = Settings(lease=6.0)

SURVEYED = """
    select count(*)
      from fcs.leadership
     where node is not null
       and expires_at > since + interval '5 s'
"""

DEPOSE = """
    update fcs.leadership set term = term + 1, node = null, expires_at = fcs.now();
    select pg_notify('fcs_candidates', 'vacant')
"""

ANOTHER_LEADS = """
    update fcs.leadership
       set term = term + (node is null)::int,
           node = '00000000-0000-0000-0000-00000000000a',
           part = 'supervisor',
           backend = pg_backend_pid(),
           expires_at = fcs.now() + interval '300 s'
"""

CANDIDATES = """
    select count(*)
      from pg_stat_activity
     where datname = current_database()
       and application_name = 'fcs candidate'
"""

Noop = Handler[[], Coroutine[Any, Any, None], None]


@pytest.fixture
def noop(app: App) -> Noop:
    @app.task
    async def noop() -> None: ...

    return noop


async def test_the_dead_are_found_although_no_leader_lasts_for_a_lease(
    noop: Noop, database_url: str, db: Connection
) -> None:
    """LIVE, TRUTH: each of them surveys the workers once, and is deposed."""
    doomed = await hire_fake(db, ["noop"], slots=1)
    async with supervising(database_url, BRISK), supervising(database_url, BRISK, seed=2):
        task = await noop.enqueue()
        await until(doomed.held)
        await doomed.begin(task.id)
        async with asyncio.timeout(PATIENCE):
            while (await view(db, task.id)).status is Status.RUNNING:
                await until(lambda: count(db, SURVEYED))
                await db.execute(DEPOSE)
        assert (await view(db, task.id)).status is Status.INTERRUPTED


async def test_who_has_stood_by_knows_the_dead_at_the_first_look_as_leader(
    database_url: str, db: Connection
) -> None:
    """TRUTH: it has seen for a lease what the one before it saw."""
    silent = await hire_fake(db, ["noop"])
    async with supervising(database_url, PATIENT):
        await be_led_by_another(db, longer_than=PATIENT.lease)
        await lead(db)

        assert not await silent.beat()


@pytest.mark.direct  # behind a pooler sessions have no names
async def test_whose_connection_broke_begins_to_watch_anew(
    database_url: str, db: Connection
) -> None:
    """F-43: the database may have been away, and nobody could beat."""
    silent = await hire_fake(db, ["noop"])
    async with supervising(database_url, PATIENT):
        await be_led_by_another(db, longer_than=PATIENT.lease)
        await until(lambda: end_sessions(db, "fcs candidate"))
        await until(lambda: count(db, CANDIDATES))
        await lead(db)

        assert await silent.beat()


async def be_led_by_another(db: Connection, *, longer_than: float) -> None:
    """Renew the lease of somebody else, until a worker has been silent for so long, and a look."""
    query = "select extract(epoch from fcs.now() - beat_at)::int from fcs.workers"

    async def is_long() -> bool:
        await db.execute(ANOTHER_LEADS)
        return await count(db, query) > longer_than + 1

    await until(is_long)


async def lead(db: Connection) -> None:
    """Let the candidate lead; return once it has looked at the workers, and done what that asks."""
    await db.execute(DEPOSE)
    await until(lambda: count(db, SURVEYED))
    await come_round(db)

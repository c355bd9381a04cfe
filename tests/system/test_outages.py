"""Postgres goes away under load: everybody recovers by himself, and nobody is wronged."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest
from msgspec import structs
from tests.parts.stage import NO_CHILDREN
from tests.pooler import around
from tests.system.harness import LOOK_AGAIN, Cluster, Load, new_task

from fcs.client.ids import new_run_ids
from fcs.database import runs, tasks, workers
from fcs.database.connect import connect
from fcs.database.migrate import migrate
from fcs.database.runs import Beginning
from fcs.database.workers import Registration
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.ids import Incarnation, RunId, WorkerId
from fcs.domain.settings import Settings
from fcs.domain.topology import Part
from fcs.embedded import Postgres
from fcs.node.clock import boot_seconds
from fcs.node.supervise import candidate
from fcs.registry import Registry
from fcs.supervisor import elector
from fcs.worker import runtime as work
from fcs.worker.enrol import enrol

pytestmark = pytest.mark.slow

OUTAGE = 5.0
"""Seconds for which Postgres is away: as long as a lease."""

HASTY = Settings(lease=1.5, beat_interval=0.5, survey_interval=0.5)
NOON = datetime(2018, 1, 1, 12, 0, tzinfo=UTC)


KILL = """
    select pg_terminate_backend(pid)
      from pg_stat_activity
     where datname = current_database()
       and (application_name like %(parts)s or application_name = '')
       and pid <> pg_backend_pid()
"""
"""Only a pooler's sessions have no name; anybody may be at work in them."""


@pytest.mark.parametrize("end", ["immediate stop", "power failure"])
def test_every_process_recovers_when_postgres_goes_away_under_load(
    own_postgres: Postgres, own_url: str, tmp_path: Path, end: str
) -> None:
    with Cluster(own_url, tmp_path) as cluster:
        assert cluster.run("init", "--database", cluster.url).exit_code() == 0
        cluster.start(workers=2)
        with Load(cluster.url) as load:
            cluster.ledger.wait_count(50)
            if end == "immediate stop":
                own_postgres.stop("immediate")
            else:
                own_postgres.crash()
            time.sleep(OUTAGE)
            own_postgres.start()

            # Everybody is back once tasks end that were created after it.
            cluster.create("nap", [-1])
            cluster.wait_for_status("succeeded", -1)
        cluster.assert_all_ran_once(load)


@pytest.mark.parametrize(
    "parts",
    [
        "fcs %",
        # Whoever polls has no mail.
        pytest.param("fcs % mail", marks=pytest.mark.direct),
    ],
)
def test_killed_connections_cost_no_task(database_url: str, tmp_path: Path, parts: str) -> None:
    with Cluster(database_url, tmp_path) as cluster:
        cluster.start(workers=2)
        with Load(database_url) as load:
            for round in range(1, 6):
                cluster.ledger.wait_count(30 * round)
                cluster.execute(KILL, {"parts": parts})
        cluster.assert_all_ran_once(load)


async def test_the_unluckiest_worker_outlives_an_outage(
    own_postgres: Postgres, own_url: str
) -> None:
    await migrate(own_url)
    async with supervising(own_url, rng=Lucky()), working(own_url, rng=Unlucky()):
        await go_out(own_postgres)
        query = "select state::text, beat_no from fcs.workers"
        with psycopg.connect(around(own_url), autocommit=True) as db:
            before = now = db.execute(query).fetchone()
            while now == before:
                await asyncio.sleep(LOOK_AGAIN)
                now = db.execute(query).fetchone()
        assert now
        assert now[0] == "live"


async def test_the_unluckiest_supervisor_knows_the_dead_a_lease_after_an_outage(
    own_postgres: Postgres, own_url: str
) -> None:
    await migrate(own_url)
    async with supervising(own_url, rng=Unlucky()):
        await die_running(own_url)
        await go_out(own_postgres)
        query = "select updated_at - %s from fcs.tasks where status = 'interrupted'"
        with psycopg.connect(around(own_url), autocommit=True) as db:
            back_at = db.execute("select fcs.now()").fetchone()
            while not (known_after := db.execute(query, back_at).fetchone()):
                await asyncio.sleep(LOOK_AGAIN)
        assert known_after[0] <= timedelta(seconds=HASTY.lease + 1)


class Lucky(Random):
    """Chance makes it wait next to nothing."""

    def random(self) -> float:
        return 0.1


class Unlucky(Random):
    """Chance makes it wait for as long as it may."""

    def random(self) -> float:
        return 0.999


async def test_an_outage_does_not_make_a_dead_holder_of_a_worker_id_look_alive(
    own_postgres: Postgres, own_url: str
) -> None:
    await migrate(own_url)
    dead, successor = registration(), registration()
    async with await connect(own_url, part="test") as db:
        await workers.register(db, dead, replaces=None)
    successor = structs.replace(successor, id=dead.id)
    waiting = asyncio.create_task(enrol(own_url, successor, lease=2, rng=Lucky(), patience=3))
    await asyncio.sleep(0.5)
    own_postgres.stop("immediate")
    await asyncio.sleep(2)
    own_postgres.start()
    await waiting


@asynccontextmanager
async def supervising(url: str, *, rng: Random) -> AsyncIterator[None]:
    """A supervisor in this process, for as long as the block runs."""
    part = asyncio.create_task(
        elector.run(url, HASTY, candidate(Part.SUPERVISOR), rng=rng, at=boot_seconds)
    )
    try:
        yield
    finally:
        part.cancel()
        await asyncio.wait([part])


@asynccontextmanager
async def working(url: str, *, rng: Random) -> AsyncIterator[None]:
    """A worker in this process, for as long as the block runs."""
    worker = await work.start(
        url,
        registration(),
        Registry(),
        HASTY,
        rng=rng,
        at=boot_seconds,
        new_run_ids=new_run_ids,
        recipe=NO_CHILDREN,
    )
    stop = work.Stop(drain=asyncio.Event(), now=asyncio.Event())
    part = asyncio.create_task(worker.run(stop, drain_timeout=0))
    try:
        yield
    finally:
        stop.now.set()
        await asyncio.wait([part])
        part.exception()


async def die_running(url: str) -> None:
    """Be a worker that is never heard of again after it has begun a task."""
    new, dead = new_task("nap", 1), registration()
    async with await connect(url, part="test") as db:
        await workers.register(db, dead, replaces=None)
        await tasks.create(db, [new])
        waiting = Waiting(Lane(new.queue, new.ty, new.priority), NOON, new.id)
        await tasks.dispatch(db, [Assignment(waiting, dead.incarnation)])
        await runs.begin(db, dead.incarnation, [Beginning(new.id, 1, RunId(uuid4()))])


def registration() -> Registration:
    return Registration(
        id=WorkerId(uuid4()),
        incarnation=Incarnation(uuid4()),
        slots_total=1,
        queues=[],
        types=[],
        host="",
        pid=os.getpid(),
        version="",
        listen=None,
    )


async def go_out(server: Postgres) -> None:
    """Go away, and return when a wait of about three seconds has just begun."""
    server.stop("immediate")
    await asyncio.sleep(3.8)
    server.start()

"""`fcs status` and `fcs workers`: the cluster at a glance."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tests.cli.said import Fcs, Said

from fcs.database import leadership, workers
from fcs.database.connect import Connection, connect
from fcs.database.leadership import SESSIONS, Candidate
from fcs.database.workers import Registration
from fcs.domain.ids import Incarnation, NodeId, WorkerId
from fcs.domain.topology import Part

Rows = psycopg.Connection[tuple[Any, ...]]

ANN = Candidate(NodeId(uuid4()), Part.SUPERVISOR, "ann", 42)


async def register(db: Connection, *types: str, queues: list[str] | None = None) -> WorkerId:
    registration = Registration(
        id=WorkerId(uuid4()),
        incarnation=Incarnation(uuid4()),
        slots_total=3,
        queues=queues or [],
        types=list(types),
        host="ann\x1b[2J",
        pid=42,
        version="1.2.3",
        listen="127.0.0.1:5000",
    )
    assert await workers.register(db, registration, replaces=None)
    return registration.id


async def in_thread(fcs: Fcs, *arguments: str) -> Said:
    """A verb has an event loop of its own."""
    return await asyncio.to_thread(fcs, *arguments)


def test_empty_cluster_says_what_is_missing(fcs: Fcs) -> None:
    said = fcs("status")
    assert said.code == 0
    assert "fcs supervise" in said.out
    assert "fcs work" in said.out


async def test_all_is_well(fcs: Fcs, db: Connection, database_url: str) -> None:
    await register(db, "baz")
    assert await leadership.bid(db, ANN, term=1, lease=60)
    async with await connect(database_url, part=SESSIONS[Part.SUPERVISOR]):
        said = await in_thread(fcs, "status")
    assert f"fcs supervise on ann, pid 42, node {ANN.node}, term 1 since " in said.out
    assert "1 fcs supervise" in said.out
    assert "1 live, 0 of 3 slots busy" in said.out
    assert said.out.endswith("All is well.\n")


async def test_programs_are_told_the_same(fcs: Fcs, db: Connection, database_url: str) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=60)
    async with await connect(database_url, part=SESSIONS[Part.ELECTABLE_WORKER]):
        said = await in_thread(fcs, "status", "-o", "json")
    shown = said.json["cluster"]
    assert (shown["mode"], shown["strategy"], shown["term"]) == ("elected", "random", 1)
    assert (shown["leader"]["node"], shown["leader"]["part"]) == (str(ANN.node), "supervisor")
    assert 0 < shown["expires_in"] <= 60
    assert shown["candidates"] == {"supervisors": 0, "electable_workers": 1}


async def test_a_leader_that_fell_silent_is_named(fcs: Fcs, db: Connection, rows: Rows) -> None:
    assert await leadership.bid(db, ANN, term=1, lease=60)
    rows.execute("update fcs.leadership set expires_at = fcs.now() - interval '60 s'")

    said = await in_thread(fcs, "status")
    assert "nobody; fcs supervise on ann, pid 42" in said.out
    assert "has been silent for 60 s" in said.out


async def test_whoever_goes_by_an_old_mode_is_named(fcs: Fcs, db: Connection, rows: Rows) -> None:
    id = await register(db, "baz")
    rows.execute("update fcs.workers set follows = 'elected'")
    assert "FOLLOWS" not in (await in_thread(fcs, "workers")).out
    rows.execute("update fcs.cluster set mode = 'hash', changed_at = fcs.now() - interval '1 h'")

    said = await in_thread(fcs, "status")
    assert f"{id} (elected)" in said.out
    assert f"1 still goes by an old one: worker {id}" in said.out
    said = await in_thread(fcs, "workers")
    assert "FOLLOWS" in said.out
    assert "elected" in said.out


async def test_where_nobody_leads_nobody_is_missed(fcs: Fcs, db: Connection, rows: Rows) -> None:
    await register(db, "baz")
    rows.execute("update fcs.cluster set mode = 'hash'")

    said = await in_thread(fcs, "status")
    assert "hash: workers hand out to themselves" in said.out
    assert said.out.endswith("All is well.\n")


async def test_what_waits_is_counted_by_lane(fcs: Fcs, db: Connection, rows: Rows) -> None:
    await register(db, "baz")
    for _ in range(2):
        await in_thread(fcs, "task", "create", "baz", "--queue", "mail")
    await in_thread(fcs, "task", "create", "baz", "--queue", "mail", "--in", "1d")
    rows.execute("insert into fcs.tasks (id, ty) values (gen_random_uuid(), 'bza')")

    status = (await in_thread(fcs, "status", "-o", "json")).json
    lanes = {(lane["queue"], lane["ty"]): lane for lane in status["waiting"]}
    assert lanes["mail", "baz"]["due"] == 2
    assert lanes["mail", "baz"]["scheduled"] == 1
    assert lanes["default", "bza"]["due"] == 1
    codes = [problem["code"] for problem in status["problems"]]
    assert codes == ["no_supervisor", "unknown_type"]

    said = await in_thread(fcs, "status")
    assert "3 due, 1 scheduled" in said.out
    assert "Did you mean 'baz'?" in said.out


async def test_what_became_of_the_last_hour(fcs: Fcs, rows: Rows) -> None:
    id = (await in_thread(fcs, "task", "create", "baz")).out.strip()
    rows.execute("update fcs.tasks set status = 'failed', due_at = null where id = %s", [id])
    old = "01810000-0000-7000-8000-000000000000"  # made in 2022
    rows.execute(
        "insert into fcs.tasks (id, ty, status, due_at) values (%s, 'baz', 'failed', null)", [old]
    )
    assert (await in_thread(fcs, "status", "-o", "json")).json["last_hour"] == {"failed": 1}


async def test_workers_are_listed(fcs: Fcs, db: Connection) -> None:
    id = await register(db, "foo", "baz", queues=["mail"])
    [worker] = (await in_thread(fcs, "workers", "-o", "json")).json
    assert worker["id"] == str(id)
    assert worker["types"] == ["foo", "baz"]

    said = await in_thread(fcs, "workers")
    assert str(id) in said.out
    assert "\x1b" not in said.out


async def test_worker_that_might_run_what_waits_warns_that_it_cannot(
    db: Connection, database_url: str, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    from fcs.cli.strangers import warn_of_strangers
    from fcs.demo import app

    for ty, queue in [("baz", "mail"), ("bza", "mail"), ("known", "mail"), ("zzz", "other")]:
        rows.execute(
            "insert into fcs.tasks (id, ty, queue) values (gen_random_uuid(), %s, %s)", [ty, queue]
        )
    await register(db, "known")

    await warn_of_strangers(database_url, app.registry, ["mail"])
    [record] = caplog.records
    assert "type=bza (is it baz?)" in record.getMessage()


def test_worker_in_another_database_than_its_app_says_so(caplog: pytest.LogCaptureFixture) -> None:
    from fcs import App
    from fcs.cli.strangers import warn_of_elsewhere

    here = "postgres://ann:secret@localhost/jobs"
    for app in (App(database=here), App(database="postgres://localhost:5432/jobs")):
        warn_of_elsewhere(app, here)
    assert caplog.records == []

    warn_of_elsewhere(App(database="postgres://ann:secret@localhost/shop"), here)
    [record] = caplog.records
    assert "localhost:5432/shop" in record.getMessage()
    assert "secret" not in record.getMessage()


async def test_worker_without_types_says_so(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    from fcs import App
    from fcs.cli.strangers import warn_of_strangers

    await warn_of_strangers(database_url, App().registry, [])
    assert "knows no types" in caplog.text

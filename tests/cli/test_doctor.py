"""`fcs doctor`: what it makes of what it sees, and what it sees of a healthy database."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.cli.said import Fcs
from tests.conftest import Plant
from tests.domain.samples import led, unled

from fcs.cli.findings import Facts, Finding, exit_code, judge
from fcs.database.connect import Connection
from fcs.database.insights import Health, Pin
from fcs.database.mail import listen
from fcs.database.migrate import migrate
from fcs.domain.errors import FcsError, SchemaOutdated
from fcs.domain.identity import awaits_adoption
from fcs.domain.topology import Mode
from fcs.embedded import Postgres

NOON = datetime(2018, 1, 1, 12, 0, tzinfo=UTC)
HEALTH = Health(
    connections=10, oldest_snapshot=None, notification_queue=0.0, in_recovery=False, now=NOON
)
SETTINGS = {
    "autovacuum": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "server_version": "18.6",
    "server_version_num": "180006",
    "superuser_reserved_connections": "3",
    "synchronous_commit": "on",
    "synchronous_standby_names": "",
}
HEALTHY = Facts(
    settings=SETTINGS,
    health=HEALTH,
    local_now=NOON,
    pin=None,
    schema_error=None,
    hold=None,
    unlogged=[],
    is_direct=True,
    ring_seconds=0.001,
    overripe=-3_600.0,
    cluster=led(),
    leader_lease=5.0,
)


def troubles(**changes: Any) -> dict[str, str]:
    """What is not well after a change, and how bad it is."""
    findings = judge(HEALTHY._replace(**changes))
    assert all(finding.hint for finding in findings if finding.state != "ok")
    return {finding.check: finding.state for finding in findings if finding.state != "ok"}


def set_to(name: str, value: str) -> dict[str, Any]:
    return {"settings": SETTINGS | {name: value}}


def healthy_but(**changes: Any) -> dict[str, Any]:
    return {"health": HEALTH._replace(**changes)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        (set_to("server_version_num", "130012"), {"version": "fail"}),
        (set_to("fsync", "off"), {"fsync": "fail"}),
        (set_to("full_page_writes", "off"), {"full_page_writes": "fail"}),
        (set_to("autovacuum", "off"), {"autovacuum": "warn"}),
        (set_to("synchronous_commit", "off"), {}),
        (set_to("synchronous_standby_names", "ann"), {}),
        (set_to("max_connections", "32"), {"connections": "warn"}),
        (set_to("max_connections", "13"), {"connections": "fail"}),
        ({"schema_error": SchemaOutdated("old", hint="init")}, {"schema": "fail"}),
        ({"hold": awaits_adoption("it was promoted")}, {"known": "fail"}),
        (set_to("synchronous_standby_names", "*"), {}),
        ({"unlogged": ["tasks"]}, {"logged tables": "fail"}),
        ({"is_direct": False}, {"direct": "warn"}),
        ({"ring_seconds": None}, {"notifications": "warn"}),
        ({"pin": Pin(7, 59, "psql")}, {}),
        ({"pin": Pin(7, 61, "psql")}, {"oldest snapshot": "warn"}),
        ({"local_now": NOON + timedelta(seconds=0.9)}, {}),
        ({"local_now": NOON + timedelta(seconds=1.1)}, {"clock": "warn"}),
        ({"local_now": NOON - timedelta(seconds=1.1)}, {"clock": "warn"}),
        ({"overripe": None}, {}),
        ({"overripe": 47 * 3_600.0}, {}),
        ({"overripe": 49 * 3_600.0}, {"retention": "warn"}),
        ({"cluster": None}, {}),
        ({"cluster": FcsError("a row is gone", hint="insert it")}, {"leader": "fail"}),
        ({"cluster": unled()}, {}),
        ({"cluster": unled(term=3)}, {"leader": "warn"}),
        ({"cluster": unled(term=3, mode=Mode.HASH)}, {}),
        ({"cluster": led(expires_in=-60.0)}, {"leader": "warn"}),
        ({"cluster": led(expires_in=6.5)}, {"leader's lease": "warn"}),
        ({"cluster": led(expires_in=5.5)}, {}),
        ({"cluster": led(expires_in=0.9)}, {"leader's lease": "warn"}),
        ({"cluster": led(expires_in=1.1)}, {}),
        (healthy_but(notification_queue=0.2), {"notification queue": "warn"}),
        (healthy_but(notification_queue=0.6), {"notification queue": "fail"}),
        (healthy_but(in_recovery=True), {"writable": "fail", "notifications": "fail"}),
    ],
)
def test_each_trouble_is_told_and_nothing_else(
    change: dict[str, Any], expected: dict[str, str]
) -> None:
    assert troubles(**change) == expected


@pytest.mark.parametrize(
    ("states", "code"), [([], 0), (["ok"], 0), (["ok", "warn"], 1), (["warn", "fail", "ok"], 2)]
)
def test_exit_code_is_that_of_the_worst(states: list[Any], code: int) -> None:
    assert exit_code([Finding("check", state, "") for state in states]) == code


@pytest.fixture(scope="module")
def careful_url(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> Iterator[str]:
    """A server as `fcs up` starts it: the one of the other tests would not survive a crash."""
    with Postgres(plant(tmp_path_factory.mktemp("careful"))) as server:
        asyncio.run(migrate(server.url()))
        yield server.url()


@pytest.mark.xdist_group("careful")
def test_healthy_database(anywhere: Fcs, careful_url: str) -> None:
    said = anywhere("doctor", "-o", "json", "-d", careful_url)
    states = {finding["check"]: finding["state"] for finding in said.json}
    for check in ("reachable", "version", "schema", "writable", "direct", "notifications", "fsync"):
        assert states[check] == "ok"


@pytest.mark.xdist_group("careful")
def test_table_says_the_same(anywhere: Fcs, careful_url: str) -> None:
    said = anywhere("doctor", "-d", careful_url)
    assert said.code == 0
    assert all(line.startswith("ok ") for line in said.out.splitlines())


def test_unreachable_database_is_a_finding(anywhere: Fcs) -> None:
    said = anywhere("doctor", "-d", "postgres://127.0.0.1:1/x")
    assert said.code == 2
    assert said.out.startswith("fail  reachable")
    assert said.err == ""


def test_missing_schema_is_a_finding(anywhere: Fcs, blank_database_url: str) -> None:
    said = anywhere("doctor", "-d", blank_database_url)
    assert said.code == 2
    assert "fcs init" in said.out


def test_unlogged_table_is_found(fcs: Fcs, rows: psycopg.Connection[tuple[Any, ...]]) -> None:
    rows.execute("alter table fcs.late_reports set unlogged")
    said = fcs("doctor")
    assert said.code == 2
    assert "late_reports" in said.out


def test_a_lost_row_is_found(fcs: Fcs, rows: psycopg.Connection[tuple[Any, ...]]) -> None:
    rows.execute("delete from fcs.leadership")
    said = fcs("doctor")
    assert said.code == 2
    assert "insert into fcs.cluster default values" in said.out


@pytest.mark.xdist_group("careful")
def test_old_snapshot_is_found(
    anywhere: Fcs, careful_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.cli.findings.OLD_SNAPSHOT", 0.0)
    with psycopg.connect(careful_url) as rows:
        rows.execute("set transaction isolation level repeatable read")
        pinner = rows.info.backend_pid
        rows.execute("select 1")
        said = anywhere("doctor", "-d", careful_url)
    assert said.code == 1
    assert f"process {pinner} " in said.out


async def test_pooler_that_swaps_sessions_is_noticed(db: Connection, database_url: str) -> None:
    """What a pooler does, done by hand: another process answers than the one that greeted us."""
    from fcs.cli.examine import _is_direct
    from fcs.database.connect import connect

    async with await connect(database_url, part="test") as other:
        assert await _is_direct(db, other)
        swapped = Swapped(db, other)
        assert not await _is_direct(swapped, other)  # type: ignore[arg-type]


class Swapped:
    """The greeting of one session, and the answers of another."""

    def __init__(self, greeting: Connection, answers: Connection) -> None:
        self.info = greeting.info
        self.execute = answers.execute


async def test_notifications_that_never_come(
    db: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fcs.cli import examine
    from fcs.database.connect import connect

    async def deaf(db: Connection, channel: str) -> None:
        await listen(db, "another_channel")

    async with await connect(database_url, part="test") as other:
        assert await examine._ring(db, other) is not None
        monkeypatch.setattr(examine, "listen", deaf)
        monkeypatch.setattr(examine, "RING_PATIENCE", 0.1)
        async with asyncio.timeout(30):
            assert await examine._ring(db, other) is None

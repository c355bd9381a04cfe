"""The cost of a statement depends on what it touches, and not on how much the table holds.

200,000 rows, a few of them pending, and a table that is young. The plans are the generic ones that
a long-lived connection settles on, before and after the first statistics.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
from tests.conftest import Server, fresh_database
from tests.database.cost import measured
from tests.database.scene import rows

from fcs.database import backlog
from fcs.database.connect import Connection, connect
from fcs.database.sql import load

pytestmark = pytest.mark.xdist_group("plans")  # it is filled once

ROWS, FEW_ROWS = 200_000, 1_000
FILL = """
insert into fcs.tasks (id, ty, status, due_at, incarnation)
     select gen_random_uuid(),
            'baz',
            case kind when 0 then 'pending' when 1 then 'running' else 'succeeded' end::fcs.status,
            case kind when 0 then now() end,
            case kind when 1 then gen_random_uuid() end
       from (select least(n % 2000, 2) as kind from generate_series(1, ROWS) as n) as kinds;
insert into fcs.workers (id, incarnation, slots_total, queues, types)
     select gen_random_uuid(), gen_random_uuid(), 4, '{}', '{baz}'
       from generate_series(1, 200);
"""
LONG_LANES = """
insert into fcs.tasks (id, ty, priority)
     select gen_random_uuid(), 'long', n % 2 from generate_series(1, 50000) as n
"""
# All but the last of each lane.
GONE = """
update fcs.tasks
   set status = 'succeeded', due_at = null
 where ty = 'long'
   and id not in (
           select distinct on (priority) id
             from fcs.tasks
            where ty = 'long'
         order by priority, due_at desc, id desc
       )
"""

BY_KEY = [
    ("tasks", name)
    for name in (
        "create", "dispatch", "fetch", "hand_back", "refuse", "take_back", "reap", "delete",
        "cancel", "held", "overdue",
    )
] + [
    ("runs", name)
    for name in (
        "begin", "succeed", "finish", "retry", "release", "record_late", "testify",
        "report_progress",
    )
] + [
    ("identity", "in_hand"),
    ("identity", "adopt"),
    ("creation", "create_plain"),
    ("creation", "create_alike"),
    ("creation", "create_linked"),
    ("creation", "forget_keys"),
    ("settling", "mark_needed"),
    ("settling", "settle"),
    ("backlog", "read_on"),
    ("backlog", "find"),
    ("glance", "glance"),
    ("backlog", "lanes"),
    ("queues", "held_in"),
    ("queues", "still_held"),
    ("queues", "names"),
    ("queues", "look"),
    ("queues", "depth"),
    ("workers", "settle_account"),
    ("workers", "strangers"),
    ("insights", "find_task"),
    ("insights", "waiting"),
    ("insights", "in_hand"),
    ("retention", "step_end"),
    ("retention", "overripe"),
    ("retention", "prune"),
    ("retention", "count_ripe"),
]  # fmt: skip


@contextmanager
def filled(postgres: Server, template: str, rows: int) -> Iterator[str]:
    with fresh_database(postgres, template) as url:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("alter table fcs.tasks set (autovacuum_enabled = off)")
            db.execute(FILL.replace("ROWS", str(rows)).encode())
        yield url


@pytest.fixture(scope="module")
def full_url(postgres: Server, template: str) -> Iterator[str]:
    """A database right after a bulk load, of which the planner knows nothing yet."""
    with filled(postgres, template, ROWS) as url:
        yield url


@pytest.fixture(scope="module")
def young_url(postgres: Server, template: str) -> Iterator[str]:
    """A young one, of which it knows the tasks: nothing else has changed often enough."""
    with filled(postgres, template, FEW_ROWS) as url:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("analyze fcs.tasks")
        yield url


@pytest.fixture(params=["young", "unanalyzed", "analyzed"], scope="module")
def url(full_url: str, young_url: str, request: pytest.FixtureRequest) -> str:
    if request.param == "analyzed":
        with psycopg.connect(full_url, autocommit=True) as db:
            db.execute("analyze")
    return young_url if request.param == "young" else full_url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Connection]:
    async with await connect(url, part="test", keys_only=True) as db:
        yield db


async def generic_plan(db: Connection, statement: str) -> dict[str, Any]:
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)[sb]", statement)))
    numbered = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${names.index(found[1]) + 1}", statement)
    await db.execute(f"prepare hot as {numbered}".encode())
    arguments = f"({', '.join(['null'] * len(names))})" if names else ""
    return await explained(db, f"execute hot{arguments}")


async def explained(db: Connection, statement: str) -> dict[str, Any]:
    [found] = await rows(db, f"explain (format json) {statement}")
    text = found["QUERY PLAN"]
    plan: dict[str, Any] = (json.loads(text) if isinstance(text, str) else text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize(("file", "name"), BY_KEY)
async def test_no_statement_of_the_hot_path_scans_the_tasks(
    db: Connection, file: str, name: str
) -> None:
    plan = await generic_plan(db, load(file)[name])

    scanned = [
        node["Node Type"] for node in nodes(plan)
        if node.get("Relation Name") == "tasks" and node["Node Type"] == "Seq Scan"
    ]  # fmt: skip
    assert not scanned, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("tasks", "dispatch"), ("runs", "begin"), ("runs", "succeed"), ("runs", "finish"),
        ("runs", "release"),
    ],
)  # fmt: skip
async def test_rows_are_found_by_their_ids_and_by_no_other_index(
    db: Connection, file: str, name: str
) -> None:
    """An index on what changes would be walked over all the dead entries that its changes left."""
    plan = await generic_plan(db, load(file)[name])

    used = [
        (node["Index Name"], node.get("Index Cond")) for node in nodes(plan)
        if "Index Name" in node and not node["Index Name"].startswith("workers")
    ]  # fmt: skip
    assert {name for name, _ in used} == {"tasks_pkey"}
    assert all(looked_up for _, looked_up in used), "it is walked from its beginning"


async def test_a_plan_for_many_workers_is_not_compared_pair_by_pair(db: Connection) -> None:
    """Two hundred tasks for two hundred workers would be forty thousand comparisons."""
    plan = await generic_plan(db, load("tasks")["dispatch"])

    assert "Hash Join" in {node["Node Type"] for node in nodes(plan)}


@asynccontextmanager
async def with_a_long_lane(full_url: str) -> AsyncIterator[Connection]:
    async with (
        await connect(full_url, part="test", keys_only=True) as db,
        db.transaction(force_rollback=True),
    ):
        await db.execute(LONG_LANES.encode())
        await db.execute("analyze fcs.tasks")
        yield db


async def test_a_long_lane_is_listed_without_being_read(full_url: str) -> None:
    """F-59: the supervisor asks every few seconds."""
    async with with_a_long_lane(full_url) as db, measured(db) as cost:
        assert len(await backlog.lanes(db, limit=100)) == 3

    assert cost.pages < 60


async def test_what_a_known_lane_left_behind_is_not_walked(full_url: str) -> None:
    """Index entries of tasks long gone stay for as long as anybody has an older snapshot."""
    async with with_a_long_lane(full_url) as db:
        await db.execute(GONE.encode())
        async with measured(db) as walked:
            lanes = await backlog.lanes(db, limit=100)
        async with measured(db) as passed_over:
            assert await backlog.lanes(db, limit=100, known=lanes) == []

    assert len(lanes) == 3
    assert walked.pages > 10_000, "nothing lies there; so this test shows nothing"
    assert passed_over.pages < 60

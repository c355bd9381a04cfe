"""With a million rows each statement still costs what the rows that it is about cost.

Real calls, on connections as the parts open them, and the pages that they look at. Statistics
are those of the empty table at first, as after a bulk load, and then fresh ones.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.conftest import Server, fresh_database
from tests.database.cost import measured
from tests.database.scene import rows

from fcs.client.ids import new_run_ids, new_task_id, new_task_ids
from fcs.database import backlog, bulk, creation, explaining, insights, queues, runs, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.insights import COUNT_MAX
from fcs.database.runs import Again, Beginning, Ending, Evidence
from fcs.domain.bulk import Filter
from fcs.domain.facts import Assignment, Lane, Place
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.task import AttemptOutcome, NewTask, Status

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("million")]  # it is filled once

ROWS = 1_000_000
LONG = Lane("default", "baz", 0)
LANES = 97
HOLDERS = 200
IN_HAND = 4_000
MAX_OF_ONE = 40
BATCH = 200

# Half of them are over, a few are in hand, and the others wait, most of them in one lane.
FILL = """
insert into fcs.tasks (
                id, ty, queue, status, incarnation, worker_id, run_id,
                created_at, updated_at, started_at, due_at, attempt
            )
     select (
                lpad(to_hex((extract(epoch from born) * 1000)::bigint), 12, '0') || '7'
                || substr(replace(gen_random_uuid()::text, '-', ''), 14)
            )::uuid,
            case when is_few then 'few' else 'baz' end,
            case when is_few then 'q' || no / 50 % 97 else 'default' end,
            status,
            case when status in ('dispatched', 'running') then incarnation end,
            case when status <> 'pending' then incarnation end,
            case when status not in ('pending', 'dispatched') then gen_random_uuid() end,
            born,
            born,
            case when status not in ('pending', 'dispatched') then born end,
            case when status = 'pending' then born end,
            (status not in ('pending', 'dispatched'))::int
       from (select *, status = 'pending' and no % 50 = 0 as is_few from (
                select no,
                       now() - interval '1 day' + no * interval '1 ms' as born,
                       case
                           when no % 500 = 0 then 'running'::fcs.status
                           when no % 500 = 1 then 'dispatched'
                           when no % 10000 = 3 then 'failed'
                           when no <= 500000 then 'succeeded'
                           else 'pending'
                       end as status,
                       (array(select incarnation from fcs.workers order by id))[1 + no / 500 % 200]
                           as incarnation
                  from generate_series(1, 1000000) as no
            ) as past) as told;
"""
HIRE = """
insert into fcs.workers (id, incarnation, slots_total, queues, types)
     select gen_random_uuid(), gen_random_uuid(), 100, '{}', '{baz, few}'
       from generate_series(1, 200);
"""

PER_TASK = 40
"""Pages that a move of one task may look at: some indexes three or four deep, more than once."""

PER_CALL = 100
"""Pages that a call may look at besides."""


@pytest.fixture(scope="module")
def full_url(postgres: Server, template: str) -> Iterator[str]:
    with fresh_database(postgres, template) as url:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("alter table fcs.tasks set (autovacuum_enabled = off)")
            db.execute("analyze")
            db.execute(HIRE)
            db.execute(FILL)
        yield url


@pytest.fixture(params=["stale statistics", "fresh statistics"], scope="module")
def url(full_url: str, request: pytest.FixtureRequest) -> str:
    if request.param == "fresh statistics":
        with psycopg.connect(full_url, autocommit=True) as db:
            db.execute("analyze")
    return full_url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Connection]:
    """A connection of a supervisor or a worker. What a test does is undone."""
    async with (
        await connect(url, part="test", keys_only=True) as db,
        db.transaction(force_rollback=True),
    ):
        yield db


@pytest.fixture(params=["new", "settled"])
async def door(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A connection of a client or of the HTTP door, whose plans are made for each call at first,
    and may be made for all calls alike in the end."""
    async with (
        await connect(url, part="test") as db,
        db.transaction(force_rollback=True),
    ):
        mode = "force_custom_plan" if request.param == "new" else "force_generic_plan"
        await db.execute("select set_config('plan_cache_mode', %s, true)", [mode])
        yield db


@asynccontextmanager
async def bounded(db: Connection, *, tasks: int) -> AsyncIterator[None]:
    """A call that is about so many tasks, by the pages that it looks at."""
    async with measured(db) as cost:
        yield
    assert cost.scans == 0, "the table was read from one end to the other"
    assert cost.pages <= PER_CALL + PER_TASK * tasks


async def some_ids(db: Connection, status: Status, count: int) -> list[TaskId]:
    found = await rows(
        db, "select id from fcs.tasks where status = %s::fcs.status limit %s", status.value, count
    )
    return [TaskId(row["id"]) for row in found]


async def incarnations(db: Connection) -> list[Incarnation]:
    found = await rows(db, "select incarnation from fcs.workers order by id")
    return [Incarnation(row["incarnation"]) for row in found]


async def test_a_batch_is_created_and_found(db: Connection) -> None:
    ids = [new_task_id() for _ in range(BATCH)]
    async with bounded(db, tasks=BATCH):
        assert await tasks.create(db, [NewTask(id, "baz", b"{}") for id in ids]) == BATCH
    async with bounded(db, tasks=BATCH):
        assert len(await backlog.find(db, ids)) == BATCH


async def test_many_are_created_alike(db: Connection) -> None:
    new = [NewTask(id, "baz", b"{}") for id in new_task_ids(5 * BATCH)]
    async with bounded(db, tasks=len(new)):
        assert await creation.create_alike(db, new) == len(new)
    async with bounded(db, tasks=len(new)):
        assert await creation.create_alike(db, new) == 0


async def test_a_batch_goes_from_the_backlog_to_its_end(db: Connection) -> None:
    worker, *_ = await incarnations(db)
    async with bounded(db, tasks=BATCH):
        [read] = await backlog.read_on(db, [(LONG, None)], limit=BATCH)
    ids = [task.id for task in read.tasks]
    async with bounded(db, tasks=BATCH):
        given = await tasks.dispatch(db, [Assignment(task, worker) for task in read.tasks])
    assert len(given) == BATCH
    async with bounded(db, tasks=BATCH):
        assert len(await tasks.fetch(db, worker, ids, limit=BATCH)) == BATCH
    run_ids = dict(zip(ids, new_run_ids(BATCH), strict=True))
    async with bounded(db, tasks=BATCH):
        beginnings = [Beginning(id, 1, run_id) for id, run_id in run_ids.items()]
        assert len(await runs.begin(db, worker, beginnings)) == BATCH

    third = BATCH // 3
    well, badly, later = ids[:third], ids[third : 2 * third], ids[2 * third :]
    async with bounded(db, tasks=third):
        plain = [Ending(id, run_ids[id], Status.SUCCEEDED) for id in well]
        assert len(await runs.succeed(db, plain, "report")) == third
    failure = Evidence(AttemptOutcome.FAILED, "Ouch", "ouch", "trace")
    async with bounded(db, tasks=third):
        failed = [Ending(id, run_ids[id], Status.FAILED, "ouch", evidence=failure) for id in badly]
        assert len(await runs.finish(db, failed, "report")) == third
    async with bounded(db, tasks=len(later)):
        again = [Again(id, run_ids[id], 60.0, failure, more_attempts=1) for id in later]
        assert len(await runs.retry(db, again, "report")) == len(later)


async def test_a_lane_is_read_on_from_its_middle(db: Connection) -> None:
    [middle] = await rows(
        db,
        "select due_at, id from fcs.tasks where queue = 'default' and due_at is not null"
        " order by due_at, id offset 200000 limit 1",
    )
    async with bounded(db, tasks=BATCH):
        [read] = await backlog.read_on(db, [(LONG, Place(**middle))], limit=BATCH)
    assert len(read.tasks) == BATCH


async def test_lanes_are_listed_and_known_ones_passed_over(db: Connection) -> None:
    async with bounded(db, tasks=LANES):
        lanes = await backlog.lanes(db, limit=1_000)
    assert len(lanes) == LANES + 1
    async with bounded(db, tasks=LANES):
        assert await backlog.lanes(db, limit=1_000, known=lanes) == []


async def test_what_is_in_hand_is_found_and_taken_back(db: Connection) -> None:
    everybody = await incarnations(db)
    async with bounded(db, tasks=MAX_OF_ONE):
        assert await tasks.held(db, everybody[0], limit=100)
    async with bounded(db, tasks=IN_HAND):
        overdue = await tasks.overdue(db, everybody, seconds=1, limit=BATCH)
    assert len(overdue) == BATCH
    async with bounded(db, tasks=BATCH):
        assert len(await tasks.take_back(db, overdue)) == BATCH
    async with bounded(db, tasks=IN_HAND):
        assert len(await queues.held_in(db, ["default"])) == IN_HAND - BATCH


async def test_a_lost_worker_is_reaped(db: Connection) -> None:
    worker, *_ = await incarnations(db)
    async with bounded(db, tasks=MAX_OF_ONE):
        assert (await tasks.reap(db, worker, reason="silent")).interrupted


async def test_strangers_are_looked_for_among_those_who_hold_something(db: Connection) -> None:
    async with bounded(db, tasks=HOLDERS):
        assert await workers.strangers(db) == []


@pytest.mark.parametrize("status", [Status.PENDING, Status.DISPATCHED, Status.RUNNING])
async def test_tasks_are_cancelled_where_they_are(door: Connection, status: Status) -> None:
    ids = await some_ids(door, status, 20)
    async with bounded(door, tasks=20):
        assert len(await tasks.cancel(door, ids, reason="enough")) == 20


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCEEDED])
async def test_tasks_are_deleted_and_repeated(door: Connection, status: Status) -> None:
    ids = await some_ids(door, status, 20)
    if status is Status.SUCCEEDED:
        async with bounded(door, tasks=20):
            assert len(await bulk.repeat(door, {id: new_task_id() for id in ids})) == 20
    async with bounded(door, tasks=20):
        assert len(await tasks.delete(door, ids)) == 20


async def test_a_page_far_down_costs_what_the_first_one_costs(door: Connection) -> None:
    """Filters are for what is not rare; for that, see below."""
    [middle] = await rows(door, "select id from fcs.tasks order by id offset 200000 limit 1")
    for before in (None, middle["id"]):
        async with bounded(door, tasks=100):
            assert len(await insights.list_tasks(door, limit=100, before=before)) == 100
        async with bounded(door, tasks=200):
            found = await insights.list_tasks(
                door, limit=100, before=before, ty="baz", queue="default"
            )
        assert len(found) == 100


async def test_looking_for_what_is_rare_reads_no_more_than_there_is(door: Connection) -> None:
    """The one list that may cost as much as the table is long: there is no index on `status`,
    which every move would have to write to. Its pages follow from the newest to the oldest."""
    async with measured(door) as cost:
        assert len(await insights.list_tasks(door, limit=40, status=Status.FAILED)) == 40
    assert cost.scans == 0
    assert cost.pages < 2 * ROWS


async def test_an_act_on_all_that_match_goes_page_by_page(door: Connection) -> None:
    [middle] = await rows(door, "select id from fcs.tasks order by id offset 200000 limit 1")
    for before in (None, middle["id"]):
        async with bounded(door, tasks=BATCH):
            page = await bulk.match(
                door, Filter(ty="few"), statuses=[Status.FAILED], before=before, limit=BATCH
            )
        assert page.last is not None


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.SUCCEEDED])
async def test_why_asks_up_to_where_counting_stops(door: Connection, status: Status) -> None:
    [id] = await some_ids(door, status, 1)
    async with bounded(door, tasks=1):
        assert await insights.find_task(door, id) is not None
    # How many come before it is counted, and counting stops.
    async with bounded(door, tasks=COUNT_MAX // PER_TASK + IN_HAND):
        assert await explaining.explain_task(door, id) is not None


async def test_counts_stop_somewhere(door: Connection) -> None:
    names = await queues.names(door)
    assert len(names) == LANES + 1
    async with bounded(door, tasks=COUNT_MAX):
        assert await queues.depth(door, "default") == COUNT_MAX
    async with bounded(door, tasks=COUNT_MAX):
        assert await insights.waiting(door, [LONG])
    async with bounded(door, tasks=IN_HAND):
        assert sum((await insights.in_hand(door)).values()) == IN_HAND

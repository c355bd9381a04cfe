"""Reading the backlog: which lanes there are, and each lane bit by bit, in order."""

from random import Random
from uuid import UUID

import pytest
from tests.database.scene import (
    LANE,
    NOON,
    SECOND,
    add_dispatched,
    add_tasks,
    add_workers,
    new,
    task_id,
)

from fcs.database import backlog, tasks
from fcs.database.connect import Connection
from fcs.domain.facts import Lane, LaneRead, Place, Waiting
from fcs.domain.ids import TaskId, uuid7
from fcs.domain.ring import SLOTS, slot_of

NOWHERE = LANE._replace(queue="nowhere")


async def test_each_lane_is_listed_once(db: Connection) -> None:
    lanes = [
        Lane("a", "x", 0),
        Lane("a", "y", -5),
        Lane("a", "y", 0),
        Lane("a", "y", 5),
        Lane("b", "x", -100),
        Lane("b", "x", 100),
    ]
    wanted = [
        new(10 * n + copy, queue=lane.queue, ty=lane.ty, priority=lane.priority)
        for n, lane in enumerate(reversed(lanes))
        for copy in range(3)
    ]
    await tasks.create(db, wanted)

    assert await backlog.lanes(db, limit=100) == lanes
    assert await backlog.lanes(db, limit=4) == lanes[:4]
    for read, lane in enumerate(lanes, start=1):
        assert await backlog.lanes(db, limit=4, after=lane) == lanes[read : read + 4]
    assert await backlog.lanes(db, limit=4, after=Lane("a", "y", 3)) == lanes[3:]
    for place, lane in enumerate(lanes):
        assert await backlog.lanes(db, limit=2, after=lane) == lanes[place + 1 :][:2]


async def test_known_lanes_are_not_listed_and_whatever_lies_between_them_is(
    db: Connection,
) -> None:
    keys = [Lane("b", "y", 0, key) for key in ("", "m", "z")]
    others = [
        Lane("a", "y", 0, "m"),
        Lane("b", "x", 0, "m"),
        Lane("b", "y", -1, "z"),
        Lane("b", "y", 1, ""),
        Lane("c", "y", 0, "m"),
    ]
    lanes = sorted([*keys, *others])
    await tasks.create(db, [new(n, **lane._asdict()) for n, lane in enumerate(lanes)])

    for known in (lanes, lanes[:1], lanes[-1:], lanes[::2], lanes[1::2], [*lanes[2:4], NOWHERE]):
        unknown = [lane for lane in lanes if lane not in known]
        assert await backlog.lanes(db, limit=100, known=known) == unknown
        assert await backlog.lanes(db, limit=100, known=known, after=lanes[3]) == [
            lane for lane in unknown if lane > lanes[3]
        ]
        assert len(await backlog.lanes(db, limit=1, known=known)) == min(1, len(unknown))


async def test_a_lane_with_nothing_pending_is_not_listed(db: Connection) -> None:
    await add_workers(db, 7)
    await add_dispatched(db, 7, 1)

    assert await backlog.lanes(db, limit=100) == []
    assert await backlog.read_on(db, [(LANE, None)], limit=10) == [LaneRead(LANE, None, [], True)]


async def test_a_lane_is_read_in_the_order_in_which_it_falls_due(db: Connection) -> None:
    await add_tasks(db, 3, 1, 2)
    await add_tasks(db, 4, scheduled_at=NOON + 60 * SECOND)
    await add_tasks(db, 5, scheduled_at=NOON + 30 * SECOND)
    await add_tasks(db, 6, priority=1)
    await add_tasks(db, 7, ty="foo")
    await add_tasks(db, 8, queue="mail")

    expected = [Waiting(LANE, NOON, task_id(n)) for n in (1, 2, 3)] + [
        Waiting(LANE, NOON + 30 * SECOND, task_id(5)),
        Waiting(LANE, NOON + 60 * SECOND, task_id(4)),
    ]
    assert await backlog.read_on(db, [(LANE, None)], limit=10) == [
        LaneRead(LANE, None, expected, exhausted=True)
    ]


async def test_a_lane_is_read_on_from_a_place(db: Connection) -> None:
    await add_tasks(db, *range(1, 8))

    place, seen = None, []
    for exhausted in (False, False, True):
        [read] = await backlog.read_on(db, [(LANE, place)], limit=3)
        assert (read.after, read.exhausted) == (place, exhausted)
        seen += [task.id.int for task in read.tasks]
        place = Place(read.tasks[-1].due_at, read.tasks[-1].id)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_full_answer_may_be_the_last_one(db: Connection) -> None:
    await add_tasks(db, 1, 2, 3)

    [read] = await backlog.read_on(db, [(LANE, None)], limit=3)
    assert not read.exhausted


async def test_many_lanes_are_read_at_once(db: Connection) -> None:
    urgent, foo = LANE._replace(priority=9), LANE._replace(ty="foo")
    await add_tasks(db, 1, 2)
    await add_tasks(db, 3, priority=9)
    await add_tasks(db, 4, ty="foo")

    reads = [(foo, None), (NOWHERE, None), (LANE, Place(NOON, task_id(1))), (urgent, None)]
    answers = await backlog.read_on(db, reads, limit=10)

    assert [(read.lane, [task.id.int for task in read.tasks]) for read in answers] == [
        (foo, [4]),
        (NOWHERE, []),
        (LANE, [2]),
        (urgent, [3]),
    ]
    assert await backlog.read_on(db, [], limit=10) == []


# Where tasks are divided by a hash


def bits(slots: set[int]) -> bytes:
    return sum(1 << slot for slot in slots).to_bytes(SLOTS // 8, "little")


def random_ids(rng: Random, count: int) -> list[TaskId]:
    """Half of them as we make them, the others as anybody may."""
    ours = [TaskId(uuid7(rng.getrandbits(40), rng.randbytes(10))) for _ in range(count // 2)]
    return ours + [TaskId(UUID(int=rng.getrandbits(128))) for _ in range(count - len(ours))]


async def test_statements_and_processes_agree_on_the_hash_slot_of_a_task(db: Connection) -> None:
    """A task would else fall to nobody."""
    ids = [*random_ids(Random(1), 2_000), TaskId(UUID(int=0)), TaskId(UUID(int=2**128 - 1))]

    cursor = await db.execute("select fcs.slot(id) from unnest(%s::uuid[]) as id", [ids])
    slots = [slot for (slot,) in await cursor.fetchall()]

    assert slots == [slot_of(id) for id in ids]
    assert (slots[-2], slots[-1]) == (0, SLOTS - 1)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 1], ids=["none", "some", "a third", "all"])
async def test_of_a_lane_only_the_asked_for_hash_slots_are_read(
    db: Connection, share: float
) -> None:
    rng = Random(2)
    slots = {slot for slot in range(SLOTS) if rng.random() < share}
    ids = random_ids(rng, 400)
    due = [NOON + rng.randrange(3) * SECOND for _ in ids]
    await tasks.create(
        db,
        [
            new(0, id=id, queue=rng.choice(["default", "mail"]), scheduled_at=at)
            for id, at in zip(ids, due, strict=True)
        ],
    )
    lanes = [LANE, LANE._replace(queue="mail")]
    asked = {"default": slots, "mail": set(range(SLOTS)) - slots}
    [every, others] = await backlog.read_on(db, [(lane, None) for lane in lanes], limit=1_000)

    read = await backlog.read_on(
        db,
        [(lane, None) for lane in lanes],
        limit=1_000,
        slot_bits=lambda queue, _: bits(asked[queue]),
    )

    assert len(every.tasks) + len(others.tasks) == 400
    assert [each.tasks for each in read] == [
        [task for task in each.tasks if slot_of(task.id) in asked[each.lane.queue]]
        for each in (every, others)
    ]


async def test_reading_on_by_hash_slots_goes_through_the_lane_and_skips_nothing(
    db: Connection,
) -> None:
    """The limit counts what is read, and the place is that of the last one."""
    await tasks.create(db, [new(0, id=id) for id in random_ids(Random(3), 300)])
    slots = set(range(0, SLOTS, 3))
    [every] = await backlog.read_on(db, [(LANE, None)], limit=1_000)
    mine = [task for task in every.tasks if slot_of(task.id) in slots]

    place, seen, exhausted = None, list[Waiting](), False
    while not exhausted:
        [read] = await backlog.read_on(
            db, [(LANE, place)], limit=7, slot_bits=lambda *_: bits(slots)
        )
        exhausted = read.exhausted
        seen += read.tasks
        place = Place(seen[-1].due_at, seen[-1].id)

    assert seen == mine
    assert len(mine) > 50


@pytest.mark.parametrize("until", [-1, 0, 1, 5])
async def test_what_falls_due_later_is_left_out(db: Connection, until: int) -> None:
    for n in range(4):
        await add_tasks(db, n + 1, scheduled_at=NOON + n * SECOND)

    [read] = await backlog.read_on(db, [(LANE, None)], limit=10, until=NOON + until * SECOND)

    assert [task.id.int for task in read.tasks] == [n + 1 for n in range(4) if n <= until]


async def test_named_tasks_are_found_as_far_as_they_are_pending(db: Connection) -> None:
    await add_workers(db, 7)
    await add_tasks(db, 1, 2, queue="mail", priority=3)
    await add_tasks(db, 3, scheduled_at=NOON + 60 * SECOND)
    await add_dispatched(db, 7, 4)

    found = await backlog.find(db, [task_id(n) for n in (1, 3, 4, 5, 1)])

    assert sorted(found) == [
        Waiting(LANE, NOON + 60 * SECOND, task_id(3)),
        Waiting(Lane("mail", "baz", 3), NOON, task_id(1)),
    ]
    assert await backlog.find(db, []) == []


async def test_the_clock_is_the_database_s(db: Connection) -> None:
    assert await backlog.now(db) == NOON


async def test_without_a_frozen_clock_time_goes_on(clean: Connection) -> None:
    """And inside a transaction as well: it is the time of the statement."""
    async with clean.transaction():
        first, second = await backlog.now(clean), await backlog.now(clean)

    assert first < second

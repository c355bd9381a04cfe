"""Reading the backlog: which lanes there are, and each lane bit by bit, in order."""

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

"""The backlog: order, lanes, and the window onto the table."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.domain.samples import AGING, LANE, NOON, SECOND, numbers, task_id, waiting

from fcs.domain import backlog as module
from fcs.domain.backlog import Backlog
from fcs.domain.facts import Lane, Place, Waiting
from fcs.domain.settings import AGING_MAX

URGENT = LANE._replace(priority=5)
OTHER = LANE._replace(ty="foo")


def known(*tasks: Waiting, window: int = 1_000) -> Backlog:
    """A backlog that has read these tasks and knows that there are no others."""
    backlog = Backlog(window=window, aging=AGING)
    for lane in dict.fromkeys(task.lane for task in tasks) or [LANE]:
        own = sorted((task for task in tasks if task.lane == lane), key=lambda task: task[1:])
        backlog.read(lane, None, own, exhausted=True)
    return backlog


def taken(backlog: Backlog, seconds: float = 0, *, not_from: Sequence[Lane] = ()) -> list[int]:
    due = backlog.take_due(NOON + seconds * SECOND, lambda lane: lane not in not_from)
    return numbers(due)


def test_due_tasks_go_out_by_due_time() -> None:
    backlog = known(waiting(1, due=-1), waiting(2, due=-3), waiting(3, due=-2))

    assert taken(backlog) == [2, 3, 1]
    assert taken(backlog) == []


def test_what_is_due_together_goes_out_by_id() -> None:
    """F-61: ids of version 7 sort by creation, so the older task goes first."""
    backlog = known(waiting(3), waiting(1), waiting(2))

    assert taken(backlog) == [1, 2, 3]


def test_priority_goes_before_due_time() -> None:
    backlog = known(waiting(1, due=-9), waiting(2, due=-1, lane=URGENT), waiting(3, due=-2))

    assert taken(backlog) == [2, 1, 3]


def test_who_has_waited_long_enough_goes_before_the_more_urgent() -> None:
    lead = URGENT.priority * AGING
    urgent = waiting(1, due=-1, lane=URGENT)

    assert taken(known(urgent, waiting(2, due=-lead))) == [1, 2]
    assert taken(known(urgent, waiting(2, due=-lead - 2))) == [2, 1]


def test_the_highest_priority_and_the_longest_aging_have_an_order() -> None:
    """A row made by hand may have any priority that the column holds."""
    first, last = LANE._replace(priority=32767), LANE._replace(priority=-32768)
    backlog = Backlog(window=1_000, aging=AGING_MAX)
    for task in (waiting(1, due=-9, lane=last), waiting(2, due=-1, lane=first)):
        backlog.read(task.lane, None, [task], exhausted=True)

    assert taken(backlog) == [2, 1]


PRIORITIES = st.sampled_from([-100, -3, 0, 1, 7, 100])
SECONDS = st.one_of(st.integers(-600, 0), st.integers(-13_000, 0))
AGINGS = st.sampled_from([0.001, 1.0, AGING, 86_400.0])


@given(st.lists(st.tuples(PRIORITIES, SECONDS)), AGINGS, st.integers(0, 20))
def test_nobody_is_passed_over_for_who_fell_due_too_long_after(
    wanted: list[tuple[int, int]], aging: float, slots: int
) -> None:
    """The longest that a task can be passed over is what its priority lacks, times the aging."""
    backlog = Backlog(window=1_000, aging=aging)
    left: dict[int, Waiting] = {}
    for n, (priority, due) in enumerate(wanted):
        lane = LANE._replace(priority=priority)
        left[n] = waiting(n, due=due, lane=lane)
        backlog.read(lane, None, [], exhausted=True)
    for task in left.values():
        backlog.add(task)

    for _, gone in zip(range(slots), backlog.take_due(NOON, lambda _: True), strict=False):
        del left[gone.id.int]
        for other in left.values():
            ahead = gone.lane.priority - other.lane.priority
            assert gone.due_at <= other.due_at + ahead * timedelta(seconds=aging)


def test_lanes_of_one_priority_are_merged() -> None:
    backlog = known(waiting(1, due=-3), waiting(2, due=-2, lane=OTHER), waiting(3, due=-1))

    assert taken(backlog) == [1, 2, 3]


def test_a_scheduled_task_that_fell_due_is_not_outranked_by_unscheduled_ones() -> None:
    """F-60: in the seed a task without a schedule sorts before every task with one."""
    scheduled, older, newer = waiting(1, due=-5), waiting(2, due=-6), waiting(3, due=-4)

    assert taken(known(older, newer, scheduled)) == [2, 1, 3]


def test_a_scheduled_task_waits_until_it_is_due() -> None:
    backlog = known(waiting(1, due=10), waiting(2, due=20))

    assert taken(backlog, 9.999) == []
    assert backlog.next_due_at(NOON) == NOON + 10 * SECOND
    assert taken(backlog, 10) == [1]
    assert backlog.next_due_at(NOON + 10 * SECOND) == NOON + 20 * SECOND


def test_an_urgent_task_of_tomorrow_does_not_hold_up_today() -> None:
    backlog = known(waiting(1, due=86_400, lane=URGENT), waiting(2))

    assert taken(backlog) == [2]


def test_what_is_due_waits_for_a_slot_and_not_for_the_clock() -> None:
    assert known(waiting(1)).next_due_at(NOON) is None


def test_how_many_are_due_is_told_by_the_ends_of_lanes() -> None:
    backlog = known(waiting(1, due=-2), waiting(2, due=-1), Waiting(OTHER, NOON, task_id(3)))
    assert backlog.due_at_least(NOON) == 3

    # Its end is not due: how many of this lane are is left open.
    backlog.add(waiting(4, due=60))
    assert backlog.due_at_least(NOON) == 1


def test_a_lane_that_nobody_serves_does_not_block_another() -> None:
    backlog = known(waiting(1, lane=URGENT), waiting(2, due=-9, lane=OTHER), waiting(3))

    assert taken(backlog, not_from=[URGENT, OTHER]) == [3]
    assert taken(backlog) == [1, 2]


def test_what_is_not_accepted_stays() -> None:
    backlog = known(waiting(1), waiting(2))
    slots = iter([True, False])

    assert numbers(backlog.take_due(NOON, lambda _: next(slots))) == [1]
    assert taken(backlog) == [2]


def test_hearing_of_a_task_twice_is_hearing_of_it_once() -> None:
    backlog = known(waiting(1))
    for _ in range(3):
        backlog.add(waiting(1))
        backlog.add(waiting(2))

    assert taken(backlog) == [1, 2]


def test_a_lane_nobody_has_read_is_read_from_its_head() -> None:
    """There may be older tasks than the one that the hint named."""
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.add(waiting(2))

    assert taken(backlog) == []
    assert backlog.lanes_to_read(NOON) == [(LANE, None)]

    backlog.read(LANE, None, [waiting(1), waiting(2)], exhausted=True)
    assert backlog.lanes_to_read(NOON) == []
    assert taken(backlog) == [1, 2]


def test_beyond_the_bookmark_the_table_is_read() -> None:
    """A hint must not pull a task before those that lie between."""
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.read(LANE, None, [waiting(1, due=-9)], exhausted=False)
    backlog.add(waiting(3, due=-1))

    assert taken(backlog) == [1]
    assert backlog.lanes_to_read(NOON) == [(LANE, Place(NOON - 9 * SECOND, waiting(1).id))]


def test_who_comes_late_behind_the_bookmark_is_taken_in_by_a_hint() -> None:
    """F-58: a transaction may commit after others that began later."""
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.read(LANE, None, [waiting(2, due=-5)], exhausted=False)
    backlog.add(waiting(1, due=-8))

    assert taken(backlog) == [1, 2]


def test_who_comes_late_without_a_hint_is_found_by_starting_over() -> None:
    """F-58, when the hint was lost as well."""
    backlog = known(waiting(2, due=-5))
    backlog.start_over()

    assert backlog.lanes_to_read(NOON) == [(LANE, None)]
    backlog.read(LANE, None, [waiting(1, due=-8), waiting(2, due=-5)], exhausted=True)
    assert taken(backlog) == [1, 2]


def test_a_scan_hint_makes_every_lane_read_on() -> None:
    backlog = known(waiting(1, due=-9), waiting(2, due=-8, lane=OTHER))
    taken(backlog)
    assert backlog.lanes_to_read(NOON) == []

    backlog.look_further()

    assert backlog.lanes_to_read(NOON) == [
        (LANE, Place(NOON - 9 * SECOND, waiting(1).id)),
        (OTHER, Place(NOON - 8 * SECOND, waiting(2).id)),
    ]


def test_a_lane_is_read_on_before_it_runs_dry() -> None:
    backlog = Backlog(window=100, aging=AGING)
    share = backlog.lane_share()
    tasks = [waiting(n, due=-1) for n in range(share)]
    backlog.read(LANE, None, tasks, exhausted=False)

    slots = iter([True] * (share // 2 - 1) + [False])
    list(backlog.take_due(NOON, lambda _: next(slots)))
    assert backlog.lanes_to_read(NOON) == []

    slots = iter([True, False])
    list(backlog.take_due(NOON, lambda _: next(slots)))
    assert backlog.lanes_to_read(NOON) == [(LANE, Place(NOON - SECOND, tasks[-1].id))]


def test_a_lane_whose_next_tasks_are_scheduled_is_not_read_again_and_again() -> None:
    backlog = Backlog(window=100, aging=AGING)
    backlog.read(LANE, None, [waiting(1, due=60)], exhausted=False)

    assert backlog.lanes_to_read(NOON) == []
    assert backlog.lanes_to_read(NOON + 60 * SECOND) != []


def test_a_task_that_comes_back_is_offered_again() -> None:
    backlog = known(waiting(1), waiting(2, due=1))
    assert taken(backlog) == [1]

    backlog.put_back(waiting(1))
    backlog.put_back(waiting(1))

    assert taken(backlog, 1) == [1, 2]


def test_a_task_that_comes_back_into_an_unknown_lane_is_offered_again() -> None:
    backlog = Backlog(window=100, aging=AGING)
    backlog.put_back(waiting(1))

    assert backlog.lanes_to_read(NOON) == [(LANE, None)]
    assert taken(backlog) == [1]


def test_an_answer_read_before_the_lane_was_cut_down_leaves_no_gap() -> None:
    """Reading takes time, and hints come in meanwhile. What lies between the place where the
    lane now ends and the place from which the answer goes on must still be read.
    """
    backlog = Backlog(window=64, aging=AGING)
    share = backlog.lane_share()
    read = [waiting(n, due=-1_000 + n) for n in range(1, share + 1)]
    backlog.read(LANE, None, read, exhausted=False)
    taken(backlog)
    [(_, asked_after)] = backlog.lanes_to_read(NOON)

    late = [waiting(1_000 + n, due=-9_000 + n) for n in range(2 * share + 1)]
    for task in late:
        backlog.add(task)
    backlog.read(LANE, asked_after, [waiting(500, due=-1)], exhausted=True)

    found = taken(backlog)
    [(_, after)] = backlog.lanes_to_read(NOON)
    assert after is not None
    rest = [task for task in [*late, waiting(500, due=-1)] if task[1:] > after]
    assert sorted(found + numbers(rest)) == [500, *numbers(late)]


def test_an_answer_read_before_a_new_start_does_not_stand_in_for_it() -> None:
    backlog = Backlog(window=64, aging=AGING)
    backlog.read(LANE, None, [waiting(2, due=-5)], exhausted=False)
    taken(backlog)
    [(_, asked_after)] = backlog.lanes_to_read(NOON)

    backlog.start_over()
    backlog.read(LANE, asked_after, [waiting(3, due=-1)], exhausted=True)

    assert backlog.lanes_to_read(NOON) == [(LANE, None)]


def test_a_million_tasks_cost_no_more_memory_than_the_window() -> None:
    """F-59: the seed loads every pending task into its heap."""
    backlog = known(window=10_000)
    for n in range(1_000_000):
        backlog.add(Waiting(LANE, NOON, task_id(n)))

    assert len(backlog) <= 20_000
    assert taken(backlog)[:3] == [0, 1, 2]


def test_tasks_that_are_scheduled_ever_earlier_do_not_fill_the_memory() -> None:
    """F-59: each look at the head of the lane finds others."""
    backlog = Backlog(window=100, aging=AGING)
    for round in range(100):
        backlog.start_over()
        first = waiting(0, due=1_000_000 - 1_000 * round).due_at
        head = [Waiting(LANE, first + timedelta(seconds=n), waiting(n).id) for n in range(100)]
        backlog.read(LANE, None, head, exhausted=False)

    assert len(backlog) <= 200


def test_what_was_forgotten_is_read_again() -> None:
    backlog = known(window=100)
    tasks = [waiting(n, due=-1_000 + n) for n in range(250)]
    for task in reversed(tasks):
        backlog.add(task)

    found = taken(backlog)
    [(_, after)] = backlog.lanes_to_read(NOON)
    assert after is not None

    assert found + numbers(task for task in tasks if task[1:] > after) == list(range(250))


def test_many_lanes_share_the_window() -> None:
    backlog = Backlog(window=1_000, aging=AGING)
    for n in range(10):
        backlog.list_lanes([LANE._replace(ty=str(n))])

    assert backlog.lane_share() == 100


def test_empty_lanes_are_forgotten_at_last() -> None:
    """Types that come and go, such as names made by a program, must not pile up."""
    backlog = known(waiting(1))
    for n in range(10 * module.LANES_MAX):
        backlog.read(LANE._replace(ty=str(n)), None, [], exhausted=True)
    assert list(backlog.known_lanes()) == [LANE]
    backlog.list_lanes([OTHER])

    assert backlog.lane_share() == 500  # two lanes are left: one with a task, one just listed
    assert taken(backlog) == [1]


def test_lanes_are_let_go_when_there_are_far_too_many() -> None:
    """BOUND: a queue for each customer, and in each a task that nobody can take just now."""
    backlog = Backlog(window=1_000, aging=AGING)
    lanes = [LANE._replace(queue=f"customer {n}") for n in range(module.LANES_HELD_MAX + 1)]
    for page in lanes[:-1], lanes[-1:]:
        backlog.list_lanes(page)
        for n, lane in enumerate(page):
            backlog.read(lane, None, [waiting(n, lane=lane)], exhausted=True)

    assert len(backlog) == 1
    assert taken(backlog) == [0]


def looked(backlog: Backlog, *tasks: Waiting, exhausted: bool = True) -> None:
    backlog.looked_at(LANE, tasks, exhausted=exhausted)


def test_a_look_finds_what_was_added_behind_the_bookmark() -> None:
    """Whoever creates while the supervisor is awake does not name the task."""
    backlog = known(waiting(1, due=-5), waiting(2, due=60))

    [(lane, after)] = backlog.lanes_to_look_at(NOON - SECOND)
    assert (lane, after.due_at) == (LANE, NOON - SECOND)
    looked(backlog, waiting(3))

    assert taken(backlog) == [1, 3]


def test_a_look_at_what_is_known_changes_nothing() -> None:
    backlog = known(waiting(1), waiting(2))
    looked(backlog, waiting(1), waiting(2))

    assert taken(backlog) == [1, 2]


def test_what_a_look_has_no_room_for_is_found_by_reading_on() -> None:
    backlog = known()
    looked(backlog, waiting(1), waiting(2), exhausted=False)

    assert taken(backlog) == [1, 2]
    assert backlog.lanes_to_read(NOON) == [(LANE, Place(*waiting(2)[1:]))]


def test_a_look_that_ends_beyond_the_bookmark_skips_nothing_between() -> None:
    """What lies beyond the bookmark is left to reading on, so that has to begin there."""
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.read(LANE, None, [waiting(1)], exhausted=False)
    looked(backlog, waiting(1), waiting(2), waiting(3), exhausted=False)

    assert backlog.lanes_to_read(NOON) == [(LANE, Place(*waiting(1)[1:]))]


def test_a_look_that_ends_before_the_bookmark_skips_nothing_between() -> None:
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.read(LANE, None, [waiting(9)], exhausted=False)
    looked(backlog, waiting(1), waiting(2), exhausted=False)

    assert taken(backlog) == [1, 2, 9]
    assert backlog.lanes_to_read(NOON) == [(LANE, Place(*waiting(2)[1:]))]


def test_a_lane_that_is_being_read_far_behind_needs_no_look() -> None:
    """What is new lies beyond its bookmark."""
    backlog = Backlog(window=1_000, aging=AGING)
    backlog.read(LANE, None, [waiting(1, due=-60)], exhausted=False)

    assert backlog.lanes_to_look_at(NOON - SECOND) == []
    assert backlog.lanes_to_look_at(NOON - 90 * SECOND) != []


def test_where_tasks_are_divided_those_of_others_are_not_held() -> None:
    backlog = Backlog(window=1_000, aging=AGING, owns=lambda task: task.id.int % 2 == 0)
    backlog.read(LANE, None, [], exhausted=True)
    backlog.add(waiting(1))
    backlog.add(waiting(2))
    looked(backlog, waiting(3), waiting(4))

    assert taken(backlog) == [2, 4]


def test_a_lane_is_known_from_a_task_of_somebody_else() -> None:
    """F-73: who does not know a lane cannot take up what its owner leaves there."""
    backlog = Backlog(window=1_000, aging=AGING, owns=lambda _: False)
    backlog.add(waiting(1))

    assert list(backlog.known_lanes()) == [LANE]
    assert backlog.lanes_to_read(NOON) == [(LANE, None)]


def test_a_look_at_a_lane_that_was_let_go_is_forgotten() -> None:
    backlog = Backlog(window=1_000, aging=AGING)
    looked(backlog, waiting(1))

    assert taken(backlog) == []

"""Strategies: all of them use what there is and nothing else; each has a preference of its own."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.samples import LANE, Worker

from fcs.domain.facts import Lane
from fcs.domain.ids import Incarnation
from fcs.domain.roster import Openings, Roster
from fcs.domain.strategy import Strategy

EVERY = pytest.mark.parametrize("strategy", Strategy)

LANES = [
    LANE,
    LANE._replace(priority=3),
    LANE._replace(ty="foo"),
    LANE._replace(queue="mail"),
    *(LANE._replace(limit_key=f"customer-{n}") for n in range(5)),
]

FLEETS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.integers(0, 5),
        st.sampled_from([("baz",), ("foo",), ("foo", "baz"), ()]),
        st.sampled_from([(), ("mail",), ("default",)]),
    ),
    max_size=6,
)


def openings_of(
    workers: Sequence[Worker], strategy: Strategy, *, seed: int = 1, due: int = 0
) -> Openings:
    roster = Roster(lease=5.0)
    roster.survey([worker.row() for worker in workers], 0)
    return roster.openings(0, Random(seed), due=due, strategy=strategy)


def fleet_of(
    fleet: Sequence[tuple[int, int, tuple[str, ...], tuple[str, ...]]],
) -> dict[Incarnation, Worker]:
    workers = {}
    for n, (slots, busy, types, queues) in enumerate(fleet):
        worker = Worker(n, slots=slots, types=types, queues=queues)
        worker.take(min(busy, slots))
        worker.beat()
        workers[worker.incarnation] = worker
    return workers


def can_do(worker: Worker, lane: Lane) -> bool:
    return lane.ty in worker.types and (not worker.queues or lane.queue in worker.queues)


def choices(openings: Openings, lanes: Sequence[Lane]) -> list[Incarnation | None]:
    """Who is given a task of each lane; `None` for nobody."""
    return [openings.take_slot() if openings.has_slot(lane) else None for lane in lanes]


# All of them


@EVERY
@given(
    FLEETS,
    st.lists(st.tuples(st.sampled_from(LANES), st.booleans()), max_size=60),
    st.integers(0, 100),
    st.integers(0, 2**32),
)
def test_a_task_goes_to_a_free_slot_of_a_capable_worker_whenever_there_is_one(
    strategy: Strategy,
    fleet: list[tuple[int, int, tuple[str, ...], tuple[str, ...]]],
    asked: list[tuple[Lane, bool]],
    due: int,
    seed: int,
) -> None:
    workers = fleet_of(fleet)
    free = {id: worker.slots - worker.busy for id, worker in workers.items()}
    openings = openings_of([*workers.values()], strategy, seed=seed, due=due)

    for lane, is_allowed in asked:
        capable = [id for id, worker in workers.items() if can_do(worker, lane) and free[id]]
        assert openings.has_slot(lane) == bool(capable)
        if capable and is_allowed:  # a limit may hold it back after all
            incarnation = openings.take_slot()
            assert incarnation in capable
            free[incarnation] -= 1


@EVERY
@pytest.mark.parametrize("due", [0, 40, 1_000_000])
def test_every_slot_is_used(strategy: Strategy, due: int) -> None:
    workers = [Worker(n, slots=1 + n % 4) for n in range(12)]
    openings = openings_of(workers, strategy, due=due)
    lanes = [LANES[n % len(LANES)] for n in range(100) if LANES[n % len(LANES)].ty == "baz"]

    given = Counter(choices(openings, lanes))

    del given[None]
    assert given == {worker.incarnation: worker.slots for worker in workers}


@EVERY
@pytest.mark.parametrize("due", [0, 40])
def test_the_same_seed_gives_the_same_choices(strategy: Strategy, due: int) -> None:
    workers = [Worker(n, slots=3) for n in range(12)]
    lanes = LANES * 4

    first, again, other = (
        choices(openings_of(workers, strategy, seed=seed, due=due), lanes) for seed in (1, 1, 2)
    )

    assert first == again != other


# Least loaded


def test_the_least_loaded_has_the_smallest_share_of_its_slots_busy() -> None:
    small, large = Worker(1, slots=2), Worker(2, slots=10)
    for worker, busy in ((small, 1), (large, 4)):
        worker.take(busy)
        worker.beat()

    given = choices(openings_of([small, large], Strategy.LEAST_LOADED), [LANE] * 3)

    assert given[:1] == [large.incarnation]
    assert set(given[1:]) == {small.incarnation, large.incarnation}, "now they are alike"


def test_among_equals_the_least_loaded_is_any() -> None:
    workers = [Worker(n, slots=4) for n in range(5)]

    first = Counter(
        incarnation
        for seed in range(1_000)
        for incarnation in choices(openings_of(workers, Strategy.LEAST_LOADED, seed=seed), [LANE])
    )

    assert set(first) == {worker.incarnation for worker in workers}
    assert min(first.values()) > 150


def test_what_other_lanes_took_counts_as_load() -> None:
    both, only = Worker(1, slots=4, types=("foo", "baz")), Worker(2, slots=4, types=("foo",))
    openings = openings_of([both, only], Strategy.LEAST_LOADED)
    foo = LANE._replace(ty="foo")
    assert openings.has_slot(foo)

    assert choices(openings, [LANE, LANE]) == [both.incarnation] * 2
    assert choices(openings, [foo, foo]) == [only.incarnation] * 2


# Sticky


def keyed(key: str) -> Lane:
    return LANE._replace(limit_key=key)


def preferred(workers: Sequence[Worker], key: str, *, seed: int = 1) -> Incarnation | None:
    return choices(openings_of(workers, Strategy.STICKY, seed=seed), [keyed(key)])[0]


KEYS = [f"customer-{n}" for n in range(1_000)]


def test_tasks_of_a_key_go_to_the_same_worker_whoever_hands_them_out() -> None:
    workers = [Worker(n, slots=100) for n in range(8)]

    for key in KEYS[:50]:
        openings = openings_of(workers, Strategy.STICKY)
        assert set(choices(openings, [keyed(key)] * 20)) == {preferred(workers[::-1], key, seed=2)}


def test_keys_are_divided_among_the_workers() -> None:
    workers = [Worker(n) for n in range(8)]

    given = Counter(preferred(workers, key) for key in KEYS)

    assert len(given) == 8
    assert max(abs(count - 125) for count in given.values()) < 45


def test_who_is_full_is_stood_in_for_by_the_same_one_as_if_it_were_gone() -> None:
    workers = [Worker(n) for n in range(4)]
    in_order = choices(openings_of(workers, Strategy.STICKY), [keyed("a")] * 5)

    assert set(in_order[:4]) == {worker.incarnation for worker in workers}
    assert in_order[4] is None
    for place in range(1, 4):
        rest = [worker for worker in workers if worker.incarnation not in in_order[:place]]
        assert preferred(rest, "a") == in_order[place]


def test_when_a_worker_comes_few_keys_change_theirs() -> None:
    workers = [Worker(n) for n in range(9)]
    moved = [key for key in KEYS if preferred(workers, key) != preferred(workers[:8], key)]

    assert 60 < len(moved) < 160
    assert {preferred(workers, key) for key in moved} == {workers[8].incarnation}


def test_a_worker_keeps_its_keys_when_it_starts_anew() -> None:
    """What makes it worthwhile to come back is often kept beside its id: a cache on disk."""
    workers = [Worker(n) for n in range(8)]
    before = {key: preferred(workers, key) for key in KEYS[:100]}
    rows = [worker.row() for worker in workers]
    new = Incarnation(UUID(int=77))
    roster = Roster(lease=5.0)
    roster.survey([rows[0]._replace(incarnation=new), *rows[1:]], 0)

    for key, incarnation in before.items():
        openings = roster.openings(0, Random(1), strategy=Strategy.STICKY)
        expected = new if incarnation == rows[0].incarnation else incarnation
        assert choices(openings, [keyed(key)]) == [expected]


def test_tasks_without_a_key_go_to_any() -> None:
    workers = [Worker(n) for n in range(5)]

    first = {preferred(workers, "", seed=seed) for seed in range(100)}

    assert len(first) == 5


def test_where_tasks_are_many_those_without_a_key_go_in_even_shares() -> None:
    """They do not get in the way of those that have one."""
    workers = [Worker(n, slots=100) for n in range(4)]
    openings = openings_of(workers, Strategy.STICKY, due=80)

    given = choices(openings, [LANE] * 60)

    assert [len(set(given[start : start + 20])) for start in (0, 20, 40)] == [1, 1, 1]
    for key in KEYS[:20]:
        assert choices(openings, [keyed(key)]) == [preferred(workers, key)]


def test_who_is_gone_is_forgotten() -> None:
    roster, rng = Roster(lease=5.0), Random(1)
    for n in range(20):
        roster.survey([Worker(n).row()], 0)
        choices(roster.openings(0, rng, strategy=Strategy.STICKY), [keyed("a")])

    assert len(roster._ring._scores) == 1

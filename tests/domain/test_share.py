"""A worker's share in hash mode: every task falls to one of those who can do it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.samples import LANE, NOON, Worker, incarnation, waiting

from fcs.domain import ring
from fcs.domain.facts import Lane, Waiting, WorkerState
from fcs.domain.ids import WorkerId
from fcs.domain.ring import SLOTS, WIDEN_LEASES, Scores, slot_of
from fcs.domain.share import DUTY, Share, until_relief

LEASE = 5.0


@pytest.fixture(autouse=True, scope="module")
def scores_once() -> Iterator[None]:
    """The score of a worker for a slot never changes, and here it is asked for very often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring, "Scores", cache(Scores))
        yield


TASKS = [waiting(n) for n in range(0, SLOTS, 7)]


def share_of(n: int, workers: Iterable[Worker] = ()) -> Share:
    """The share of worker `n`, which has seen these."""
    share = Share(WorkerId(UUID(int=n)), incarnation(n))
    share.survey([worker.row() for worker in workers])
    return share


def owners(workers: Sequence[Worker], tasks: Iterable[Waiting]) -> list[tuple[int, ...]]:
    """Who takes each task for its own, if every worker has seen all of them."""
    shares = {worker.n: share_of(worker.n, workers) for worker in workers}
    return [tuple(n for n, share in shares.items() if share.owns(task)) for task in tasks]


def divided(workers: Sequence[Worker], lane: Lane = LANE) -> dict[int, set[int]]:
    """The hash slots of each."""
    return {
        worker.n: set(share_of(worker.n, workers).slots(lane.queue, lane.ty)) for worker in workers
    }


# What falls to whom


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_task_falls_to_one_worker(count: int) -> None:
    workers = [Worker(n) for n in range(count)]

    assert set(owners(workers, TASKS)) == {(n,) for n in range(count)}


def test_who_has_seen_nobody_owns_nothing() -> None:
    """A session that has not surveyed yet hands nothing out."""
    assert not any(share_of(1).owns(task) for task in TASKS)
    assert share_of(1).slots("default", "baz") == frozenset()


def test_who_is_not_among_the_workers_owns_nothing() -> None:
    """It was reaped and does not know, or leaves."""
    assert not any(share_of(9, [Worker(1), Worker(2)]).owns(task) for task in TASKS)


def test_a_task_falls_to_one_that_knows_its_type_and_serves_its_queue() -> None:
    workers = [
        Worker(1, types=("baz", "foo"), queues=("mail",)),
        Worker(2, types=("baz",)),
        Worker(3, types=("foo",)),
    ]
    numbers = range(0, SLOTS, 97)

    def all_owners(queue: str, ty: str) -> set[tuple[int, ...]]:
        lane = Lane(queue, ty, 0)
        return set(owners(workers, [waiting(n, lane=lane) for n in numbers]))

    assert all_owners("default", "baz") == {(2,)}
    assert all_owners("default", "foo") == {(3,)}
    assert all_owners("mail", "baz") == {(1,), (2,)}
    assert all_owners("mail", "foo") == {(1,), (3,)}
    assert all_owners("default", "unheard of") == {()}


def test_who_drains_owns_nothing_and_the_others_have_its_tasks() -> None:
    workers = [Worker(1), Worker(2, state="draining"), Worker(3)]

    assert set(owners(workers, TASKS)) == {(1,), (3,)}


def test_priority_and_limit_key_do_not_matter() -> None:
    workers = [Worker(1), Worker(2)]
    other = LANE._replace(priority=9, limit_key="customer")

    alike = [task._replace(lane=other) for task in TASKS]

    assert owners(workers, alike) == owners(workers, TASKS)


def test_bits_say_what_slots_say() -> None:
    share = share_of(1, [Worker(1), Worker(2), Worker(3)])
    slots, bits = share.slots("default", "baz"), share.slot_bits("default", "baz")

    assert len(bits) == SLOTS / 8
    assert {n for n in range(SLOTS) if bits[n // 8] >> (n % 8) & 1} == slots
    assert 0 < len(slots) < SLOTS


# What a survey tells


def test_a_survey_tells_whether_the_division_is_another_now() -> None:
    share = Share(WorkerId(UUID(int=1)), incarnation(1))
    one, two = Worker(1), Worker(2)

    assert share.survey([one.row(), two.row()])
    assert not share.survey([one.row(), two.row()])

    for changed in (
        Worker(2, types=("baz", "foo")),
        Worker(2, queues=("mail",)),
        Worker(2, state="draining"),
        Worker(3),
    ):
        assert share.survey([one.row(), changed.row()])
        assert share.survey([one.row(), two.row()])
    assert share.survey([one.row()])


def test_what_a_worker_is_doing_changes_no_division() -> None:
    """Else every beat would have each worker read its backlog anew."""
    share = Share(WorkerId(UUID(int=1)), incarnation(1))
    one = Worker(1, slots=4)
    share.survey([one.row()])
    one.take(3)
    one.beat()
    one.silent, one.tasks_sent = 3.0, 7

    assert not share.survey([one.row()])


def test_another_start_of_a_worker_has_what_the_first_had() -> None:
    """Nothing moves when a worker is started anew: the division goes by its id."""
    first = [Worker(1).row(), Worker(2).row()]
    again = [first[0], first[1]._replace(incarnation=incarnation(99))]
    share = Share(WorkerId(UUID(int=1)), incarnation(1))

    share.survey(first)
    before = share.slots("default", "baz")
    assert share.survey(again), "but what the dead one had is to be looked for"
    assert share.slots("default", "baz") == before


def test_what_one_had_falls_to_the_others_when_it_is_gone() -> None:
    workers = [Worker(n) for n in range(5)]
    share = share_of(0, workers)
    before = share.slots("default", "baz")

    share.survey([worker.row() for worker in workers[:3]])
    after = share.slots("default", "baz")

    assert after > before
    lost = divided(workers)[3] | divided(workers)[4]
    assert after - before <= lost


def test_who_is_gone_is_forgotten() -> None:
    """Workers come and go for years: BOUND."""
    share = share_of(1)
    for n in range(2, 20):
        share.survey([Worker(1).row(), Worker(n).row()])
        share.slots("default", "baz")

    assert len(share._ring._scores) <= 2


members = st.lists(
    st.builds(
        Worker,
        st.integers(0, 20),
        types=st.lists(st.sampled_from(["baz", "foo"]), max_size=2, unique=True).map(tuple),
        queues=st.lists(st.sampled_from(["default", "mail"]), max_size=2, unique=True).map(tuple),
        state=st.sampled_from(["live", "live", "live", "draining"]),
    ),
    max_size=6,
    unique_by=lambda worker: worker.n,
)


@given(members, st.sampled_from(["default", "mail"]), st.sampled_from(["baz", "foo"]))
def test_whoever_is_there_all_slots_are_divided_among_those_who_can(
    workers: list[Worker], queue: str, ty: str
) -> None:
    """Exactly: no slot has two owners, and none is left over where there is somebody."""
    able = {
        worker.n
        for worker in workers
        if worker.state == "live"
        and ty in worker.types
        and (not worker.queues or queue in worker.queues)
    }
    division = divided(workers, Lane(queue, ty, 0))

    assert {n for n, slots in division.items() if slots} <= able
    assert sum(map(len, division.values())) == (SLOTS if able else 0)
    assert len(set().union(*division.values())) == (SLOTS if able else 0)


@given(members, st.integers(0, 2**128 - 1))
def test_a_task_is_owned_where_its_slot_is(workers: list[Worker], number: int) -> None:
    task = waiting(number)
    for worker in workers:
        share = share_of(worker.n, workers)
        assert share.owns(task) == (slot_of(task.id) in share.slots("default", "baz"))


# Whom to reap


def silent(n: int, leases: float) -> Worker:
    return Worker(n, silent=leases * LEASE)


def reapers(workers: Sequence[Worker], suspect: Worker) -> set[int]:
    return {
        worker.n
        for worker in workers
        if worker.silent < LEASE
        and share_of(worker.n, workers).may_reap(suspect.row(), lease=LEASE)
    }


def test_everybody_looks_after_one_other_before_anybody_is_silent() -> None:
    """What that one was sent and has not begun is chased, too."""
    workers = [Worker(n) for n in range(5)]

    keepers = [reapers(workers, suspect) for suspect in workers]

    assert keepers == [{1}, {2}, {3}, {4}, {0}]


def test_the_silent_reap_nobody() -> None:
    """F-74: the next one on the ring may be dead as well; then it is the one after it."""
    workers = [Worker(0), silent(1, 1.2), silent(2, 1.2), Worker(3), Worker(4)]

    assert reapers(workers, workers[1]) == {3}
    assert reapers(workers, workers[2]) == {3}


def test_who_has_missed_some_beats_is_not_relied_on() -> None:
    """F-74: where a worker dies soon after another, both are known of in time."""
    workers = [Worker(0), silent(1, 1.1), silent(2, 0.6), Worker(3)]

    assert reapers(workers, workers[1]) == {2, 3}


def test_one_that_nobody_reaps_is_reaped_by_more_and_more() -> None:
    def able(leases: float) -> set[int]:
        workers = [silent(0, leases), *(Worker(n) for n in range(1, 6))]
        return reapers(workers, workers[0])

    widened = [able(1 + n * WIDEN_LEASES) for n in range(4)]

    assert widened == [{1}, {1, 2}, {1, 2, 3, 4}, {1, 2, 3, 4, 5}]


def test_of_five_whichever_four_die_the_last_one_reaps_them_all() -> None:
    for survivors in (set(some) for count in range(1, 5) for some in combinations(range(5), count)):
        workers = [Worker(n) if n in survivors else silent(n, 1.1) for n in range(5)]
        for dead in set(range(5)) - survivors:
            assert len(reapers(workers, workers[dead])) == 1


def test_who_drains_is_not_relied_on_and_is_reaped() -> None:
    """Others do not count on it, for it may be gone before the lease is over."""
    leaving = Worker(1, state="draining")
    workers = [silent(0, 2), leaving, Worker(2)]
    assert 2 in reapers(workers, workers[0])

    workers = [Worker(0), Worker(1, state="draining", silent=2 * LEASE), Worker(2)]
    assert reapers(workers, workers[1]) == {2}


# What is done once for all


def on_duty(workers: Sequence[Worker], moment: datetime = NOON) -> list[int]:
    return [
        worker.n
        for worker in workers
        if share_of(worker.n, workers).is_on_duty(moment, lease=LEASE)
    ]


def turns_of(workers: Sequence[Worker]) -> list[list[int]]:
    """Who is on duty at each of the turns that follow, as many as there are workers."""
    return [on_duty(workers, NOON + n * timedelta(seconds=DUTY)) for n in range(len(workers))]


def test_those_who_beat_take_turns_at_what_is_to_be_done_once() -> None:
    """Whoever cannot do it, though it beats, stops it no longer than for its own turn."""
    turns = turns_of([Worker(n) for n in (3, 1, 2)])
    assert sorted(turns) == [[1], [2], [3]]


def test_who_is_silent_or_leaves_has_no_turn() -> None:
    for workers in ([silent(1, 1), Worker(2), Worker(3)], [Worker(1, state="draining"), Worker(2)]):
        others = {worker.n for worker in workers[1:]}
        assert all(len(others & set(turn)) == 1 for turn in turns_of(workers))


def test_a_turn_lasts_until_the_relief() -> None:
    workers = [Worker(n) for n in range(3)]
    began = NOON + timedelta(seconds=1)
    [before] = on_duty(workers, began)
    rest = until_relief(began)

    assert 0 < rest <= DUTY
    assert on_duty(workers, began + timedelta(seconds=rest - 0.01)) == [before]
    assert on_duty(workers, began + timedelta(seconds=rest)) != [before]


def test_who_sees_nobody_does_it_itself() -> None:
    """Better twice than never: everything that is done once for all can be done twice."""
    for moment in (NOON, NOON + timedelta(seconds=DUTY)):
        assert share_of(1).is_on_duty(moment, lease=LEASE)
        lonely = share_of(1, [silent(1, 2), silent(2, 2)])
        assert lonely.is_on_duty(moment, lease=LEASE)


@given(st.lists(st.floats(0, 3 * LEASE), min_size=1, max_size=8))
def test_whoever_is_silent_somebody_who_beats_does_it(silences: list[float]) -> None:
    workers = [Worker(n, silent=silence) for n, silence in enumerate(silences)]
    beating = {worker.n for worker in workers if worker.silent < LEASE}

    assert len(set(on_duty(workers)) & beating) == min(1, len(beating))


@pytest.mark.parametrize("seed", range(20))
def test_however_views_differ_a_task_has_few_owners_and_soon_one(seed: int) -> None:
    """Each has seen others come and go at other moments; when all have seen the same, all agree."""
    rng = Random(seed)
    workers = [Worker(n) for n in range(8)]
    shares = [share_of(worker.n) for worker in workers]
    for _ in range(20):
        rows: list[WorkerState] = [w.row() for w in rng.sample(workers, rng.randint(1, 8))]
        rng.choice(shares).survey(rows)
    for share in shares:
        share.survey([worker.row() for worker in workers])

    assert {sum(share.owns(task) for share in shares) for task in TASKS} == {1}

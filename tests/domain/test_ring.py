"""Hash mode: slots are divided evenly and move little; every dead worker is reaped by somebody."""

from collections import Counter
from itertools import combinations
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.ids import Incarnation, TaskId, WorkerId, uuid7
from fcs.domain.ring import (
    DIVISIONS_MAX,
    SLOTS,
    WIDEN_LEASES,
    Ring,
    Scores,
    may_reap,
    reapers_after,
    slot_of,
    slot_of_key,
)


def worker(n: int) -> WorkerId:
    return WorkerId(UUID(int=n))


def workers(count: int, *, seed: int = 1) -> list[WorkerId]:
    rng = Random(seed)
    return [worker(rng.getrandbits(128)) for _ in range(count)]


def owners(ring: Ring, members: frozenset[WorkerId]) -> list[WorkerId | None]:
    return [ring.owner_of(slot, members) for slot in range(SLOTS)]


# Slots


def test_the_slot_of_a_task_is_the_end_of_its_id() -> None:
    """Statements can tell it as well, from three hexadecimal digits."""
    assert slot_of(TaskId(UUID("01900000-0000-7000-8000-000000000abc"))) == 0xABC
    assert slot_of(TaskId(UUID("01900000-0000-7000-8000-fffffffff000"))) == 0


def test_tasks_of_one_moment_fall_into_all_slots() -> None:
    """F-72: what ids have in common is their beginning."""
    rng = Random(1)
    ids = (TaskId(uuid7(1_700_000_000_000, rng.randbytes(10))) for _ in range(20 * SLOTS))
    tasks = Counter(map(slot_of, ids))

    assert len(tasks) == SLOTS
    assert max(tasks.values()) < 50


def test_nobody_changes_the_hash_by_accident() -> None:
    """F-72: workers of two versions must agree, or each believes that the other has the task."""
    scores = Scores(worker(1))
    assert (scores[0], scores[1], scores[SLOTS - 1]) == (
        14913112892102478721,
        1557377424709126017,
        11757676983857118546,
    )

    ring, five = Ring(), frozenset(map(worker, range(1, 6)))
    found = {slot: ring.owner_of(slot, five) for slot in (0, 1, 2, 3, 4, 1_000, 2_048, SLOTS - 1)}
    expected = {0: 4, 1: 5, 2: 2, 3: 1, 4: 3, 1_000: 3, 2_048: 2, SLOTS - 1: 4}
    assert found == {slot: worker(n) for slot, n in expected.items()}

    assert [slot_of_key(key) for key in ("customer-1", "", "Zürich")] == [1725, 692, 1288]


@pytest.mark.parametrize("count", [1, 2, 5, 8, 32, 200])
def test_slots_are_divided_evenly(count: int) -> None:
    ring, members = Ring(), workers(count)
    sizes = [len(ring.owned_slots(member, frozenset(members))) for member in members]

    assert sum(sizes) == SLOTS
    mean = SLOTS / count
    assert max(abs(size - mean) for size in sizes) <= 4 * mean**0.5


@pytest.mark.parametrize("count", [2, 5, 16])
def test_who_comes_takes_its_share_and_moves_nothing_else(count: int) -> None:
    ring, members = Ring(), workers(count)
    new = worker(12345)
    before = owners(ring, frozenset(members))
    after = owners(ring, frozenset([*members, new]))

    moved = [(old, now) for old, now in zip(before, after, strict=True) if old != now]
    assert {now for _, now in moved} == {new}
    assert abs(len(moved) - SLOTS / (count + 1)) <= 4 * (SLOTS / (count + 1)) ** 0.5
    assert {old for old, _ in moved} == set(members)


@pytest.mark.parametrize("count", [2, 5, 16])
def test_who_goes_leaves_its_slots_to_all_others_and_moves_nothing_else(count: int) -> None:
    ring, members = Ring(), workers(count)
    gone = members.pop()
    before = owners(ring, frozenset([*members, gone]))
    after = owners(ring, frozenset(members))

    assert all((old == gone) == (old != now) for old, now in zip(before, after, strict=True))
    heirs = {now for old, now in zip(before, after, strict=True) if old == gone}
    assert heirs == set(members)


def test_whatever_happened_before_the_division_is_the_same() -> None:
    """Processes that have seen other workers come and go must agree: the highest score wins."""
    rng, ring, every = Random(1), Ring(), workers(12)
    scores = {member: Scores(member) for member in every}
    for _ in range(2 * DIVISIONS_MAX):
        members = frozenset(rng.sample(every, rng.randint(1, 12)))
        if rng.random() < 0.2:
            ring.keep_only(members)

        expected = [max((scores[member][slot], member) for member in members)[1]
                    for slot in range(SLOTS)]  # fmt: skip

        assert owners(ring, members) == expected
        for me in members:
            assert ring.owned_slots(me, members) == {
                slot for slot, owner in enumerate(expected) if owner == me
            }


def test_the_higher_id_wins_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcs.domain.ring.Scores", lambda _: [7] * SLOTS)
    ring, every = Ring(), workers(12)

    for count in range(1, 13):  # as they come
        assert ring.owner_of(0, frozenset(every[:count])) == max(every[:count])
    for count in range(11, 0, -1):  # and as the highest goes
        lowest = sorted(every)[:count]
        assert ring.owner_of(0, frozenset(lowest)) == lowest[-1]


def test_what_is_not_asked_for_any_more_is_forgotten() -> None:
    ring, every = Ring(), workers(2 * DIVISIONS_MAX)
    for count in range(len(every)):
        ring.owned_slots(every[0], frozenset([every[0], every[count]]))
    ring.keep_only([every[0]])

    assert len(ring._divisions) == DIVISIONS_MAX
    assert list(ring._scores) == [every[0]]


def test_who_is_not_among_them_owns_nothing() -> None:
    ring, members = Ring(), frozenset(workers(3))

    assert ring.owned_slots(worker(99), members) == frozenset()
    assert ring.owned_slots(worker(99), frozenset()) == frozenset()
    assert ring.owner_of(0, frozenset()) is None


# Reapers


def incarnation(n: int) -> Incarnation:
    return Incarnation(UUID(int=n))


def reapers(
    suspect: Incarnation, alive: set[Incarnation], *, silent_leases: float
) -> set[Incarnation]:
    return {me for me in alive if may_reap(me, suspect, alive, silent_leases=silent_leases)}


def test_the_next_one_alive_reaps_at_once() -> None:
    alive = {incarnation(n) for n in (1, 3, 5)}

    found = {n: reapers(incarnation(n), alive, silent_leases=1) for n in (0, 2, 4, 6)}

    assert found == {0: {incarnation(1)}, 2: {incarnation(3)}, 4: {incarnation(5)},
                     6: {incarnation(1)}}  # fmt: skip


def test_nobody_is_reaped_before_a_lease_is_over_or_by_itself() -> None:
    alive = {incarnation(n) for n in (1, 2)}

    assert reapers(incarnation(3), alive, silent_leases=0.99) == set()
    assert not may_reap(incarnation(1), incarnation(1), [], silent_leases=99)


def test_with_time_more_and_more_may_and_in_the_end_everybody() -> None:
    alive = {incarnation(n) for n in range(200)} - {incarnation(7)}
    order = [incarnation(n) for n in [*range(8, 200), *range(7)]]

    for widened, count in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 199]):
        leases = 1 + widened * WIDEN_LEASES
        assert reapers(incarnation(7), alive, silent_leases=leases) == set(order[:count])
    assert reapers(incarnation(7), alive, silent_leases=1e9) == alive


def test_who_does_not_see_itself_counts_itself_all_the_same() -> None:
    """Its own beat may be late to be seen."""
    assert may_reap(incarnation(2), incarnation(1), [incarnation(3)], silent_leases=1)
    assert not may_reap(incarnation(4), incarnation(1), [incarnation(3)], silent_leases=1)


@pytest.mark.parametrize("is_known", [True, False])
def test_of_five_any_four_may_die_and_are_reaped_by_the_others(is_known: bool) -> None:
    """F-74: the reaper of a dead one may be dead itself, whether that is known or not."""
    every = {incarnation(n) for n in range(5)}
    for count in range(1, 5):
        for dead in map(set, combinations(every, count)):
            survivors = every - dead
            for suspect in dead:
                believed = survivors if is_known else every - {suspect}
                leases = 1 if is_known else 1 + 2 * WIDEN_LEASES
                assert any(
                    may_reap(me, suspect, believed, silent_leases=leases) for me in survivors
                )


@pytest.mark.parametrize("seed", range(50))
def test_every_dead_worker_is_reaped_however_views_differ(seed: int) -> None:
    """F-76: each may believe that another has to, as members come and go from its sight."""
    rng = Random(seed)
    every = [incarnation(rng.getrandbits(128)) for _ in range(rng.randint(2, 40))]
    dead = set(rng.sample(every, rng.randint(1, len(every) - 1)))
    unreaped, leases = set(dead), 1
    while unreaped:
        for me in set(every) - dead:
            view = {other for other in every if rng.random() < 0.7}
            unreaped -= {
                suspect for suspect in unreaped if may_reap(me, suspect, view, silent_leases=leases)
            }
        assert reapers_after(leases) < 2 * len(every), "not yet, though everybody may"
        leases += 1


@given(st.sets(st.integers(0, 50), min_size=1), st.integers(0, 50), st.floats(1, 1e6))
def test_where_views_agree_as_many_reap_as_are_meant_to(
    alive: set[int], suspect: int, leases: float
) -> None:
    others = {incarnation(n) for n in alive - {suspect}}

    found = reapers(incarnation(suspect), others, silent_leases=leases)

    assert len(found) == min(len(others), reapers_after(leases))

"""Retention: what is past its time, where to look for it, and when a table is worth the work."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest

from fcs.domain.ids import uuid7
from fcs.domain.retention import (
    AHEAD,
    FOREVER,
    FULL_INTERVAL,
    LAG,
    Rounds,
    Space,
    Stretch,
    cutoffs,
    everywhere,
)
from fcs.domain.task import Status

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = 7 * DAY
KEEP = {
    Status.SUCCEEDED: WEEK.total_seconds(),
    Status.FAILED: 4 * WEEK.total_seconds(),
    Status.INTERRUPTED: 4 * WEEK.total_seconds(),
    Status.CANCELLED: FOREVER,
}


def id_of(moment: datetime, entropy: bytes = b"0123456789") -> UUID:
    return uuid7(round(moment.timestamp() * 1_000), entropy)


def covers(stretches: list[Stretch], id: UUID) -> bool:
    return any(stretch.after < id <= stretch.upto for stretch in stretches)


def test_each_status_has_its_own_time() -> None:
    assert cutoffs(KEEP, NOON) == {
        Status.SUCCEEDED: NOON - WEEK,
        Status.FAILED: NOON - 4 * WEEK,
        Status.INTERRUPTED: NOON - 4 * WEEK,
    }


def test_what_is_kept_for_ever_is_never_ripe() -> None:
    keep = dict.fromkeys(KEEP, FOREVER)

    assert cutoffs(keep, NOON) == {}
    assert everywhere(keep, NOON) == []
    assert Rounds(keep).plan(NOON) == []


def test_a_time_that_began_before_all_time_ends_well() -> None:
    [(old, _), _] = everywhere({Status.SUCCEEDED: 1e10}, NOON)

    assert old == UUID(int=0)


def test_everywhere_is_wherever_a_ripe_task_may_be() -> None:
    stretches = everywhere(KEEP, NOON)

    assert covers(stretches, UUID(int=1))
    assert covers(stretches, id_of(NOON - 5 * WEEK))
    assert covers(stretches, id_of(NOON - WEEK - timedelta(seconds=1)))
    # By hand: `gen_random_uuid()`, and the highest there is.
    assert covers(stretches, UUID("7f9e1b0c-1111-4222-8333-444455556666"))
    assert covers(stretches, UUID(int=(1 << 128) - 1))


def test_what_is_young_by_its_id_is_not_looked_at() -> None:
    stretches = everywhere(KEEP, NOON)

    for age in (WEEK - timedelta(seconds=1), timedelta(0), -AHEAD + timedelta(seconds=1)):
        assert not covers(stretches, id_of(NOON - age))


def test_the_first_round_looks_everywhere_and_the_next_only_at_what_came_of_age() -> None:
    rounds = Rounds(KEEP)
    assert rounds.plan(NOON) == everywhere(KEEP, NOON)
    rounds.done(NOON)
    later = NOON + timedelta(minutes=1)

    assert {stretch.upto.int - stretch.after.int for stretch in rounds.plan(later)} == {
        60_000 << 80
    }
    for age in (WEEK, 4 * WEEK):
        assert covers(rounds.plan(later), id_of(NOON - LAG - age + timedelta(seconds=30)))


def test_a_round_that_was_not_gone_to_its_end_is_planned_again() -> None:
    rounds = Rounds(KEEP)
    rounds.done(NOON)
    missed = rounds.plan(NOON + timedelta(minutes=1))

    for stretch in rounds.plan(NOON + timedelta(minutes=2)):
        assert any(stretch.after == each.after and stretch.upto > each.upto for each in missed)


@pytest.mark.parametrize("after", [FULL_INTERVAL, -timedelta(seconds=1)], ids=str)
def test_a_day_later_or_when_the_clock_jumped_back_it_looks_everywhere_again(
    after: timedelta,
) -> None:
    rounds = Rounds(KEEP)
    rounds.done(NOON)

    assert rounds.plan(NOON + after) == everywhere(KEEP, NOON + after)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_ripe_is_looked_at_in_time(seed: int) -> None:
    """Within the lag if it ended soon after its creation, and within a day at the latest."""
    rng = Random(seed)
    rounds, now = Rounds(KEEP), NOON
    looks = []
    while now < NOON + 3 * DAY:
        looks.append((now, rounds.plan(now)))
        rounds.done(now)
        now += timedelta(seconds=rng.uniform(1, 3_600))
    longest = max(after - before for (before, _), (after, _) in pairwise(looks))

    for _ in range(100):
        status = rng.choice([Status.SUCCEEDED, Status.FAILED])
        took = timedelta(seconds=rng.choice([0, 1, LAG.total_seconds(), 5 * DAY.total_seconds()]))
        ripe_at = NOON + DAY * rng.random()
        born = ripe_at - timedelta(seconds=KEEP[status]) - took
        seen_at = next(at for at, plan in looks if at > ripe_at and covers(plan, id_of(born)))
        assert seen_at - ripe_at <= (LAG if took <= LAG else FULL_INTERVAL) + 2 * longest


def space(**changes: Any) -> Space:
    usual = Space(
        pages=43_500, index_pages=3_900, rows=1_000_000, row_bytes=205, has_leftovers=False
    )
    return usual._replace(**changes)


def test_a_table_that_is_full_is_left_as_it_is() -> None:
    assert not space().is_wasteful(pruned=0)
    assert not space().is_wasteful(pruned=300_000)


def test_a_table_of_a_few_rows_in_many_pages_is_worth_the_work() -> None:
    assert space(rows=10_000).is_sparse
    assert space(rows=10_000).is_index_sparse
    assert space().is_wasteful(pruned=990_000)


def test_a_little_waste_is_nobodys_concern() -> None:
    little = space(pages=2_000, index_pages=2_000, rows=0)

    assert not little.is_wasteful(pruned=0)
    assert little._replace(has_leftovers=True).is_wasteful(pruned=0)

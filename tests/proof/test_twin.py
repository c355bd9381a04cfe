"""The simulation's database beside a real one: they are alike, and a difference is seen."""

import pytest

from fcs.database.connect import connect
from proof.sim.twin import Run, compare

SEEDS = range(1, 9)
SHARP = ["begin.dispatch_no", "cancel.status", "retry.max_attempts"]
"""Fences whose lack is seen within these seeds, tried each time; the others at night."""

FENCES = [
    "adopt.unknown",
    "begin.attempt",
    "begin.hold",
    "begin.incarnation",
    "begin.run_id",
    "dispatch.due",
    "dispatch.hold",
    "dispatch.live",
    "dispatch.status",
    "finish.run_id",
    "finish.status",
    "hand_back.status",
    "reap.beat_no",
    "release.status",
    "release.unwanted",
    "retry.status",
    "take_back.status",
]


async def runs_of(url: str, seeds: range, *, dropped: str = "") -> list[Run]:
    async with await connect(url, part="test") as db:
        return [
            await compare(db, seed, dropped=frozenset({dropped} if dropped else ()))
            for seed in seeds
        ]


async def test_the_fake_says_and_does_what_the_real_one_does(database_url: str) -> None:
    runs = await runs_of(database_url, SEEDS)

    assert [run.difference for run in runs if run.difference] == []
    called = {name for run in runs for name in run.calls}
    assert called >= {"dispatch", "begin", "finish", "retry", "reap", "testify", "adopt"}


async def test_who_bids_for_its_own_term_has_it_in_the_fake_as_well(database_url: str) -> None:
    """A seed in which a node bids although its own lease still runs, as after a lost connection."""
    [run] = await runs_of(database_url, range(91, 92))

    assert run.calls["bid"]
    assert run.difference == ""


@pytest.mark.parametrize("fence", SHARP)
async def test_a_fence_that_the_fake_lacks_is_seen(database_url: str, fence: str) -> None:
    assert any(run.difference for run in await runs_of(database_url, SEEDS[:3], dropped=fence))


@pytest.mark.nightly
@pytest.mark.parametrize("fence", FENCES)
async def test_every_fence_that_the_fake_lacks_is_seen(database_url: str, fence: str) -> None:
    seeds = range(1, 61)
    assert any(run.difference for run in await runs_of(database_url, seeds, dropped=fence))


@pytest.mark.nightly
async def test_they_are_alike_for_long(database_url: str) -> None:
    runs = await runs_of(database_url, range(1, 501))

    assert [run.difference for run in runs if run.difference] == []

"""The simulation's database beside a real one: they are alike, and a difference is seen."""

import pytest

from fcs.database.connect import connect
from proof.sim.teeth import TEETH
from proof.sim.twin import Run, compare

SEEDS = range(1, 16)
FENCES = sorted(
    {
        fence
        for tooth in TEETH
        for fence in tooth.dropped
        if fence not in ("lease", "witness") and "durable" not in fence
    }
)
"""Those that the fake database leaves out, and that can be seen in a row."""


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


@pytest.mark.parametrize("fence", ["begin.dispatch_no", "finish.status", "cancel.status"])
async def test_a_fence_that_the_fake_lacks_is_seen(database_url: str, fence: str) -> None:
    assert any(run.difference for run in await runs_of(database_url, SEEDS, dropped=fence))


@pytest.mark.nightly
@pytest.mark.parametrize("fence", FENCES)
async def test_every_fence_that_the_fake_lacks_is_seen(database_url: str, fence: str) -> None:
    seeds = range(1, 201)
    assert any(run.difference for run in await runs_of(database_url, seeds, dropped=fence))


@pytest.mark.nightly
async def test_they_are_alike_for_long(database_url: str) -> None:
    runs = await runs_of(database_url, range(1, 501))

    assert [run.difference for run in runs if run.difference] == []

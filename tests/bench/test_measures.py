"""Every measure runs, with few of everything, and leaves nothing behind."""

import os
from pathlib import Path
from tempfile import gettempdir

import pytest

from bench import footprint, growth, run
from bench.bar import Measure
from bench.bars import ALL
from bench.peers import measures as of_peers
from bench.stage import open_stage

pytestmark = pytest.mark.slow

MEASURES = run.measures_of([*ALL, footprint.BAR, growth.BAR])


def left_behind() -> list[Path]:
    return list(Path(gettempdir()).glob(f"fcs-bench-{os.getpid()}-*"))


@pytest.mark.parametrize("take", MEASURES, ids=lambda take: take.__name__)
async def test_a_measure_yields_what_it_measured_and_cleans_up(take: Measure) -> None:
    async with open_stage(small=True) as stage:
        samples = [sample async for sample in take(stage)]

    assert samples or take.__module__ == of_peers.__name__, "only peers may be missing here"
    assert len({sample.name for sample in samples}) == len(samples), "a name for each"
    assert all(sample.value >= 0 for sample in samples)
    assert not left_behind()

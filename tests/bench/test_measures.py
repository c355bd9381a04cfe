"""Every measure runs, with few of everything, and leaves nothing behind."""

import os
from pathlib import Path
from tempfile import gettempdir

import pytest

from bench import run
from bench.bar import Measure
from bench.bars import ALL
from bench.stage import Stage, open_stage
from fcs.database.connect import connect

pytestmark = pytest.mark.slow


def left_behind() -> set[str]:
    return {path.name for path in Path(gettempdir()).glob("fcs-bench-*")}


@pytest.mark.parametrize("take", run.measures_of(ALL), ids=lambda take: take.__name__)
async def test_a_measure_yields_what_it_measured_and_cleans_up(take: Measure) -> None:
    before = left_behind()
    async with open_stage(small=True) as stage:
        samples = [sample async for sample in take(stage)]
        databases = await scratch_databases(stage)

    assert samples
    assert len({sample.name for sample in samples}) == len(samples), "a name for each"
    assert all(sample.value >= 0 for sample in samples)
    assert not databases
    assert left_behind() <= before


async def scratch_databases(stage: Stage) -> set[str]:
    async with await connect(stage.server.url(), part="test") as db:
        found = await (await db.execute("select datname from pg_database")).fetchall()
    return {name for (name,) in found if name.startswith(f"fcs_bench_{os.getpid()}")}

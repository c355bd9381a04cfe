"""Every measure runs, with few of everything, and leaves nothing behind."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import gettempdir

import pytest

from bench import footprint, growth, modes, pooled, run, weather
from bench.__main__ import main
from bench.bar import Bar, Measure, Sample
from bench.bars import ALL
from bench.peers import measures as of_peers
from bench.pgbouncer import BINARY
from bench.stage import Stage, open_stage

pytestmark = pytest.mark.slow

MEASURES: list[Measure] = [
    *run.measures_of([*ALL, footprint.BAR, growth.BAR]),
    weather.KINDS[-1],
    *modes.MEASURES[-1:],
]

QUICK = {"drain", "enqueue", "idle", "imports"}
"""The others take a minute of both cores together."""

pooler = pytest.mark.skipif(BINARY is None, reason="there is no pgbouncer on this machine")


def left_behind() -> list[Path]:
    return list(Path(gettempdir()).glob(f"fcs-bench-{os.getpid()}-*"))


@pytest.mark.parametrize(
    "take",
    [
        *(
            pytest.param(take, marks=() if take.__name__ in QUICK else pytest.mark.nightly)
            for take in MEASURES
        ),
        *(pytest.param(take, marks=(pooler, pytest.mark.nightly)) for take in pooled.BAR.measures),
    ],
    ids=lambda take: take.__name__,
)
async def test_a_measure_yields_what_it_measured_and_cleans_up(take: Measure) -> None:
    async with open_stage(small=True) as stage:
        samples = [sample async for sample in take(stage)]

    assert samples or take.__module__ == of_peers.__name__, "only peers may be missing here"
    assert len({sample.name for sample in samples}) == len(samples), "a name for each"
    assert all(sample.value >= 0 for sample in samples)
    assert not left_behind()


def test_without_a_pooler_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.pgbouncer.BINARY", None)
    with pytest.raises(SystemExit, match="not measured: pgbouncer is not installed") as ended:
        main(["pooled", "--small"])
    assert "apt-get install pgbouncer" in str(ended.value)


async def failing(stage: Stage) -> AsyncIterator[Sample]:
    yield Sample("before it failed", "/s", 1.0)
    raise RuntimeError("as asked")


async def working(stage: Stage) -> AsyncIterator[Sample]:
    yield Sample("after it failed", "/s", 1.0)


async def test_a_measure_that_fails_is_told_and_the_rest_is_measured(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bar = Bar("P0", "", [failing, working], [])
    figures = await run.measure([bar], rounds=2, small=True, say=lambda _: None)

    assert figures["after it failed"].rounds == [1.0, 1.0]
    assert [record.getMessage() for record in caplog.records] == [
        "failing failed in round 1",
        "failing failed in round 2",
    ]

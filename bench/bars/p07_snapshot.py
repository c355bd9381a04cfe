"""P7: the drain beside a transaction that keeps every dead row for a minute."""

from collections.abc import AsyncIterator

from bench import weather
from bench.bar import AtLeast, Bar, Sample
from bench.stage import Stage


async def snapshot_held_10k(stage: Stage) -> AsyncIterator[Sample]:
    """The rates of the first and of the last ten seconds, ten thousand waiting throughout."""
    async for sample in _drain(stage, "10k", stage.size(10_000, small=500)):
        yield sample


async def snapshot_held_1m(stage: Stage) -> AsyncIterator[Sample]:
    """The same with a million waiting."""
    async for sample in _drain(stage, "1M", stage.size(1_000_000, small=1_000)):
        yield sample


async def _drain(stage: Stage, name: str, waiting: int) -> AsyncIterator[Sample]:
    first, last = await weather.drain(stage, waiting, is_held=True)
    yield Sample(f"snapshot held, {name}, first 10 s", "/s", first)
    yield Sample(f"snapshot held, {name}, last 10 s", "/s", last)


BAR = Bar(
    "P7",
    "drain with an old snapshot held open for 60 s, backlog of 10,000 and of a million",
    [snapshot_held_10k, snapshot_held_1m],
    [
        AtLeast("snapshot held, 10k, last 10 s", "snapshot held, 10k, first 10 s", 0.9),
        AtLeast("snapshot held, 1M, last 10 s", "snapshot held, 1M, first 10 s", 0.9),
    ],
)

"""P2: a second worker process does not slow the drain."""

from collections.abc import AsyncIterator

from bench.bar import AtLeast, Bar, Sample
from bench.bars import p01_drain
from bench.stage import Stage

TWO = "drain by two workers, fcs"


async def drain_by_two(stage: Stage) -> AsyncIterator[Sample]:
    """The same drain, its slots shared by two worker processes."""
    rate, _ = await p01_drain.drain_rate(stage, workers=2)
    yield Sample(TWO, "/s", rate)


BAR = Bar(
    "P2",
    "the same drain by two worker processes",
    [p01_drain.drain, drain_by_two],
    [AtLeast(TWO, p01_drain.DRAIN, 1.0)],
)

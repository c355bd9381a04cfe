"""P3: how fast one process creates tasks: one by one, by 32 callers, in bulk."""

from collections.abc import AsyncIterator

from bench.bar import AtLeast, Bar, Reported, Sample
from bench.peers import measures as peers
from bench.stage import Stage
from fcs.node.bench import measures, raw

ONE, TOGETHER, MANY = "enqueue, fcs", "enqueue by 32, fcs", "enqueue_many, fcs"
INSERT, COPY = "raw insert and commit", "raw COPY"


async def enqueue(stage: Stage) -> AsyncIterator[Sample]:
    """Each in a scratch database of its own; every create is durable before it is answered."""
    few, many = stage.size(5_000, small=200), stage.size(10_000, small=500)
    async with stage.database() as url:
        yield Sample(INSERT, "/s", await raw.insert_rate(url, few))
        yield Sample(ONE, "/s", await measures.enqueue_rate(url, few))
    async with stage.database() as url:
        yield Sample(TOGETHER, "/s", await measures.enqueue_together_rate(url, 8 * few))
    async with stage.database() as url:
        yield Sample(COPY, "/s", await raw.copy_rate(url, many))
        yield Sample(MANY, "/s", await measures.enqueue_many_rate(url, many))


BAR = Bar(
    "P3",
    "creating from one process: one by one, by 32 callers, 10,000 by enqueue_many",
    [enqueue, peers.enqueue_by_peers],
    [
        AtLeast(ONE, INSERT, 0.8),
        AtLeast(TOGETHER, ONE, 3),
        AtLeast(MANY, COPY, 0.6),
        Reported(ONE, "enqueue, PgQueuer"),
        Reported(MANY, "enqueue_many, PgQueuer"),
    ],
)

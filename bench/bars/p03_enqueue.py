"""P3: how fast one process creates tasks: one by one, by 32 callers, in bulk."""

from collections.abc import AsyncIterator
from statistics import median

from bench.bar import AtLeast, Bar, Reported, Sample
from bench.peers import measures as peers
from bench.stage import Stage
from fcs.node.bench import measures, raw

ONE, TOGETHER, MANY = "enqueue, fcs", "enqueue by 32, fcs", "enqueue_many, fcs"
INSERT, COPY = "raw insert and commit", "raw COPY into a table like ours"
PLAIN_COPY = "raw COPY into a plain table"


async def enqueue(stage: Stage) -> AsyncIterator[Sample]:
    """Each takes its turns with its yardstick, as single turns are short and the weather changes.

    Every create is durable before it is answered.
    """
    few, many = stage.size(1_000, small=100), stage.size(10_000, small=500)
    turns = stage.size(5, small=2)
    async with stage.database() as url:
        pairs = [
            (await raw.insert_rate(url, few), await measures.enqueue_rate(url, few))
            for _ in range(turns)
        ]
        for name, rates in zip((INSERT, ONE), zip(*pairs, strict=True), strict=True):
            yield Sample(name, "/s", median(rates))
    async with stage.database() as url:
        yield Sample(TOGETHER, "/s", await measures.enqueue_together_rate(url, 40 * few))
    async with stage.database() as url:
        taken = [
            (
                await raw.copy_rate(url, many),
                await raw.copy_rate(url, many, like_ours=True),
                await measures.enqueue_many_rate(url, many),
            )
            for _ in range(turns)
        ]
        for name, rates in zip((PLAIN_COPY, COPY, MANY), zip(*taken, strict=True), strict=True):
            yield Sample(name, "/s", median(rates))


BAR = Bar(
    "P3",
    "creating from one process: one by one, by 32 callers, 10,000 by enqueue_many",
    [enqueue, peers.enqueue_by_peers],
    [
        AtLeast(ONE, INSERT, 0.8),
        AtLeast(TOGETHER, ONE, 3),
        AtLeast(MANY, COPY, 0.6),
        Reported(MANY, PLAIN_COPY),
        Reported(ONE, "enqueue, PgQueuer"),
        Reported(MANY, "enqueue_many, PgQueuer"),
    ],
)

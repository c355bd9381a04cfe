"""P5: how soon a lone task starts on an idle system, and what the same three hops cost bare."""

from collections.abc import AsyncIterator

from bench import hops
from bench.bar import AtLeast, AtMost, Bar, Sample
from bench.bars import p03_enqueue
from bench.peers import measures as peers
from bench.stage import Stage
from fcs.node.bench import measures

P50, P99 = "create to body, p50, fcs", "create to body, p99, fcs"
BARE_P50, BARE_P99 = "bare hops, p50", "bare hops, p99"


async def bare_hops(stage: Stage) -> AsyncIterator[Sample]:
    """Three connections in three processes that do nothing but the hops."""
    async with stage.database() as url:
        p50, p99 = await hops.latency(url, stage.size(500, small=10))
    yield Sample(BARE_P50, "ms", p50)
    yield Sample(BARE_P99, "ms", p99)


async def latency(stage: Stage) -> AsyncIterator[Sample]:
    """From the call of `enqueue` to the body's first line."""
    async with stage.database() as url:
        p50, p99 = await measures.latency(url, stage.size(500, small=10))
    yield Sample(P50, "ms", p50)
    yield Sample(P99, "ms", p99)


BAR = Bar(
    "P5",
    "from create to the body's first line, idle",
    [bare_hops, latency, peers.latency_of_peers, p03_enqueue.enqueue, peers.enqueue_by_peers],
    [
        AtMost(P50, BARE_P50, 2),
        AtMost(P99, P50, 5),
        AtMost(P50, "create to body, p50, PgQueuer", 1),
        AtLeast(p03_enqueue.TOGETHER, "enqueue by 32, PgQueuer", 2),
    ],
)

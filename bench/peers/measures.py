"""What is measured of peers: the same work as of fcs, in scratch databases of the same server."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.bar import Sample
from bench.peers import PEERS, Peer
from bench.peers.environment import NotMeasured, is_made, python_of
from bench.peers.run import Answer, ask
from bench.stage import Stage


async def drain_by_peers(stage: Stage) -> AsyncIterator[Sample]:
    """No-op bodies, all there before the one worker starts; by the peer's own records."""
    for peer in PEERS:
        tasks = stage.size(peer.drained, small=100)
        async for answer in _answers(stage, peer, "drain", tasks):
            yield Sample(f"drain, {peer.name}", answer.unit, answer.value)


async def enqueue_by_peers(stage: Stage) -> AsyncIterator[Sample]:
    """No-ops from one process: one by one, by 32 callers, in one call."""
    for measure, name, full, small in (
        ("enqueue", "enqueue", 2_000, 100),
        ("enqueue32", "enqueue by 32", 6_400, 320),
        ("enqueue_many", "enqueue_many", 10_000, 500),
    ):
        for peer in PEERS:
            async for answer in _answers(stage, peer, measure, stage.size(full, small=small)):
                yield Sample(f"{name}, {peer.name}", answer.unit, answer.value)


async def latency_of_peers(stage: Stage) -> AsyncIterator[Sample]:
    """From the call that creates to the body's first line, the worker in a process of its own."""
    for peer in PEERS:
        async for answer in _answers(stage, peer, "latency", stage.size(300, small=10)):
            yield Sample(f"create to body, p50, {peer.name}", answer.unit, answer.value)
            if answer.p99 is not None:
                yield Sample(f"create to body, p99, {peer.name}", answer.unit, answer.p99)


async def _answers(stage: Stage, peer: Peer, measure: str, tasks: int) -> AsyncIterator[Answer]:
    """One answer, or none when the peer cannot be measured: then it is said why."""
    python = (await stage.keep(_pythons)).get(peer)
    if python is None:
        return
    async with stage.database() as scratch:
        url = stage.server.url(str(conninfo_to_dict(scratch)["dbname"]))
        try:
            answer = await ask(peer, python, measure, url=url, tasks=tasks)
        except NotMeasured as reason:
            _say(reason)
            return
    yield answer


@asynccontextmanager
async def _pythons(stage: Stage) -> AsyncIterator[Mapping[Peer, Path]]:
    """The environments of those peers that can be had. A small run makes none."""
    found: dict[Peer, Path] = {}
    for peer in PEERS:
        try:
            if stage.small and not is_made(peer):
                raise NotMeasured(f"{peer.name} is not installed, and a small run installs nothing")
            found[peer] = await asyncio.to_thread(python_of, peer)
        except NotMeasured as reason:
            _say(reason)
    yield found


def _say(reason: NotMeasured) -> None:
    print(f"not measured: {reason}", file=sys.stderr, flush=True)

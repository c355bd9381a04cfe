"""P6: two thousand single creates a second, for a minute."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from statistics import quantiles

from bench.bar import AtLeast, Bar, Reported, Sample, Within
from bench.stage import Stage
from fcs.node.bench import cluster

RATE, CREATORS, CALLERS, SLOTS = 2_000, 2, 16, 200
CREATED, STARTED = "sustained, created", "sustained, started"
P50, P99 = "sustained, p50", "sustained, p99"

_GRACE = 1.0
_BUFFER = 8 * 1024 * 1024


async def sustained(stage: Stage) -> AsyncIterator[Sample]:
    """Bodies tell how long ago they were to be created; who has not told within a second after
    the last create did not start in time, and counts as not started."""
    seconds = stage.size(60, small=2)
    async with stage.database() as url:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
            inbox.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            inbox.bind(("127.0.0.1", 0))
            inbox.setblocking(False)
            async with (
                cluster.workers(url, count=1, slots=SLOTS) as worker,
                cluster.supervisor(url) as supervisor,
            ):
                port = inbox.getsockname()[1]
                creators = [await _creator(url, seconds, port) for _ in range(CREATORS)]
                async with stage.account(url, worker=worker, supervisor=supervisor) as account:
                    waited = await _listen(inbox, creators)
    cpu = {"creators": await _own_cpu(creators)} | account.cpu
    created = RATE * seconds
    late = [_GRACE * 1e3] * max(0, created - len(waited))
    cuts = quantiles(waited + late, n=100)
    yield Sample(CREATED, "tasks", created)
    yield Sample(STARTED, "tasks", len(waited))
    yield Sample(P50, "ms", cuts[49])
    yield Sample(P99, "ms", cuts[98])
    for role, spent in cpu.items():
        yield Sample(f"sustained, CPU of {role}", "µs/task", spent / created * 1e6)


async def _creator(url: str, seconds: int, port: int) -> Process:
    arguments = [url, RATE / CREATORS, seconds, CALLERS, port]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.creators", *map(str, arguments), stdout=PIPE
    )


async def _own_cpu(creators: list[Process]) -> float:
    return sum([float((await creator.communicate())[0]) for creator in creators])


async def _listen(inbox: socket.socket, creators: list[Process]) -> list[float]:
    """Milliseconds from when a create was due to its body's first line, for each body."""
    waited: list[float] = []

    def hear() -> None:
        try:
            while True:
                waited.append(int(inbox.recv(64)) / 1e6)
        except BlockingIOError:
            pass

    loop = asyncio.get_running_loop()
    loop.add_reader(inbox, hear)
    try:
        for creator in creators:
            await creator.wait()
        await asyncio.sleep(_GRACE)
    finally:
        loop.remove_reader(inbox)
    return waited


BAR = Bar(
    "P6",
    "2,000 single creates a second for 60 s by 32 connections, each create its own commit, one"
    " worker, everything on this machine; from when a create is due to the body's first line",
    [sustained],
    [
        AtLeast(STARTED, CREATED, 0.99),
        Within(P50, 10),
        Within(P99, 50),
        *(
            Reported(f"sustained, CPU of {role}")
            for role in ("creators", "supervisor", "worker", "server")
        ),
    ],
)

"""P4: how fast `POST /tasks` answers when every answer is durable."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.bar import AtLeast, Bar, Sample
from bench.http_server import WITHOUT
from bench.stage import Stage

CONNECTIONS = 32
OURS, YARDSTICK = "POST /tasks, fcs", "the same requests, nothing written"


async def posts(stage: Stage) -> AsyncIterator[Sample]:
    """The same requests to the same server, once with a database behind it and once without."""
    seconds = stage.size(5, small=1)
    async with stage.database() as url:
        for name, behind in ((YARDSTICK, WITHOUT), (OURS, url)):
            async with _server(behind) as port:
                yield Sample(name, "/s", await _load(port, seconds))


@asynccontextmanager
async def _server(url: str) -> AsyncIterator[int]:
    process = await _start("bench.http_server", url)
    try:
        assert process.stdout
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _load(port: int, seconds: int) -> float:
    process = await _start("bench.http_load", str(port), str(CONNECTIONS), str(seconds))
    output, _ = await process.communicate()
    return float(output)


async def _start(module: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=PIPE
    )


BAR = Bar(
    "P4",
    "POST /tasks by 32 connections, durable before the answer; beside it the same server that"
    " reads, checks and answers the same requests and writes nothing",
    [posts],
    [AtLeast(OURS, YARDSTICK, 0.6)],
)

"""A small cluster for a measurement: real processes, started and stopped around a block."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fcs.database import insights
from fcs.database.connect import Connection, connect
from fcs.domain.errors import FcsError

READY_WITHIN = 30.0

NOTHING: Mapping[str, str] = {}


class BenchFailed(FcsError):
    """A process of the measurement did not come up or did not get on."""

    code = "bench_failed"


@asynccontextmanager
async def workers(
    url: str,
    *,
    count: int,
    slots: int,
    app: str = "fcs.node.bench.app:app",
    also: Mapping[str, str] = NOTHING,
) -> AsyncIterator[list[int]]:
    """So many worker processes, registered and ready; yields their process ids.

    `also` are variables of their environment.
    """
    command = ["work", "--app", app, "--slots", str(slots)]
    async with _processes(url, [command] * count, also) as pids:
        await until_registered(url, count)
        yield pids


@asynccontextmanager
async def supervisor(url: str) -> AsyncIterator[list[int]]:
    """A supervisor process. It may still be starting when the block begins."""
    async with _processes(url, [["supervise"]]) as pids:
        yield pids


@asynccontextmanager
async def _processes(
    url: str, commands: list[list[str]], also: Mapping[str, str] = NOTHING
) -> AsyncIterator[list[int]]:
    environment = {**os.environ, "FCS_DATABASE": url, "FCS_LOG_LEVEL": "warning", **also}
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fcs", *command, env=environment, stdin=asyncio.subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
        for process in started:
            await process.wait()


async def until_registered(url: str, count: int) -> None:
    """Wait until so many workers live."""
    async with await connect(url, part="bench") as db:
        try:
            async with asyncio.timeout(READY_WITHIN):
                while len(await _live(db)) < count:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BenchFailed(
                f"{count} workers did not register within {READY_WITHIN:g} s",
                hint="Run `fcs work -v` by hand to see why.",
            ) from None


async def _live(db: Connection) -> list[insights.WorkerView]:
    return [worker for worker in await insights.list_workers(db) if worker.state == "live"]

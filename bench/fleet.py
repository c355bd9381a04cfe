"""A fleet: many workers in few processes, each with connections and a heartbeat of its own.

`python -m bench.fleet WORKERS SLOTS` is one such process. What is measured is what so many
workers ask of the database and of the supervisor; two cores have no room for as many processes.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import uvloop

from bench.tally import Tally
from fcs.domain.ids import WorkerId
from fcs.domain.settings import Settings
from fcs.node.bench import cluster
from fcs.node.signals import stop_on_signals
from fcs.node.work import WorkOptions, work

PROCESSES = 2


@asynccontextmanager
async def fleet(
    url: str, tally: Tally, *, workers: int, slots: int, module: str = "bench.fleet"
) -> AsyncIterator[list[int]]:
    """So many workers with so many slots in all, registered; yields the process ids."""
    command = [sys.executable, "-m", module, str(workers // PROCESSES), str(slots // workers)]
    environment = {**os.environ, **tally.environment, "FCS_DATABASE": url}
    started = [
        await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(PROCESSES)
    ]
    try:
        await cluster.until_registered(url, workers // PROCESSES * PROCESSES)
        yield [process.pid for process in started]
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
        for process in started:
            await process.wait()


async def _work(url: str, *, workers: int, slots: int) -> None:
    from bench.counted import app

    stop = stop_on_signals()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            options = WorkOptions(
                app="bench.counted:app",
                child_env=[],
                id=WorkerId(uuid4()),
                slots=slots,
                queues=[],
                drain_timeout=10.0,
            )
            group.create_task(work(url, app.registry, Settings(), options, stop))


if __name__ == "__main__":
    workers, slots = map(int, sys.argv[1:])
    uvloop.run(_work(os.environ["FCS_DATABASE"], workers=workers, slots=slots))

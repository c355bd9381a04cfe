"""A supervisor and a worker in this process, quick to notice."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

from fcs import __version__
from fcs.client.ids import new_run_ids
from fcs.database.leadership import Candidate
from fcs.database.workers import Registration
from fcs.domain.ids import Incarnation, NodeId, WorkerId
from fcs.domain.outcome import Outcome
from fcs.domain.settings import Settings
from fcs.domain.topology import Part
from fcs.registry import Registry
from fcs.supervisor import elector
from fcs.testing.ran import Ran, ran
from fcs.worker.enrol import enrol
from fcs.worker.executor import Run
from fcs.worker.runtime import Stop, Worker

SETTINGS = Settings(beat_interval=0.2, lease=60, survey_interval=0.1, rescan_interval=0.2)
SLOTS = 8


class WatchedWorker(Worker):
    """A worker that keeps how each body ended."""

    ran: list[Ran[Any]]

    def _ended(self, run: Run, outcome: Outcome) -> None:
        self.ran.append(ran(run.context, run.task_type, run.args_text, outcome))
        super()._ended(run, outcome)


@asynccontextmanager
async def serving(url: str, registry: Registry) -> AsyncIterator[list[Ran[Any]]]:
    """Supervise and work while the block runs; yields what has run so far.

    Isolated types run in this process as well, which knows the app without importing it.
    """
    registry = registry.in_process()
    papers = _registration(registry)
    await enrol(url, papers, lease=SETTINGS.lease, rng=Random(), patience=SETTINGS.lease)
    worker = WatchedWorker(
        url, papers, registry, SETTINGS, rng=Random(), at=time.monotonic, new_run_ids=new_run_ids
    )
    worker.ran = []
    stop = Stop(drain=asyncio.Event(), now=asyncio.Event())
    me = Candidate(NodeId(uuid.uuid4()), Part.SUPERVISOR, papers.host, papers.pid)
    supervise = elector.run(url, SETTINGS, me, rng=Random(), at=time.monotonic)
    parts = [
        asyncio.create_task(supervise),
        asyncio.create_task(worker.run(stop, drain_timeout=5.0)),
    ]
    try:
        yield worker.ran
    except BaseException:
        stop.now.set()
        raise
    finally:
        stop.drain.set()
        await asyncio.wait([parts[1]])
        parts[0].cancel()
        with suppress(asyncio.CancelledError):
            await parts[0]
    await parts[1]


def _registration(registry: Registry) -> Registration:
    return Registration(
        id=WorkerId(uuid.uuid4()),
        incarnation=Incarnation(uuid.uuid4()),
        slots_total=SLOTS,
        queues=[],
        types=registry.names(),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        listen=None,
    )

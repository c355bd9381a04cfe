"""A process that hosts a supervisor, or one that stands by."""

import asyncio
import logging
import os
import socket
import uuid
from random import SystemRandom

from fcs.database.leadership import Candidate
from fcs.domain.ids import NodeId
from fcs.domain.settings import Settings
from fcs.domain.topology import Part
from fcs.node import memory
from fcs.node.clock import boot_seconds
from fcs.supervisor import elector
from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)


def candidate(part: Part) -> Candidate:
    """This process, as others see it when it leads. Each start is another node."""
    return Candidate(NodeId(uuid.uuid4()), part, socket.gethostname(), os.getpid())


async def supervise(url: str, settings: Settings, stop: Stop, *, direct: str | None = None) -> None:
    """Supervise, or stand by, until asked to stop. `direct` is the way to the database around a
    pooler.

    Raises `SchemaOutdated` or `SchemaNewer` when the database does not fit.
    """
    memory.settle()
    part = asyncio.create_task(
        elector.run(
            url,
            settings,
            candidate(Part.SUPERVISOR),
            rng=SystemRandom(),
            at=boot_seconds,
            direct=direct,
        ),
        name="supervisor",
    )
    asked = asyncio.create_task(stop.drain.wait(), name="stop")
    await asyncio.wait([part, asked], return_when=asyncio.FIRST_COMPLETED)
    for task in (part, asked):
        task.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    try:
        await part
    except asyncio.CancelledError:
        log.info("supervisor stopped")

"""A process that hosts a supervisor."""

import asyncio
import logging
from random import SystemRandom

from fcs.domain.settings import Settings
from fcs.node import memory
from fcs.node.clock import boot_seconds
from fcs.supervisor import runtime
from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)


async def supervise(url: str, settings: Settings, stop: Stop) -> None:
    """Supervise until asked to stop.

    Raises `SchemaOutdated` or `SchemaNewer` when the database does not fit.
    """
    memory.settle()
    part = asyncio.create_task(
        runtime.run(url, settings, rng=SystemRandom(), at=boot_seconds), name="supervisor"
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

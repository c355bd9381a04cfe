"""A process that hosts a supervisor."""

import asyncio
import logging
from random import SystemRandom

from fcs.domain.settings import Settings
from fcs.node import memory
from fcs.node.clock import boot_seconds
from fcs.supervisor import retention, runtime
from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)


async def supervise(url: str, settings: Settings, stop: Stop, *, direct: str | None = None) -> None:
    """Supervise until asked to stop. `direct` is the way to the database around a pooler.

    Raises `SchemaOutdated` or `SchemaNewer` when the database does not fit.
    """
    memory.settle()
    part = asyncio.create_task(
        runtime.run(url, settings, rng=SystemRandom(), at=boot_seconds, direct=direct),
        name="supervisor",
    )
    aside = asyncio.create_task(
        retention.run(direct or url, settings, at=boot_seconds), name="retention"
    )
    asked = asyncio.create_task(stop.drain.wait(), name="stop")
    await asyncio.wait([part, asked], return_when=asyncio.FIRST_COMPLETED)
    for task in (part, aside, asked):
        task.cancel()
    await asyncio.gather(aside, asked, return_exceptions=True)
    try:
        await part
    except asyncio.CancelledError:
        log.info("supervisor stopped")

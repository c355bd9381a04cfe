"""A word at a worker's start about waiting tasks whose type neither it nor another worker knows."""

import logging
from collections.abc import Sequence
from difflib import get_close_matches

from fcs.database import backlog, insights
from fcs.database.connect import connect
from fcs.registry import Registry

log = logging.getLogger(__name__)

LANES_MAX = 1_000


async def warn_of_strangers(url: str, registry: Registry, queues: Sequence[str]) -> None:
    """Log the types of waiting tasks that this worker might be thought to run, and cannot."""
    async with await connect(url, part="check") as db:
        lanes = await backlog.lanes(db, limit=LANES_MAX)
        elsewhere = await insights.known_types(db)
    strange = {
        lane.ty
        for lane in lanes
        if lane.ty not in registry
        and lane.ty not in elsewhere
        and (not queues or lane.queue in queues)
    }
    for ty in sorted(strange):
        near = get_close_matches(ty[:200], registry.names(), n=1)
        log.warning(
            "tasks wait whose type is unknown here: type=%s%s; they stay pending until a worker"
            " with their --app comes",
            ty,
            f" (is it {near[0]}?)" if near else "",
        )

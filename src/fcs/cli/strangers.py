"""A word at a worker's start about tasks that would wait for it in vain."""

import logging
from collections.abc import Sequence
from difflib import get_close_matches

from fcs.client.app import App
from fcs.database import backlog, insights
from fcs.database.connect import connect, describe
from fcs.registry import Registry

log = logging.getLogger(__name__)

LANES_MAX = 1_000


def warn_of_elsewhere(app: object, url: str) -> None:
    """Log that the app's own code creates its tasks in another database, if it does."""
    if isinstance(app, App) and (there := describe(app.store.url())) != (here := describe(url)):
        log.warning(
            "this worker runs the tasks of %s, and the app creates its own in %s: name one"
            " database to both, by --database and App(database=...)",
            here,
            there,
        )


async def warn_of_strangers(url: str, registry: Registry, queues: Sequence[str]) -> None:
    """Log the types of waiting tasks that this worker might be thought to run, and cannot."""
    if not registry.names():
        log.warning(
            "the app knows no types of tasks, so this worker runs none; import the modules that"
            " declare them where the app is made, or name another --app"
        )
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

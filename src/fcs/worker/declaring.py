"""What a worker's code says of schedules, written down once it is registered."""

import logging
from collections.abc import Mapping
from random import Random

from fcs.database import timetable
from fcs.database.connect import Connection
from fcs.database.line import Line
from fcs.database.timetable import Settled
from fcs.domain.ids import Incarnation
from fcs.domain.schedule import Definition, Source

log = logging.getLogger(__name__)


async def declare(
    url: str, incarnation: Incarnation, definitions: Mapping[str, Definition], *, rng: Random
) -> None:
    """Declare schedules, and say in the log which of them follow something else."""
    if not definitions:
        return

    async def act(db: Connection) -> dict[str, Settled]:
        return await timetable.declare(db, incarnation, definitions)

    line = Line(url, part="worker schedules", rng=rng, keys_only=False)
    try:
        settled = await line.carry_out(act)
    finally:
        await line.close()
    for name, definition in definitions.items():
        _compare(name, definition, settled[name])


def _compare(name: str, definition: Definition, settled: Settled) -> None:
    if settled.source is not Source.CODE:
        log.warning(
            "schedule was made by somebody, and what the code says of it is not used: schedule=%s;"
            " delete it (fcs schedule delete %s), or give this one another name",
            name,
            name,
        )
    elif settled.digest != definition.digest:
        log.warning(
            "schedule follows the code of a later deploy, which a live worker has: schedule=%s",
            name,
        )

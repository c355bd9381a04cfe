"""Listing lanes: those that are not known yet, or, where too many are, all of them in turns."""

from collections.abc import Collection

from fcs.database import backlog
from fcs.database.connect import Connection
from fcs.domain.facts import Lane

LANES_MAX = 5_000


class Listing:
    """How far the listing has come."""

    def __init__(self) -> None:
        self._after: Lane | None = None

    async def go_on(self, db: Connection, known: Collection[Lane]) -> list[Lane]:
        """The next lanes in which something waits."""
        if len(known) > LANES_MAX:
            known = ()
        after = None if known else self._after
        lanes = await backlog.lanes(db, limit=LANES_MAX, after=after, known=known)
        # Those that did not fit in come at the next look, and after the last the first again.
        self._after = lanes[-1] if len(lanes) == LANES_MAX else None
        return lanes

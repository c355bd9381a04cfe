"""Stealing: in hash mode a worker with room takes up what others leave due.

They may be busy for an hour, or gone without anybody knowing; and where views of who is there
differ for a moment, a task falls to nobody.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from fcs.database import backlog
from fcs.database.connect import Connection
from fcs.domain.clock import DatabaseClock
from fcs.domain.facts import Overdue, Waiting
from fcs.domain.share import STEAL_AFTER, Share
from fcs.domain.supervisor import Supervisor

STEAL_MAX = 100
"""So many tasks are taken up at a time."""


class Stealing:
    """Tells the supervisor what is overdue. `at` is the local clock in seconds; where there was
    nothing, it looks less and less often, up to every `longest` seconds."""

    def __init__(
        self,
        supervisor: Supervisor,
        share: Share,
        clock: DatabaseClock,
        *,
        longest: float,
        rng: Random,
        at: Callable[[], float],
    ) -> None:
        self._supervisor, self._share, self._clock = supervisor, share, clock
        self._longest, self._rng, self._at = longest, rng, at
        self._patience = STEAL_AFTER
        self.next_at = at()

    def expect(self) -> None:
        """Something is new: it may have to be taken up a second from now."""
        if self._patience > STEAL_AFTER:
            self._wait(STEAL_AFTER)

    async def look(self, db: Connection) -> None:
        """Take up some of what is overdue; where there is room for it, from `next_at` on."""
        overdue = await self._overdue(db)
        # Those who have room at the same time are not all to reach for the same ones.
        self._rng.shuffle(overdue)
        self._supervisor.learn(Overdue(overdue[:STEAL_MAX]), at=self._at())
        self._wait(STEAL_AFTER if overdue else min(2 * self._patience, self._longest))

    async def _overdue(self, db: Connection) -> list[Waiting]:
        until = self._clock.now(self._at()) - timedelta(seconds=STEAL_AFTER)
        lanes = [
            (lane, None) for lane in self._supervisor.known_lanes() if self._share.serves(lane)
        ]
        found = await backlog.read_on(db, lanes, limit=STEAL_MAX, until=until)
        return [task for read in found for task in read.tasks]

    def _wait(self, patience: float) -> None:
        self._patience = patience
        self.next_at = self._at() + patience

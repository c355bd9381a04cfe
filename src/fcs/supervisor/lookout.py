"""The lookout: finds tasks that nobody named, as nobody rings while the supervisor is awake."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fcs.database import backlog
from fcs.database.connect import Connection
from fcs.domain.clock import DatabaseClock
from fcs.domain.facts import LaneLookedAt, LanesListed
from fcs.domain.pace import AWAKE_SHARE, pause_after
from fcs.domain.rest import LATE_INTERVAL, LIST_INTERVAL, LOOK_MAX, NAP, OVERLAP, OVERLAP_LATE
from fcs.domain.supervisor import Supervisor
from fcs.supervisor.listing import Listing

CLOCK_ERROR = timedelta(seconds=1)
"""By no more than this the database's clock is ahead of what is thought here."""


class Lookout:
    """Tells the supervisor what it finds. `at` is the local clock in seconds."""

    def __init__(
        self, supervisor: Supervisor, clock: DatabaseClock, *, at: Callable[[], float]
    ) -> None:
        self._supervisor, self._clock, self._at = supervisor, clock, at
        self._listing = Listing()
        self._next_look = self._next_late = self._next_list = at()
        self._seen_until: datetime | None = None

    async def look_around(self, db: Connection) -> None:
        """See what was added just now, as often as the time it takes allows."""
        if (began := self._at()) >= self._next_list:
            await self._list(db)
            self._next_list = self._after(began, LIST_INTERVAL)
        if (began := self._at()) >= self._next_late:
            await self._look(db, OVERLAP_LATE)
            self._next_late = self._after(began, LATE_INTERVAL)
        elif began >= self._next_look:
            await self._look(db, OVERLAP)
            self._next_look = self._after(began, NAP)

    async def look_back(self, db: Connection) -> None:
        """See also what took its time to commit."""
        await self._list(db)
        await self._look(db, OVERLAP_LATE)

    def was_rung(self) -> None:
        """Up to now, whoever had news has rung."""
        self._seen_until = self._clock.now(self._at())

    def _after(self, began: float, interval: float) -> float:
        now = self._at()
        return now + pause_after(now - began, interval=interval, share=AWAKE_SHARE)

    async def _list(self, db: Connection) -> None:
        lanes = await self._listing.go_on(db, self._supervisor.known_lanes())
        self._supervisor.learn(LanesListed(lanes), at=self._at())

    async def _look(self, db: Connection, overlap: float) -> None:
        now = self._clock.now(self._at())
        # However long ago the last look was, this one begins before its end.
        since = min(now, self._seen_until or now) - timedelta(seconds=overlap)
        self._seen_until = now
        looks = self._supervisor.to_look_at(since)
        if not looks:
            return
        until = now + CLOCK_ERROR
        for found in await backlog.read_on(db, looks, limit=LOOK_MAX, until=until):
            seen = LaneLookedAt(found.lane, found.tasks, found.exhausted)
            self._supervisor.learn(seen, at=self._at())

"""Coming home: before anything is handed out or begun by a new connection, a look where it leads.

A session stays on one server, and as we ask for one that takes writes it never sees a promotion.
So it is enough to look when it begins. What is sent later asks the view `fcs.home`, which costs
next to nothing, and tells if a pooler has changed the server behind the connection.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from fcs.database import identity
from fcs.database.connect import ANSWER_WITHIN, GREET_WITHIN, Connection, answering_within
from fcs.database.identity import Looked
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.identity import (
    CLAIM_INTERVAL,
    Place,
    Verdict,
    awaits_adoption,
    awaits_end_of,
    judge,
    to_claim,
)
from fcs.domain.problems import ClusterProblem

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds between two looks while nothing begins."""


class Home:
    """The database as one part of a process remembers it.

    `testify` is called where the database may have forgotten something: once while it is on hold,
    and when somebody has adopted it.
    """

    def __init__(
        self, *, part: str, testify: Callable[[Connection], Awaitable[None]] | None = None
    ) -> None:
        self._part = part
        self._testify = testify
        self._id: UUID | None = None
        self._latest: Place | None = None
        self._told: ClusterProblem | None = None

    @property
    def id(self) -> UUID | None:
        """Which database it is, as of the last time that it was entered. An adoption changes it."""
        return self._id

    async def enter(self, db: Connection) -> None:
        """Return once tasks may be handed out and begun: at once, as a rule.

        Raises `DatabaseUnavailable` where another server has to be asked.
        """
        while True:
            with answering_within(ANSWER_WITHIN, db):
                is_let_in = await self._is_let_in(db)
            if is_let_in:
                break
            await asyncio.sleep(LOOK_AGAIN)
        if self._told:
            self._told = None
            log.warning("goes on: part=%s", self._part)

    async def take_leave(self, db: Connection) -> None:
        """Testify, where the last word would be said to a database that may have forgotten some."""
        seen = await identity.look(db)
        if seen.found is None or self._testify is None:
            return
        if self._id not in (None, seen.id) or not verdict_on(seen).is_home:
            await self._testify(db)

    async def _is_let_in(self, db: Connection) -> bool:
        # The first word after the greeting, and as short. What may follow it takes longer.
        with answering_within(GREET_WITHIN, db):
            seen = await identity.look(db)
        found = self._primary(seen)
        if not (verdict := verdict_on(seen)).is_home:
            if seen.on_hold_since is None:
                # The next look tells whether that was said in time.
                await identity.hold(db, seen, why=verdict.why)
                return await self._is_let_in(db)
            await self._wait_for_adoption(db, seen)
            return False
        if not seen.is_same_server:
            if await identity.record(db, seen) and verdict.why:
                log.warning("goes on: part=%s %s", self._part, verdict.why)
            return await self._is_let_in(db)
        if not seen.is_open:
            self._tell(awaits_end_of(seen.claim, seen.standbys_in_force))
            return False
        if self._id not in (None, seen.id) and self._testify:
            await self._testify(db)
        self._id, self._latest = seen.id, found
        return True

    async def _wait_for_adoption(self, db: Connection, seen: Looked) -> None:
        if self._tell(awaits_adoption(seen.on_hold_why)) and self._testify:
            await self._testify(db)

    def _primary(self, seen: Looked) -> Place:
        """Where we are, if that can be a place to act at."""
        if seen.found is None:
            raise DatabaseUnavailable(
                "this server is a standby, which takes no writes",
                hint="Name all servers: the one that takes writes is found.",
            )
        latest = self._latest
        if latest and seen.found[:2] == latest[:2] and seen.found.timeline < latest.timeline:
            raise DatabaseUnavailable(
                f"this server is on timeline {seen.found.timeline}, and was followed by one on"
                f" timeline {latest.timeline}",
                hint="It is a primary of the past that still answers: stop it.",
            )
        return seen.found

    def _tell(self, hold: ClusterProblem) -> bool:
        """Say once why nothing begins; whether that is news."""
        if hold == self._told:
            return False
        self._told = hold
        log.warning("on hold: part=%s %s. %s", self._part, hold.message, hold.hint)
        return True


def verdict_on(seen: Looked) -> Verdict:
    """Whether fcs is at home there, and why not."""
    if seen.on_hold_since is not None:
        return Verdict(is_home=False, why=seen.on_hold_why)
    assert seen.found is not None
    return judge(seen.known, seen.found, seen.claim, seen.name, origin=seen.origin)


async def hold_on(db: Connection) -> ClusterProblem | None:
    """What keeps everything from being handed out and begun; `None` where nothing does."""
    seen = await identity.look(db)
    if seen.found is None or seen.is_open:
        return None
    verdict = verdict_on(seen)
    if not verdict.is_home:
        return awaits_adoption(verdict.why)
    # Else nobody has looked since the server was started.
    return awaits_end_of(seen.claim, seen.standbys_in_force) if seen.binds_for > 0 else None


async def keep_claiming(db: Connection) -> None:
    """Write down whom commits wait for, again and again, for the day on which one is promoted."""
    while True:
        with answering_within(ANSWER_WITHIN, db):
            seen = await identity.look(db)
            in_force = seen.standbys_in_force
            standbys = to_claim(in_force, seen.standbys_there)
            if standbys or seen.claim.standbys:
                await identity.claim(db, standbys, in_force=in_force)
        await asyncio.sleep(CLAIM_INTERVAL)

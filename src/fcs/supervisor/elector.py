"""The elector: stands by, bids for a term when one is vacant, and supervises while it leads.

    look ──vacant──▶ bid ──won──▶ supervise ──lost, trouble, another mode──▶ look
      ▲                │
      └────beaten──────┘

Nothing unsafe comes of two that lead at once. That there is one keeps limits exact and work from
being done twice.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import assert_never

from fcs.database import leadership as rows
from fcs.database import workers
from fcs.database.connect import ANSWER_WITHIN, Connection, answering_within, connect
from fcs.database.hearing import hears
from fcs.database.home import Home, keep_claiming
from fcs.database.leadership import CANDIDATES_CHANNEL, SESSIONS, Candidate, Look
from fcs.database.line import is_passing
from fcs.database.mail import listen, unlisten
from fcs.database.migrate import check_schema
from fcs.domain.backoff import full_jitter, is_worth_a_line
from fcs.domain.errors import LeadershipLost, first_of
from fcs.domain.leadership import Act, Leadership
from fcs.domain.lease import LeaseWatch
from fcs.domain.settings import Settings
from fcs.domain.topology import Mode, is_candidate
from fcs.supervisor import retention
from fcs.supervisor.office import ModeChanged, Office, Seat, Term
from fcs.supervisor.runtime import Session

log = logging.getLogger(__name__)

MARGIN_SHARE = 0.2
"""The share of the lease that a leader does not rely on."""

RESIGN_PATIENCE = 1.0
"""Seconds for which one that leaves tries to give up its term; then the lease ends it."""

ASIDE_INTERVAL = 1.0
"""Seconds between two looks at the mode of one that may not lead in the present one."""


async def run(
    url: str,
    settings: Settings,
    me: Candidate,
    *,
    rng: Random,
    at: Callable[[], float],
    direct: str | None = None,
    seat: Seat | None = None,
) -> None:
    """Be a candidate until cancelled, and supervise while leading. `at` is the local clock in
    seconds; it stands still for nobody. `direct` is the way to the same database around a pooler,
    for listening. A worker's process has a `seat`, and takes it in hash mode.

    Raises `SchemaOutdated` or `SchemaNewer` at once; waits out everything that passes.
    """
    tries = 0
    elector = Elector(url, settings, me, rng=rng, at=at, direct=direct, seat=seat)
    while True:
        began = at()
        try:
            await elector.stand()
        except Exception as error:
            if not is_passing(error):
                raise
            tries = tries + 1 if at() - began < settings.rescan_interval else 1
            if is_worth_a_line(tries):
                log.warning("supervisor lost the database, starting again: reason=%s", error)
        # The lost are to be known a lease after Postgres is back, so be there when it is.
        await asyncio.sleep(full_jitter(tries, rng, cap=settings.survey_interval))


class Elector:
    """One candidate. What it knows outlives its connections."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        me: Candidate,
        *,
        rng: Random,
        at: Callable[[], float],
        direct: str | None,
        seat: Seat | None,
    ) -> None:
        self._url, self._direct = url, direct
        self._seat = seat
        self._settings, self._me = settings, me
        self._rng, self._at = rng, at
        self._lease = settings.leader_lease
        self._leadership = Leadership(
            me.node, lease=self._lease, margin=MARGIN_SHARE * self._lease, rng=rng
        )
        self._home = Home(part="candidate")
        self._lease_watch = self._begin_to_watch()
        self._hears = self._listens = False
        self._seen: tuple[Mode, int, Candidate | None] | None = None

    def _begin_to_watch(self) -> LeaseWatch:
        return LeaseWatch(
            lease=self._settings.lease, survey_interval=self._settings.survey_interval
        )

    async def stand(self) -> None:
        """Stand by, bid and lead, until cancelled or cut off."""
        # If this connection had to be opened anew, so had those by which workers beat, perhaps.
        self._lease_watch = self._begin_to_watch()
        async with await connect(self._direct or self._url, part=SESSIONS[self._me.part]) as db:
            with answering_within(ANSWER_WITHIN, db):
                await check_schema(db)
            await self._home.enter(db)
            with answering_within(ANSWER_WITHIN, db):
                self._hears = await hears(db, self._url, direct=self._direct)
                if self._hears:
                    await listen(db, CANDIDATES_CHANNEL)
                self._listens = self._hears
            try:
                while True:
                    await self._step(db)
            finally:
                await self._resign(db)

    async def _step(self, db: Connection) -> None:
        step = self._leadership.decide(self._at())
        match step.act:
            case Act.LOOK:
                await self._wait(db, step.at - self._at())
                await self._look(db)
            case Act.BID:
                await self._bid(db, step.term)
            case Act.LEAD:
                await self._lead(db, step.term)
            case Act.STOP:
                log.info("leads no more: term=%d", step.term)
            case _:
                assert_never(step.act)

    async def _wait(self, db: Connection, seconds: float) -> None:
        """Until it is time to look, or somebody gives up his term or changes the mode."""
        if seconds <= 0:
            return
        if not self._hears:
            await asyncio.sleep(seconds)
            return
        if not self._listens:
            # A look comes next, and sees what nobody has heard so far.
            with answering_within(self._lease, db):
                await listen(db, CANDIDATES_CHANNEL)
            self._listens = True
            return
        async for _ in db.notifies(timeout=seconds, stop_after=1):
            pass

    async def _look(self, db: Connection) -> None:
        asked_at = self._at()
        with answering_within(self._lease, db):
            seen = await rows.look(db)
        self._tell(seen)
        if seen.mode is Mode.HASH and self._seat:
            await self._supervise(db, self._seat)
        elif is_candidate(self._me.part, seen.mode):
            self._leadership.looked(seen.lease, asked_at=asked_at, answered_at=self._at())
            await self._look_at_beats(db)
        else:
            await self._wait(db, ASIDE_INTERVAL)

    async def _look_at_beats(self, db: Connection) -> None:
        """Know who is silent before it leads: else nobody would, if no leader lasts for a lease."""
        asked_at = self._at()
        with answering_within(self._lease, db):
            seen = await workers.beats(db)
        self._lease_watch.stand_by(
            seen.beats, uptime=seen.uptime, renewed_until=seen.renewed_until, at=asked_at
        )

    async def _bid(self, db: Connection, term: int) -> None:
        asked_at = self._at()
        with answering_within(self._lease, db):
            is_won = await rows.bid(db, self._me, term=term, lease=self._lease)
        if is_won:
            self._leadership.won(term, asked_at=asked_at)
        else:
            self._leadership.beaten(self._at())

    async def _lead(self, db: Connection, term: int) -> None:
        log.info("leads: term=%d %s", term, self._me)
        office = Term(self._me, self._leadership, term=term, lease=self._lease)
        await self._supervise(db, office)

    async def _supervise(self, db: Connection, office: Office) -> None:
        if self._listens:
            # Anybody may notify, and nobody reads that before the office is over.
            with answering_within(self._lease, db):
                await unlisten(db, CANDIDATES_CHANNEL)
            self._listens = False
        session = Session(self._settings, office, self._lease_watch, rng=self._rng, at=self._at)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(db, session, office))
                await session.open(self._url, group, direct=self._direct)
                # Of several that prune one does so at a time.
                aside = retention.run(self._direct or self._url, self._settings, at=self._at)
                group.create_task(aside)
                group.create_task(keep_claiming(db))
                await session.supervise()
        except ExceptionGroup as errors:
            _end_if_asked()
            await self._end_office(db, errors)
        finally:
            await session.close()

    async def _watch(self, db: Connection, session: Session, office: Office) -> None:
        """Cut a session off that waits for an answer although its office is over.

        A line can break without a word. Nobody misses whoever hangs on it, for others lead; but
        they may need one more to stand by.
        """
        while True:
            await asyncio.sleep(self._lease / 2)
            silent = self._at() - session.surveyed_at
            if silent > self._lease and (silent > ANSWER_WITHIN or await self._is_over(db, office)):
                session.cut_off()

    async def _is_over(self, db: Connection, office: Office) -> bool:
        """Look another way: if there is no answer either, it is not the statement that is slow."""
        try:
            with answering_within(self._lease, db):
                return office.is_over(await rows.look(db))
        except Exception as error:
            if not is_passing(error):
                raise
            return True

    async def _end_office(self, db: Connection, errors: ExceptionGroup) -> None:
        """Why a session ended, and what becomes of its office."""
        _, others = errors.split(is_passing)
        match first_of(others or errors):
            case LeadershipLost() as lost:
                log.warning("%s", lost)
            case ModeChanged() as changed:
                log.info("steps down: %s", changed)
                await self._resign(db)
            case error:
                # The connections are gone by which others saw that it leads.
                self._leadership.resigned(self._at())
                raise error

    async def _resign(self, db: Connection) -> None:
        """Give up the term, so that others need not wait for its end."""
        step = self._leadership.decide(self._at())
        if step.act is not Act.LEAD:
            return
        self._leadership.resigned(self._at())
        try:
            with answering_within(RESIGN_PATIENCE, db):
                await rows.resign(db, self._me.node, term=step.term)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease ends the term
            log.warning("could not give up the term, its lease will end it: reason=%s", error)

    def _tell(self, seen: Look) -> None:
        """Say who leads, when that has changed."""
        now = (seen.mode, seen.lease.term, None if seen.lease.is_vacant else seen.holder)
        if now == self._seen:
            return
        self._seen = now
        mode, term, holder = now
        if mode is Mode.HASH:
            log.info("stands by: nobody leads in mode hash")
        elif holder is None:
            log.info("nobody leads: mode=%s term=%d", mode, term)
        elif holder.node != self._me.node:
            log.info("stands by: mode=%s term=%d leader: %s", mode, term, holder)


def _end_if_asked() -> None:
    """A group that fails while it is cancelled tells of the failure alone."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

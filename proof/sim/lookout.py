"""How a simulated supervisor finds what nobody named: mirrors `fcs.supervisor.lookout`,
`stealing.py`, `sharing.py` and `fcs.database.mail.Inbox`."""

from collections import deque
from datetime import datetime, timedelta

from fcs.database.mail import UNDISTURBED
from fcs.domain.clock import DatabaseClock
from fcs.domain.facts import LaneLookedAt, LanesListed, Overdue, Waiting, WorkerReported
from fcs.domain.pace import AWAKE_SHARE, pause_after
from fcs.domain.rest import LATE_INTERVAL, LIST_INTERVAL, LOOK_MAX, NAP, OVERLAP, OVERLAP_LATE
from fcs.domain.share import STEAL_AFTER, Share
from fcs.domain.supervisor import Plan, Supervisor
from fcs.supervisor.listing import LANES_MAX
from fcs.supervisor.lookout import CLOCK_ERROR
from fcs.supervisor.stealing import STEAL_MAX
from proof.sim.database import backlog
from proof.sim.kernel import Kernel, Node, Signal, Sleep
from proof.sim.seat import Seat
from proof.sim.server import Server, Session


class Inbox:
    """Hints that came in, kept until somebody looks."""

    def __init__(self, kernel: Kernel) -> None:
        self._hints: deque[str] = deque()
        self._arrived = Signal(kernel)

    def put(self, hint: str) -> None:
        self._hints.append(hint)
        self._arrived.set()

    def wake(self) -> None:
        self._arrived.set()

    async def wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._arrived.wait(seconds)

    async def nap(self, seconds: float) -> None:
        undisturbed = min(seconds, UNDISTURBED)
        await Sleep(undisturbed)
        if seconds > undisturbed:
            await self.wait(seconds - undisturbed)

    def take(self) -> list[str]:
        self._arrived.clear()
        hints = list(self._hints)
        self._hints.clear()
        return hints


class Lookout:
    """Mirrors `Lookout` and `Listing`; lanes are never too many here."""

    def __init__(
        self, server: Server, node: Node, supervisor: Supervisor, clock: DatabaseClock
    ) -> None:
        self._server, self._node = server, node
        self._supervisor, self._clock = supervisor, clock
        self._next_look = self._next_late = self._next_list = node.at()
        self._seen_until: datetime | None = None

    async def look_around(self, db: Session) -> None:
        at = self._node.at
        if (began := at()) >= self._next_list:
            await self._list(db)
            self._next_list = self._after(began, LIST_INTERVAL)
        if (began := at()) >= self._next_late:
            await self._look(db, OVERLAP_LATE)
            self._next_late = self._after(began, LATE_INTERVAL)
        elif began >= self._next_look:
            await self._look(db, OVERLAP)
            self._next_look = self._after(began, NAP)

    async def look_back(self, db: Session) -> None:
        await self._list(db)
        await self._look(db, OVERLAP_LATE)

    def was_rung(self) -> None:
        self._seen_until = self._clock.now(self._node.at())

    def _after(self, began: float, interval: float) -> float:
        now = self._node.at()
        return now + pause_after(now - began, interval=interval, share=AWAKE_SHARE)

    async def _list(self, db: Session) -> None:
        known = self._supervisor.known_lanes()
        lanes = await self._server.send(db, backlog.lanes, limit=LANES_MAX, known=known)
        self._supervisor.learn(LanesListed(lanes), at=self._node.at())

    async def _look(self, db: Session, overlap: float) -> None:
        now = self._clock.now(self._node.at())
        since = min(now, self._seen_until or now) - timedelta(seconds=overlap)
        self._seen_until = now
        looks = self._supervisor.to_look_at(since)
        if not looks:
            return
        until = now + CLOCK_ERROR
        for found in await self._server.send(
            db, backlog.read_on, looks, limit=LOOK_MAX, until=until
        ):
            seen = LaneLookedAt(found.lane, found.tasks, found.exhausted)
            self._supervisor.learn(seen, at=self._node.at())


class Stealing:
    """Mirrors `Stealing`."""

    def __init__(
        self,
        server: Server,
        node: Node,
        supervisor: Supervisor,
        share: Share,
        clock: DatabaseClock,
        *,
        longest: float,
    ) -> None:
        self._server, self._node = server, node
        self._supervisor, self._share, self._clock = supervisor, share, clock
        self._longest = longest
        self._patience = STEAL_AFTER
        self.next_at = node.at()

    def expect(self) -> None:
        if self._patience > STEAL_AFTER:
            self._wait(STEAL_AFTER)

    async def look(self, db: Session) -> None:
        overdue = await self._overdue(db)
        self._server.rng.shuffle(overdue)
        self._supervisor.learn(Overdue(overdue[:STEAL_MAX]), at=self._node.at())
        self._wait(STEAL_AFTER if overdue else min(2 * self._patience, self._longest))

    async def _overdue(self, db: Session) -> list[Waiting]:
        until = self._clock.now(self._node.at()) - timedelta(seconds=STEAL_AFTER)
        lanes = [
            (lane, None) for lane in self._supervisor.known_lanes() if self._share.serves(lane)
        ]
        found = await self._server.send(db, backlog.read_on, lanes, limit=STEAL_MAX, until=until)
        return [task for read in found for task in read.tasks]

    def _wait(self, patience: float) -> None:
        self._patience = patience
        self.next_at = self._node.at() + patience


class Sharing:
    """Mirrors `Sharing`."""

    def __init__(
        self, node: Node, seat: Seat, supervisor: Supervisor, inbox: Inbox, stealing: Stealing
    ) -> None:
        self._node = node
        self._seat, self._supervisor, self._inbox = seat, supervisor, inbox
        self._stealing = stealing
        self._account: WorkerReported | None = None

    def surveyed(self) -> None:
        self._account = None

    def hear(self) -> None:
        account = self._seat.report()
        if account != self._account:
            self._account = account
            self._supervisor.learn(account, at=self._node.at())

    def expect(self) -> None:
        self._stealing.expect()

    async def pause(self, db: Session, plan: Plan, seconds: float) -> None:
        if not plan.is_empty:
            return
        at = self._node.at
        has_slot = self._supervisor.has_slot(at())
        if has_slot and at() >= self._stealing.next_at:
            await self._stealing.look(db)
            return
        if plan.is_short or not has_slot:
            self._seat.wake_when_freed(self._inbox.wake)
            if self._seat.report() != self._account:
                return
        if has_slot:
            seconds = min(seconds, self._stealing.next_at - at())
        await self._inbox.wait(seconds)

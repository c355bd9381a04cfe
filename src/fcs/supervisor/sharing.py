"""Sharing out: what is different in a session where each worker hands out to itself alone.

It reads how its worker is instead of being told, and it is always asleep: it is rung for whatever
is new, as long as anybody is.
"""

from collections.abc import Callable

from fcs.database import sleep
from fcs.database.connect import Connection
from fcs.database.mail import Inbox
from fcs.domain.facts import WorkerReported
from fcs.domain.supervisor import Plan, Supervisor
from fcs.supervisor.office import Seat
from fcs.supervisor.stealing import Stealing


class Sharing:
    """One of many that hand out. `at` is the local clock in seconds."""

    def __init__(
        self,
        seat: Seat,
        supervisor: Supervisor,
        inbox: Inbox,
        stealing: Stealing,
        *,
        at: Callable[[], float],
    ) -> None:
        self._seat, self._supervisor, self._inbox = seat, supervisor, inbox
        self._stealing, self._at = stealing, at
        self._account: WorkerReported | None = None

    def surveyed(self) -> None:
        """The worker's row was read, which may be older than what was known."""
        self._account = None

    def hear(self) -> None:
        """Take in how the worker is. No news is no reason to ask the rows who holds what."""
        account = self._seat.report()
        if account != self._account:
            self._account = account
            self._supervisor.learn(account, at=self._at())

    def expect(self) -> None:
        """Something is new: it may have to be taken up a second from now."""
        self._stealing.expect()

    async def fall_asleep(self, bed: Connection) -> bool:
        """Ask to be rung, for all, unless somebody else does so already."""
        if await sleep.fall_asleep(bed):
            return True
        # Creates may overlap for ever. From now on who comes rings, whatever becomes of the wait.
        return not await sleep.is_rung(bed) and await sleep.fall_asleep_in_line(bed)

    async def pause(self, db: Connection, plan: Plan, seconds: float) -> None:
        """After a plan was carried out, wait for so long, for a hint, or for a free slot."""
        if not plan.is_empty:
            await self._inbox.wait(0)
            return
        has_slot = self._supervisor.has_slot(self._at())
        if has_slot and self._at() >= self._stealing.next_at:
            await self._stealing.look(db)
            return
        if plan.is_short or not has_slot:
            self._seat.wake_when_freed(self._inbox.wake)
            # Of what was freed before it asked to be woken nobody tells.
            if self._seat.report() != self._account:
                return
        if has_slot:
            seconds = min(seconds, self._stealing.next_at - self._at())
        await self._inbox.wait(seconds)

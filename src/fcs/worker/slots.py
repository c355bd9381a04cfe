"""A worker's account of itself: its slots, and how many dispatches it has taken.

Changed by the event loop alone. The heartbeat's thread reads the figures that belong together
as one value, which is replaced as a whole: it never sees half of a change.
"""

from typing import TypeAlias

from fcs.domain import hints
from fcs.domain.ids import Incarnation

Account: TypeAlias = tuple[int, int, int]
"""What a worker says of itself: the number of the report (a higher one is a newer account), the
bodies that run, and the dispatches that this process itself has moved on: begun, handed back or
refused. A plain tuple, because every task makes a new one."""


class Slots:
    def __init__(self, incarnation: Incarnation, total: int) -> None:
        self.incarnation = incarnation
        self.total = total
        self.reserved = 0
        """Slots kept for tasks on their way to begin; the supervisor counts those as sent."""
        self.account: Account = (0, 0, 0)
        self.untold = 0
        """Bodies that have ended since the supervisor was last told."""

    @property
    def free(self) -> int:
        return self.total - self.busy - self.reserved

    @property
    def busy(self) -> int:
        return self.account[1]

    @property
    def taken(self) -> int:
        return self.account[2]

    def begun(self, runs: int) -> None:
        """So many dispatches became bodies."""
        no, busy, taken = self.account
        self.account = (no + 1, busy + runs, taken + runs)

    def moved_on(self, dispatches: int) -> None:
        """So many dispatches were dealt with otherwise."""
        no, busy, taken = self.account
        self.account = (no + 1, busy, taken + dispatches)

    def ended(self) -> None:
        """A body ended."""
        no, busy, taken = self.account
        self.account = (no + 1, busy - 1, taken)
        self.untold += 1

    @property
    def is_nearly_full(self) -> bool:
        """Whether the supervisor knows of a quarter of the slots at the most."""
        return 4 * (self.busy + self.untold) >= 3 * self.total

    @property
    def is_half_free(self) -> bool:
        """Whether half of the slots have become free and the supervisor does not know."""
        return 2 * self.untold >= self.total

    def told(self, ended: int) -> None:
        """The supervisor was told of so many of the ends."""
        self.untold -= ended

    def report(self) -> str:
        """The account as a hint."""
        return hints.report(self.incarnation, *self.account)

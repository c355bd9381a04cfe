"""A worker's account of itself: its slots, and how many dispatches it has taken.

Changed by the event loop alone, read by the heartbeat's thread as well; each value is one
integer, so a reader sees it whole.
"""

from fcs.domain import hints
from fcs.domain.ids import Incarnation


class Slots:
    def __init__(self, incarnation: Incarnation, total: int) -> None:
        self.incarnation = incarnation
        self.total = total
        self.busy = 0
        """Bodies that run."""
        self.reserved = 0
        """Slots kept for tasks on their way to begin; the supervisor counts those as sent."""
        self.taken = 0
        """Dispatches that this process itself has moved on: begun, handed back or refused."""
        self.report_no = 0

    @property
    def free(self) -> int:
        return self.total - self.busy - self.reserved

    def report(self) -> str:
        """The account as a hint, newer than every one before."""
        self.report_no += 1
        return hints.report(self.incarnation, self.report_no, self.busy, self.taken)

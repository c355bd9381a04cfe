"""Whose turn it is to do what has to be done once for all, such as firing schedules."""

from collections.abc import Callable

from fcs.domain.clock import DatabaseClock
from fcs.supervisor.office import Office


class Duty:
    """Known from one look to the next: after a survey, and when a turn is over.

    `at` is the local clock in seconds, by which `relief_at` is told as well.
    """

    def __init__(self, office: Office, clock: DatabaseClock, *, at: Callable[[], float]) -> None:
        self._office, self._clock, self._at = office, clock, at
        self.is_ours = False
        self.relief_at = at()

    def look(self) -> None:
        at = self._at()
        now = self._clock.now(at)
        self.is_ours = self._office.does_upkeep(now)
        self.relief_at = at + self._office.until_relief(now)

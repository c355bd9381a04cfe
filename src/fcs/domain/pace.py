"""The pace of looking at rows: often enough, and never so often that it takes much of the time.

Looking costs more the longer some old snapshot keeps dead rows in the way.
"""

from typing import Final

LOOK_SHARE: Final = 0.02
"""The share of the time that looking may take."""

AWAKE_SHARE: Final = 0.3
"""The same while there is something to find."""

QUICKEST_SHARE: Final = 1 / 20
"""The share of the longest pause that the shortest is, where no hint tells when to look."""

STRETCH: Final = 1.25
"""So many times longer is each pause than the one before it, while nothing is found. What happens
in the end is seen late by about a quarter of the time that it took: parties that wait for each
other's looks must not add up to much more than each of them."""


def pause_after(took: float, *, interval: float, share: float = LOOK_SHARE) -> float:
    """Seconds until the next look, after one that took so long."""
    return max(interval, took / share)


class Pace:
    """The pauses between looks where no hint tells: short while there is something to find.

    `longest` is in seconds, and the pause while nothing is found.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._shortest = self._next = longest * QUICKEST_SHARE

    def pause(self, *, took: float = 0.0) -> float:
        """How long to wait before the next look, after one that took so long; the pause after
        that is a little longer."""
        pause, self._next = self._next, min(self._longest, STRETCH * self._next)
        # What was found leads to more: a worker that has just been sent tasks ends them.
        share = AWAKE_SHARE if pause < self._longest else LOOK_SHARE
        return pause_after(took, interval=pause, share=share)

    def found(self) -> None:
        """The last look was worth it."""
        self._next = self._shortest

"""Hints that nobody understands: anybody may notify. They are counted, and told now and then."""

import logging
from collections.abc import Callable

from fcs.domain.hints import SUPERVISOR_CHANNEL

log = logging.getLogger(__name__)

LOG_INTERVAL = 60.0


class Garbage:
    """`at` is the local clock in seconds."""

    def __init__(self, at: Callable[[], float]) -> None:
        self._at = at
        self._count = 0
        self._told_at = -LOG_INTERVAL

    def add(self) -> None:
        self._count += 1

    def own_up(self) -> None:
        """Tell of what came since the last time, if that was long enough ago."""
        if self._count and self._at() - self._told_at >= LOG_INTERVAL:
            log.warning(
                "hints that nobody understands were ignored: count=%d channel=%s",
                self._count,
                SUPERVISOR_CHANNEL,
            )
            self._count, self._told_at = 0, self._at()

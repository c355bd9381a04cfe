"""Retention: how long final tasks are kept, where those past it are, and what wastes disk.

A task is ripe when its status is final and has been for longer than that status is kept, by the
database's clock. An id of version 7 carries the time of creation, which never comes after the
end: it bounds where to look, and decides nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from fcs.domain.ids import ENTROPY_BYTES, uuid7
from fcs.domain.moments import MOMENT_MIN
from fcs.domain.task import Status

FOREVER: Final = 0.0
"""The length of time that stands for all time."""

KEEP_MIN: Final = 3_600.0
"""No final task is kept for less than these seconds: a create that is sent again after an
unknown answer must find it, or the body would start once more."""

LAG: Final = timedelta(hours=1)
"""Most tasks end within this time of their creation. The others are found by a full round."""

FULL_INTERVAL: Final = timedelta(days=1)
"""How often a round looks everywhere."""

AHEAD: Final = timedelta(days=1)
"""How far a client's clock may be ahead. An id of later than that carries no time at all."""

_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=(1 << 128) - 1)


class Stretch(NamedTuple):
    """The ids after `after` up to `upto`."""

    after: UUID
    upto: UUID


def cutoffs(keep: Mapping[Status, float], now: datetime) -> dict[Status, datetime]:
    """Before which moment a final task must have ended to be ripe; none for what stays for ever.

    `keep` is in seconds.
    """
    return {
        status: max(now - timedelta(seconds=seconds), MOMENT_MIN)
        for status, seconds in keep.items()
        if seconds != FOREVER
    }


def everywhere(keep: Mapping[Status, float], now: datetime) -> list[Stretch]:
    """Wherever ripe tasks may be: among the old ids, and among those that carry no time."""
    ripe = cutoffs(keep, now)
    if not ripe:
        return []
    return [
        Stretch(_FIRST, _first_id_of(max(ripe.values()))),
        Stretch(_first_id_of(now + AHEAD), _LAST),
    ]


class Rounds:
    """Where each round looks: the first everywhere, the next where tasks have come of age since.

    So what is kept for ever is not walked over again each time.
    """

    def __init__(self, keep: Mapping[Status, float]) -> None:
        self._keep = keep
        self._full_at: datetime | None = None
        self._looked_at: datetime | None = None

    def plan(self, now: datetime) -> list[Stretch]:
        """Where to look now. Does not count as having looked."""
        if self._looked_at is None or self._is_full_due(now):
            return everywhere(self._keep, now)
        before = cutoffs(self._keep, self._looked_at - LAG)
        ripe = cutoffs(self._keep, now - LAG)
        return sorted(
            {Stretch(_first_id_of(before[status]), _first_id_of(ripe[status])) for status in ripe}
        )

    def done(self, now: datetime) -> None:
        """The round that was planned at `now` has been gone to its end."""
        if self._is_full_due(now):
            self._full_at = now
        self._looked_at = now

    def _is_full_due(self, now: datetime) -> bool:
        # A clock that jumped back is no reason to wait longer.
        return self._full_at is None or not timedelta(0) <= now - self._full_at < FULL_INTERVAL


PAGE_BYTES: Final = 8_192
FILLED: Final = 0.6
"""The share of a page that new rows fill: the table's fillfactor."""

INDEX_ENTRY_BYTES: Final = 28
INDEX_FILLED: Final = 0.5
"""How full the pages of a healthy index are, ids of any kind considered."""

WASTE_MIN: Final = 2_048
"""Pages (16 MiB) below which nobody minds."""


class Space(NamedTuple):
    """What the tasks and the index of their ids take on disk, in pages, and what is in there."""

    pages: int
    index_pages: int
    rows: int
    row_bytes: float
    has_leftovers: bool
    """Whether an index is there that was being built anew when somebody was cut off."""

    @property
    def bytes(self) -> int:
        """All of it."""
        return (self.pages + self.index_pages) * PAGE_BYTES

    @property
    def pages_needed(self) -> int:
        """How many pages the rows fill if they lie together, with some room between them."""
        return round(1.25 * self.rows * self.row_bytes / (PAGE_BYTES * FILLED)) + 64

    @property
    def is_sparse(self) -> bool:
        """Whether the rows lie so thinly that it is worth the work to move them together."""
        return self.pages > 2 * self.pages_needed + WASTE_MIN

    @property
    def is_index_sparse(self) -> bool:
        """The same of the index."""
        needed = self.rows * INDEX_ENTRY_BYTES / (PAGE_BYTES * INDEX_FILLED)
        return self.index_pages > 2 * needed + WASTE_MIN

    def is_wasteful(self, *, pruned: int) -> bool:
        """Whether anything can be given back. The `pruned` rows may be in the count."""
        left = self._replace(rows=max(self.rows - pruned, 0))
        return left.is_sparse or left.is_index_sparse or self.has_leftovers


def _first_id_of(moment: datetime) -> UUID:
    """The lowest id of version 7 that was made then or later."""
    return uuid7(round(moment.timestamp() * 1_000), bytes(ENTROPY_BYTES))

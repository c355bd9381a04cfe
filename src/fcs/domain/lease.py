"""Leases: when a silent worker may be called lost, and until when a worker may trust its own.

No wall clock of a node decides. The database's clock says how long a worker has been silent;
the supervisor's own clock must agree that it saw no beat for about as long. A clock that jumps
can therefore kill nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fcs.domain.facts import Beat, WorkerState
from fcs.domain.ids import Incarnation

BRAKE_WORKERS_MIN = 3
BRAKE_SHARE = 0.3
"""When at least this many workers, and more than this share, fall silent at once, something
else is wrong more likely than all of them: wait one more lease."""

LOCAL_LEASES_ALONE = 3
"""After so many leases without a beat the supervisor's own clock is enough, in case that the
database's clock has jumped back."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A worker to be reaped if its row still shows this beat."""

    incarnation: Incarnation
    beat_no: int


@dataclass(slots=True)
class _Sighting:
    beat_no: int
    since: float
    silent: float
    """Seconds since the last beat, by the database's clock, when last looked at."""


class LeaseWatch:
    """What one process has itself seen of the beats, while it leads and while it stands by.

    It is worth as much as the connection by which it was seen: once that has broken, the workers'
    may have broken as well, and somebody has to watch anew.
    """

    def __init__(self, *, lease: float, survey_interval: float) -> None:
        self._lease = lease
        self._survey_interval = survey_interval
        # A beat may be one survey old when it is first seen.
        self._local_lease = lease - survey_interval
        self._sightings: dict[Incarnation, _Sighting] = {}
        self._looked_at: float | None = None
        self._brake_until: float | None = None
        self._renewed_until: datetime | None = None
        """While it stands by: the end of the leader's lease, as last seen."""

    def stand_by(
        self, beats: Sequence[Beat], *, uptime: float, renewed_until: datetime, at: float
    ) -> None:
        """Look on without judging, so that whoever leads next need not begin to watch only then.

        A leader's look is a write as well. This one is none, so it counts only if something was
        written since the last one: a beat, or `renewed_until`, the end of the leader's lease. Where
        nobody can write, nobody is silent.
        """
        is_renewed = self._renewed_until != renewed_until
        self._renewed_until = renewed_until
        if is_renewed or any(self._is_news(beat) for beat in beats):
            self._look(beats, uptime, at)

    def observe(self, workers: Sequence[WorkerState], *, uptime: float, at: float) -> list[Suspect]:
        """Look at all rows at once; return the workers to be reaped now.

        `uptime` is for how many seconds this Postgres has been up: nobody could beat before.
        """
        suspects = self._look(workers, uptime, at)
        self._renewed_until = None
        return suspects

    def _look(self, rows: Sequence[WorkerState | Beat], uptime: float, at: float) -> list[Suspect]:
        self._discount_absence(at)
        sightings: dict[Incarnation, _Sighting] = {}
        for row in rows:
            seen = self._sightings.get(row.incarnation)
            if seen is None or seen.beat_no != row.beat_no:
                seen = _Sighting(row.beat_no, at, 0.0)
            seen.silent = min(row.silent, uptime)
            sightings[row.incarnation] = seen
        self._sightings = sightings
        return self._unless_braked(
            [
                Suspect(incarnation, seen.beat_no)
                for incarnation, seen in sightings.items()
                if self._is_silent(seen, at)
            ],
            at,
        )

    def next_suspicion_at(self) -> float | None:
        """When, if no beat comes, the first worker could be lost."""
        if self._looked_at is None:
            return None
        moments = [
            min(
                max(self._looked_at + self._lease - seen.silent, seen.since + self._local_lease),
                seen.since + LOCAL_LEASES_ALONE * self._lease,
            )
            for seen in self._sightings.values()
        ]
        if self._brake_until is not None:
            moments = [max(moment, self._brake_until) for moment in moments]
        return min(moments, default=None)

    def _is_news(self, beat: Beat) -> bool:
        seen = self._sightings.get(beat.incarnation)
        return seen is None or seen.beat_no != beat.beat_no

    def _discount_absence(self, at: float) -> None:
        """While nobody looked, nobody was silent: beats may be about to arrive.

        The database may have stood still, or this process. One interval counts all the same,
        so that a slow supervisor finds the dead as well. More than that never counts for one that
        stands by: what it saw written may be as old as its look before.
        """
        absent = 0.0 if self._looked_at is None else at - self._looked_at
        intervals = 2 if self._renewed_until is None else 1
        if absent > intervals * self._survey_interval:
            uncounted = absent - self._survey_interval
            for seen in self._sightings.values():
                seen.since += uncounted
            if self._brake_until is not None:
                self._brake_until += uncounted
        self._looked_at = at

    def _is_silent(self, seen: _Sighting, at: float) -> bool:
        silent_here = at - seen.since
        if silent_here >= LOCAL_LEASES_ALONE * self._lease:
            return True
        return seen.silent >= self._lease and silent_here >= self._local_lease

    def _unless_braked(self, suspects: list[Suspect], at: float) -> list[Suspect]:
        many = len(suspects) >= BRAKE_WORKERS_MIN and (
            len(suspects) > BRAKE_SHARE * len(self._sightings)
        )
        if not many:
            self._brake_until = None
            return suspects
        if self._brake_until is None:
            self._brake_until = at + self._lease
        return suspects if at >= self._brake_until else []


def trusted_until(beat_sent_at: float, *, lease: float, margin: float) -> float:
    """Until when a worker may begin tasks on the strength of an acknowledged beat.

    `beat_sent_at` is the local (boot-time) moment *before* the beat was sent, so the lease in
    the database cannot have begun earlier; `margin` is kept for the way to the first
    instruction of a body.
    """
    return beat_sent_at + lease - margin

"""Whether a database is the one that fcs knows, or looks like it and may have forgotten something.

A standby that was promoted, a restored backup and a copy hold the same rows as the original did at
some moment. What was begun after that moment they do not know, and would have it run again.

    known, found --judge--> at home, or on hold and why

Only one kind of promotion is known to have lost nothing: that of a standby whose word each commit
waited for. Postgres does not tell that afterwards, so it is written down beforehand, as a *claim*:
these are the standbys that everything is waiting for. A claim cannot be taken back from a standby
that is cut off. So it holds for a while only, and where the standbys have changed nothing begins
until no copy of the old claim can be trusted any more.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from fcs.domain.problems import ClusterProblem, in_words
from fcs.domain.standbys import whom_all_wait_for
from fcs.domain.task import Status

TRUSTED_FOR: Final = 60.0
"""Seconds for which a promoted standby may rely on a claim."""

BINDS_FOR: Final = 90.0
"""Seconds for which nothing begins without the standbys of a claim. The difference is for clocks of
two servers that do not agree. The view `fcs.home` says the same."""

CLAIM_INTERVAL: Final = 20.0
"""Seconds between two claims; what is left is for whoever promotes."""

_HELD: Final = "nothing is handed out and nothing begins: "

ADOPT: Final = "See what is not known:  fcs adopt --dry-run  and then:  fcs adopt"


class Place(NamedTuple):
    """Where a database is, as Postgres tells: the number that a server got from initdb, the number
    of the database in it, and the timeline, which changes when a copy becomes a primary."""

    system: int
    database: int
    timeline: int


class Origin(NamedTuple):
    """Where a database was prepared for fcs."""

    system: int
    timeline: int


class Claim(NamedTuple):
    """`synchronous_standby_names` as it was in force, empty for none; `age` is in seconds."""

    standbys: str
    age: float


class Verdict(NamedTuple):
    """`why` says what has changed, in words; empty where nothing has."""

    is_home: bool
    why: str = ""


def judge(
    known: Place | None,
    found: Place,
    claim: Claim,
    name: str | None,
    *,
    origin: Origin | None = None,
) -> Verdict:
    """Whether what was found is what was known. `name` is that of the server as a standby, as far
    as it can be read. `known` is nothing as long as nobody has begun anything there, or if that was
    the first thing to be forgotten."""
    if known is None:
        return _judge_unused(found, origin)
    if known == found:
        return Verdict(is_home=True)
    if known.system != found.system:
        return Verdict(
            is_home=False,
            why="the database is a copy in another Postgres, as a restored backup is",
        )
    if known.database != found.database:
        return Verdict(
            is_home=False, why="the database is a copy of another one in the same Postgres"
        )
    promoted = _promoted(known.timeline, found)
    if doubt := _doubt(claim, name):
        return Verdict(is_home=False, why=f"{promoted}, {doubt}")
    return Verdict(
        is_home=True, why=f"{promoted}, and each commit had waited for this standby, {name}"
    )


def _judge_unused(found: Place, origin: Origin | None) -> Verdict:
    """A fresh database may well be a copy of another one, in the same Postgres or elsewhere."""
    if origin is None or origin.system != found.system or origin.timeline == found.timeline:
        return Verdict(is_home=True)
    promoted = _promoted(origin.timeline, found)
    return Verdict(
        is_home=False,
        why=f"{promoted}, and nobody has begun anything there that it knows of, which may be lost",
    )


def _promoted(timeline: int, found: Place) -> str:
    return f"Postgres was promoted (timeline {timeline} is now {found.timeline})"


def _doubt(claim: Claim, name: str | None) -> str:
    """Why something that was acknowledged may be lost; empty if nothing can be."""
    standbys = whom_all_wait_for(claim.standbys)
    if not standbys:
        return "and commits had not waited for it, so what came last may be lost"
    if name is None:
        return (
            f"and whether it is the standby that commits had waited for ({claim.standbys}) cannot"
            " be read: grant pg_read_all_settings to the role of fcs, or set cluster_name"
        )
    if name.lower() not in standbys:
        return f"and commits had waited for {claim.standbys}, not for {name}"
    if claim.age > TRUSTED_FOR:
        return (
            f"and that commits wait for {claim.standbys} was last seen {in_words(claim.age)}"
            " before: they may have gone on without it"
        )
    return ""


class Fate(StrEnum):
    """What becomes of a task that a worker had in hand when the database was copied or promoted."""

    BEGINS = "begins"
    """Its worker has not begun it, and will."""
    RUNS_ON = "runs_on"
    INTERRUPTED = "interrupted"
    """Nobody knows how far it has come."""
    RUNS_AGAIN = "runs_again"
    """Nor here, and that was asked for."""


def fate_of(status: Status, *, has_testified: bool, may_retry: bool) -> Fate:
    """What becomes of it, by whether its worker has told what it had begun."""
    if has_testified:
        return Fate.BEGINS if status is Status.DISPATCHED else Fate.RUNS_ON
    return Fate.RUNS_AGAIN if may_retry else Fate.INTERRUPTED


def is_claimable(standbys: str) -> bool:
    """Whether a promotion could be trusted, as long as this setting is in force."""
    return bool(whom_all_wait_for(standbys))


def to_claim(in_force: str, there: Sequence[str]) -> str:
    """What can be claimed while this setting is in force and these standbys are there; empty for
    nothing. Of two by one name nobody could tell which of them had confirmed."""
    names = Counter(name.lower() for name in there)
    is_sure = is_claimable(in_force) and all(names[one] <= 1 for one in whom_all_wait_for(in_force))
    return in_force if is_sure else ""


def awaits_adoption(why: str) -> ClusterProblem:
    """The cluster is on hold until somebody says that this is the database."""
    return ClusterProblem("on_hold", _HELD + why, ADOPT)


def awaits_end_of(claim: Claim, in_force: str) -> ClusterProblem:
    """The cluster is on hold until nobody can trust that claim any more."""
    return ClusterProblem(
        "on_hold",
        f"{_HELD}commits waited for {claim.standbys} and now wait for {in_force or 'nobody'}, and"
        " the old standby might still be trusted if it were promoted",
        f"Wait: that is over {BINDS_FOR:g} s after the change, at the latest.",
    )

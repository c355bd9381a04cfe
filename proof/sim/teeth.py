"""Teeth: each fence left out by itself, and how many seeds it takes until somebody notices.

A fence that is doubled by another one is left out together with it: alone its lack does no harm,
and no simulation could find any.
"""

import gc
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final, NamedTuple

from proof.sim.scene import Scene

FIRST_SEED: Final = 1


class Tooth(NamedTuple):
    """What is left out, in words, and within how many seeds that must be found."""

    fences: str
    what: str
    seeds: int

    @property
    def dropped(self) -> frozenset[str]:
        return frozenset(self.fences.split("+"))


class Bite(NamedTuple):
    """After how many seeds it was found, `None` if it was not, and what was seen."""

    tooth: Tooth
    seeds: int | None
    violation: str
    seconds: float


TEETH: Final[Sequence[Tooth]] = (
    Tooth("dispatch.status", "dispatch hands out what is not pending", 100),
    Tooth("dispatch.due", "dispatch hands out before it is due", 100),
    Tooth("dispatch.hold", "dispatch goes on while on hold", 1_000),
    Tooth("dispatch.live", "dispatch goes to workers that have ended", 1_000),
    Tooth("begin.incarnation+begin.dispatch_no", "begin takes what went to another", 2_000),
    Tooth("begin.run_id+begin.dispatch_no", "begin takes over a run of its own", 5_000),
    Tooth("begin.hold", "begin goes on while on hold", 1_000),
    Tooth("begin.durable", "a begin may be lost in a crash", 1_000),
    Tooth("finish.run_id", "finish of another run of the task", 2_000),
    Tooth("finish.status", "finish of what has ended", 1_000),
    Tooth("finish.durable", "an end may be lost in a crash", 100),
    Tooth("retry.status", "retry of what has ended", 2_000),
    Tooth("retry.max_attempts", "retry without an attempt left", 2_000),
    Tooth("release.run_id", "release of another run", 5_000),
    Tooth("release.status", "release of what has ended", 1_000),
    Tooth("hand_back.status", "hand back what has begun", 2_000),
    Tooth("take_back.status", "take back what has begun", 2_000),
    Tooth("cancel.status", "cancel ends what runs", 100),
    Tooth("create.durable", "a create may be lost in a crash", 100),
    Tooth("reap.beat_no", "the reaper does not look for a beat", 5_000),
    Tooth("adopt.unknown", "adopt lets unknown dispatches be", 2_000),
    Tooth("witness", "workers do not testify", 1_000),
    Tooth("lease", "a body starts though the lease is over", 2_000),
)


def bite(teeth: Sequence[Tooth] = TEETH) -> Iterator[Bite]:
    """Leave out one after the other."""
    for tooth in teeth:
        began, found = perf_counter(), (None, "")
        for no in range(tooth.seeds):
            result = Scene(FIRST_SEED + no, dropped=tooth.dropped).run()
            if no % 20 == 0:
                gc.collect()
            if result.violation:
                found = (no + 1, result.violation)
                break
        yield Bite(tooth, *found, perf_counter() - began)


HEAD: Final = f"{'left out':<38}{'found after':>12} {'of':>6} seeds  what was seen"


def row(bite: Bite) -> str:
    """A row of the table."""
    after = "NOT FOUND" if bite.seeds is None else f"{bite.seeds:,}"
    return f"{bite.tooth.fences:<38}{after:>12} {bite.tooth.seeds:>6,} seeds  {bite.violation[:70]}"

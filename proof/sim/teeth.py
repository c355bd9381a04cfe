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
    Tooth("dispatch.status", "dispatch hands out what is not pending", 40),
    Tooth("dispatch.due", "dispatch hands out before it is due", 40),
    Tooth("dispatch.live", "dispatch goes to workers that have ended", 200),
    Tooth("home+dispatch.hold", "tasks are handed out while on hold", 40),
    Tooth("home+begin.hold", "tasks begin while on hold", 200),
    Tooth("begin.durable", "a begin may be lost in a crash", 200),
    Tooth("finish.run_id", "an end is written to another run of the task", 400),
    Tooth("finish.status", "an end is written to what has ended", 400),
    Tooth("finish.durable", "an end may be lost in a crash", 400),
    Tooth("retry.status", "what has ended runs again", 400),
    Tooth("allowance+retry.max_attempts", "it runs again without an attempt left", 40),
    Tooth("release.status", "what has ended is given back", 400),
    Tooth("release.unwanted", "what shall end is given back to be started", 400),
    Tooth("cancel.status", "cancel ends what runs", 40),
    Tooth("create.durable", "a create may be lost in a crash", 40),
    Tooth("witness", "workers do not testify", 400),
    Tooth("fenced+lease", "a body starts though the lease is over", 400),
)
"""Fences whose lack needs an order that scenes hardly ever play are not among them. That the fake
database has these as the real one has them, the twin run shows."""


def bite(teeth: Sequence[Tooth] = TEETH) -> Iterator[Bite]:
    """Leave out one after the other."""
    for tooth in teeth:
        began, seeds, violation = perf_counter(), None, ""
        for no in range(tooth.seeds):
            result = Scene(FIRST_SEED + no, dropped=tooth.dropped).run()
            if no % 20 == 0:
                gc.collect()
            if result.violation:
                seeds, violation = no + 1, result.violation
                break
        yield Bite(tooth, seeds, violation, perf_counter() - began)


HEAD: Final = f"{'left out':<38}{'found after':>12} {'of':>6} seeds  what was seen"


def row(bite: Bite) -> str:
    """A row of the table."""
    after = "NOT FOUND" if bite.seeds is None else f"{bite.seeds:,}"
    return f"{bite.tooth.fences:<38}{after:>12} {bite.tooth.seeds:>6,} seeds  {bite.violation[:70]}"

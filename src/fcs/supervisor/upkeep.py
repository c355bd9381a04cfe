"""What a supervisor does besides dispatching: end lost workers, chase what is not begun."""

import logging
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.domain.facts import TakenBack, Waiting
from fcs.domain.ids import Incarnation
from fcs.domain.lease import Suspect
from fcs.domain.settings import Settings

log = logging.getLogger(__name__)

CHASE_MAX = 200
"""Overdue dispatches looked at in one go: as many as one hint can name."""


async def reap(db: Connection, suspect: Suspect, *, lease: float) -> list[Waiting] | None:
    """End a silent worker and move its tasks; return those that are pending again.

    `None`: it beat in the meantime, it left, or another supervisor has it in hand.
    """
    async with db.transaction():
        # The worker's row first: a beat that was under way now waits, or has already won.
        if not await workers.lock_worker(db, suspect.incarnation, beat_no=suspect.beat_no):
            return None
        reason = f"its worker was silent for longer than the lease of {lease:g} s"
        moved = await tasks.reap(db, suspect.incarnation, reason=reason)
        await workers.end_worker(db, suspect.incarnation, state="lost")
    log.warning(
        "worker lost: incarnation=%s interrupted=%d returned=%d",
        suspect.incarnation,
        len(moved.interrupted),
        len(moved.returned),
    )
    for task_id in moved.interrupted:
        log.warning(
            "task interrupted: task=%s; look at its effects before creating it anew", task_id
        )
    return moved.returned


async def chase(
    db: Connection, incarnations: Sequence[Incarnation], settings: Settings
) -> TakenBack | None:
    """Look after dispatches that were not begun: hint once more, or take them back.

    `None` when there was nothing to take back.
    """
    found = await tasks.overdue(
        db, incarnations, seconds=settings.hint_again_after, limit=CHASE_MAX
    )
    stale = [dispatch for dispatch in found if dispatch.age >= settings.take_back_after]
    fresh = [dispatch for dispatch in found if dispatch.age < settings.take_back_after]
    for incarnation, dispatches in groupby(
        sorted(fresh, key=attrgetter("incarnation")), key=attrgetter("incarnation")
    ):
        await tasks.hint_again(db, incarnation, [dispatch.id for dispatch in dispatches])
    if not found:
        # The account says that something is under way, and no row bears it out.
        await workers.settle_accounts(db, incarnations)
    if not stale:
        return None
    returned = await tasks.take_back(db, stale)
    for dispatch in stale:
        log.warning(
            "task taken back, not begun in time: task=%s incarnation=%s seconds=%.0f",
            dispatch.id,
            dispatch.incarnation,
            dispatch.age,
        )
    return TakenBack(returned, frozenset(dispatch.incarnation for dispatch in stale))

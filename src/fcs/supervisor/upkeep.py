"""What a supervisor does besides dispatching: end lost workers, chase what is not begun."""

import logging
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.database.tasks import Reaped
from fcs.domain.facts import TakenBack, Waiting
from fcs.domain.ids import Incarnation, WorkerId
from fcs.domain.lease import Suspect
from fcs.domain.settings import Settings

log = logging.getLogger(__name__)

CHASE_MAX = 200
"""Overdue dispatches looked at in one go: as many as one hint can name."""


async def reap(
    db: Connection, suspect: Suspect, worker_id: WorkerId, settings: Settings
) -> list[Waiting] | None:
    """End a silent worker and move its tasks; return those that are pending again.

    `None`: it beat in the meantime, it left, or another supervisor has it in hand.
    """
    async with db.transaction():
        # The worker's row first: a beat that was under way now waits, or has already won.
        if not await workers.lock_worker(db, suspect.incarnation, beat_no=suspect.beat_no):
            return None
        reason = f"its worker was silent for longer than the lease of {settings.lease:g} s"
        moved = await tasks.reap(db, suspect.incarnation, reason=reason)
        await workers.end_worker(db, suspect.incarnation, state="lost")
    log.warning(
        "worker lost: worker=%s incarnation=%s interrupted=%d returned=%d",
        worker_id,
        suspect.incarnation,
        len(moved.interrupted),
        len(moved.returned),
    )
    _mourn(moved)
    return moved.returned


async def reap_strangers(db: Connection) -> None:
    """Move the tasks of those whose row somebody has removed; they can never show up again."""
    for incarnation in await workers.strangers(db):
        moved = await tasks.reap(db, incarnation, reason="its worker is not known any more")
        log.warning(
            "tasks were held by nobody: incarnation=%s interrupted=%d returned=%d",
            incarnation,
            len(moved.interrupted),
            len(moved.returned),
        )
        _mourn(moved)


def _mourn(moved: Reaped) -> None:
    for task_id in moved.interrupted:
        log.warning(
            "task interrupted: task=%s; look at its effects before creating it anew", task_id
        )
    for task_id in moved.retried:
        log.warning("task interrupted, and will run again as it asked for: task=%s", task_id)


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
    if not stale:
        return None
    returned = await tasks.take_back(db, stale)
    # The others were begun in the last moment, and their workers are not to blame.
    back = {task.id for task in returned}
    unanswered = [dispatch for dispatch in stale if dispatch.id in back]
    for dispatch in unanswered:
        log.warning(
            "task taken back, not begun in time: task=%s incarnation=%s seconds=%.0f",
            dispatch.id,
            dispatch.incarnation,
            dispatch.age,
        )
    return TakenBack(returned, frozenset(dispatch.incarnation for dispatch in unanswered))

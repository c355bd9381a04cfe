"""Firing: schedules whose time has come get their tasks, each moment at most once.

A schedule moves on by a compare-and-set on the moment it was to fire at, in one transaction with
the tasks that it creates. So whoever else fires at the same time changes nothing.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import msgspec

from fcs.database import schedules, tasks, timetable
from fcs.database.connect import Connection
from fcs.database.line import is_refusal
from fcs.database.schedules import Due, Fire, Firing
from fcs.domain.errors import InvalidInput
from fcs.domain.ids import ENTROPY_BYTES, TaskId, uuid7
from fcs.domain.schedule import next_step
from fcs.domain.task import NewTask
from fcs.domain.text import safe_text

log = logging.getLogger(__name__)

BATCH_MAX = 100
"""So many schedules fire in one transaction at the most."""

TASKS_MAX = 1_000
"""So many tasks are created in one transaction at the most, so that a leader never fires for as
long as its lease: the term would end, and the next one begin with the same."""

HELD_PAUSE = 1.0
"""Seconds after which to try again what somebody else holds."""

LOOK_AFTER_INTERVAL = 60.0

FORGET_FIRES_AFTER = 7 * 86_400.0
"""Longer than any clock is ever set back by."""

FORGET_DECLARATIONS_AFTER = 86_400.0
"""A worker of an old deploy that is away for longer than that counts as a new deploy."""


async def fire_due(db: Connection, *, rng: Random) -> float | None:
    """Fire what is due, or some of it.

    Returns after how many seconds to fire again, at once if that is not above zero; `None` when
    nothing waits.
    """
    found = await _fire_step(db, rng)
    wait = await schedules.until_next(db)
    return HELD_PAUSE if wait is not None and wait <= 0 and not found else wait


async def look_after(db: Connection) -> float:
    """Let schedules follow the code of live workers, and forget what is long past.

    Returns after how many seconds to do so again.
    """
    if not await timetable.settle(db, forget_after=FORGET_DECLARATIONS_AFTER):
        return HELD_PAUSE
    await schedules.forget_fires(db, seconds=FORGET_FIRES_AFTER)
    return LOOK_AFTER_INTERVAL


class _Ready(NamedTuple):
    """A schedule, what becomes of it, and the tasks that it is to create."""

    due: Due
    firing: Firing
    tasks: list[NewTask]


async def _fire_step(db: Connection, rng: Random) -> bool:
    """`False`: nothing is due but what somebody else holds."""
    ready: list[_Ready] = []
    try:
        async with db.transaction():
            due = await schedules.hold_due(db, limit=BATCH_MAX)
            ready = await _prepare_step(db, due, rng)
            wanted = await _create(db, ready)
    except Exception as error:
        if not ready or not is_refusal(error):
            raise
        # One of them makes a task that cannot be: let each answer for itself.
        for one in ready:
            await _fire_alone(db, one)
        return True
    _tell(ready, wanted)
    return bool(due)


async def _prepare_step(db: Connection, due: Sequence[Due], rng: Random) -> list[_Ready]:
    """What the first of them fire, so that it is no more than `TASKS_MAX` tasks."""
    ready: list[_Ready] = []
    left = TASKS_MAX
    for schedule in due:
        if not left:
            break
        try:
            ready.append(_prepare(schedule, rng, limit=left))
        except (InvalidInput, msgspec.MsgspecError) as error:
            await _set_aside(db, schedule, error)
        else:
            left -= len(ready[-1].tasks)
    return ready


def _prepare(due: Due, rng: Random, *, limit: int) -> _Ready:
    rule, now = due.definition.rule, due.now
    moments, next_fire_at = next_step(
        rule, due.definition.catch_up, next_fire_at=due.next_fire_at, now=now, limit=limit
    )
    if not moments or moments[0] > due.next_fire_at:
        log.warning("missed fires are left out: schedule=%s since=%s", due.name, due.next_fire_at)
    fires = [Fire(moment, _new_id(now, no, rng)) for no, moment in enumerate(moments)]
    new = [due.definition.task(fire.task_id, fire.fire_at) for fire in fires]
    return _Ready(due, Firing(due.name, due.next_fire_at, next_fire_at, fires), new)


async def _create(db: Connection, ready: Sequence[_Ready]) -> set[TaskId]:
    if not ready:
        return set()
    wanted = await schedules.fire(db, [one.firing for one in ready])
    new = [task for one in ready for task in one.tasks if task.id in wanted]
    if new:
        await tasks.create(db, new)
    return wanted


async def _fire_alone(db: Connection, one: _Ready) -> None:
    try:
        async with db.transaction():
            wanted = await _create(db, [one] if await _hold(db, one) else [])
    except Exception as error:
        if not is_refusal(error):
            raise
        async with db.transaction():
            if await _hold(db, one):
                await _set_aside(db, one.due, error)
    else:
        _tell([one], wanted)


async def _hold(db: Connection, one: _Ready) -> bool:
    """Hold it once more: the transaction that was refused has let go of it."""
    return bool(await schedules.hold_due(db, limit=1, only=one.due.name))


def _tell(ready: Sequence[_Ready], wanted: set[TaskId]) -> None:
    for one in ready:
        if fired := [task.id for task in one.tasks if task.id in wanted]:
            log.info(
                "schedule fired: schedule=%s tasks=%d first=%s", one.due.name, len(fired), fired[0]
            )


async def _set_aside(db: Connection, schedule: Due, error: Exception) -> None:
    """Pause what cannot be fired, so that it stands in nobody's way and everybody can see why."""
    why = safe_text(error)[:1_000]
    log.error("schedule paused, it cannot be fired: schedule=%s reason=%s", schedule.name, why)
    await schedules.pause(db, schedule.name, by="supervisor", why=why)


def _new_id(now: datetime, no: int, rng: Random) -> TaskId:
    """Ids that sort as the moments of a step do, although all are made now."""
    unix_ms = int(now.astimezone(UTC).timestamp() * 1_000) + no
    return TaskId(uuid7(unix_ms, rng.randbytes(ENTROPY_BYTES)))

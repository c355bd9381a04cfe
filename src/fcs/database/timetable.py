"""Acts on schedules that take a look, a computation and a write.

The computation is the domain's, from the database's time. Whoever was overtaken between the look
and the write looks again. Each act may be sent twice.
"""

import logging
from collections.abc import Callable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec
from psycopg.errors import LockNotAvailable

from fcs.database import backlog, schedules, tasks
from fcs.database.connect import Connection
from fcs.database.schedules import Declaration
from fcs.domain.errors import DeclaredInCode, InvalidInput, ScheduleExists, ScheduleNotFound
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.schedule import Definition, ScheduleView, Source, is_name, prevailing

log = logging.getLogger(__name__)

LOCK_PATIENCE = 0.2
"""Seconds for which a supervisor waits for a lock: meanwhile it does nothing else."""


async def find(db: Connection, name: str) -> ScheduleView:
    """A schedule by its name. Raises `ScheduleNotFound`."""
    _refuse_strange(name)
    for view in await schedules.list_schedules(db, limit=1, only=name):
        return view
    raise _missing(name)


async def create(db: Connection, name: str, definition: Definition) -> ScheduleView:
    """Add a schedule. Raises `ScheduleExists` when one of that name says something else."""
    next_fire_at = definition.rule.next_after(await backlog.now(db))
    created = await schedules.create_schedule(db, name, definition, next_fire_at=next_fire_at)
    view = await find(db, name)
    if not created and (view.source is Source.CODE or view.definition.digest != definition.digest):
        raise ScheduleExists(
            f"there is a schedule {name!r} already, and it says something else",
            hint=f"Look at it:  fcs schedule show {name}",
        )
    return view


async def change(
    db: Connection, name: str, changed: Callable[[ScheduleView], Definition]
) -> ScheduleView:
    """Let a schedule say something else. A new rule counts from now on.

    Raises `ScheduleNotFound`, or `DeclaredInCode`.
    """
    while True:
        view = await find(db, name)
        if view.source is Source.CODE:
            raise DeclaredInCode(
                f"schedule {name!r} is declared in code",
                hint="Change it there; here it can be paused, resumed and run.",
            )
        definition = changed(view)
        next_fire_at = definition.rule.next_after(await backlog.now(db))
        if await schedules.edit(
            db, name, definition, next_fire_at=next_fire_at, as_of=view.updated_at
        ):
            return await find(db, name)


async def pause(db: Connection, name: str, *, by: str, why: str) -> ScheduleView:
    """Let a schedule rest. Raises `ScheduleNotFound`."""
    _refuse_strange(name)
    if not await schedules.pause(db, name, by=by, why=why):
        raise _missing(name)
    return await find(db, name)


async def resume(db: Connection, name: str) -> ScheduleView:
    """Let a schedule go on from now; what it would have fired meanwhile is not made up for.

    Raises `ScheduleNotFound`.
    """
    while True:
        view = await find(db, name)
        if view.paused_at is None:
            return view
        next_fire_at = view.definition.rule.next_after(await backlog.now(db))
        await schedules.resume(db, name, next_fire_at=next_fire_at, as_of=view.updated_at)


async def run_now(db: Connection, name: str, id: TaskId) -> None:
    """Create a task of a schedule, beside its rule. Raises `ScheduleNotFound`."""
    view = await find(db, name)
    await tasks.create(db, [view.definition.task(id, None)])


async def remove(db: Connection, name: str) -> None:
    """Delete a schedule. Raises `ScheduleNotFound`, or `DeclaredInCode`."""
    _refuse_strange(name)
    if not await schedules.delete_schedule(db, name):
        await find(db, name)
        raise DeclaredInCode(
            f"schedule {name!r} is declared in the code of a live worker, which would bring it"
            " back",
            hint="Remove it there first; until then it can be paused.",
        )


class Settled(NamedTuple):
    """What a schedule that is declared in code follows: another source, or a digest."""

    source: Source
    digest: str | None


async def declare(
    db: Connection, incarnation: Incarnation, definitions: Mapping[str, Definition]
) -> dict[str, Settled]:
    """Write down what a live worker's code says of schedules, and let the last deploy win."""
    async with db.transaction():
        await schedules.lock_declarations(db)
        await schedules.declare(db, incarnation, dict(definitions))
        return await _settle(db)


async def settle(db: Connection, *, forget_after: float) -> bool:
    """Let schedules follow what live workers declare, and forget what none has for long.

    `False`: nothing was done, for somebody holds what it takes.
    """
    try:
        async with db.transaction():
            await schedules.limit_waits(db, seconds=LOCK_PATIENCE)
            await schedules.lock_declarations(db)
            await schedules.see_declarations(db)
            await schedules.forget_declarations(db, seconds=forget_after)
            await _settle(db)
    except LockNotAvailable:
        return False
    return True


async def _settle(db: Connection) -> dict[str, Settled]:
    settled = {}
    everything = await schedules.declared(db)
    for name, found in groupby(everything, key=attrgetter("schedule")):
        declarations: list[Declaration] = list(found)
        source, current = declarations[0].source, declarations[0].current
        digest = prevailing((found.declared for found in declarations), current)
        if source is not Source.API and digest is not None and digest != current:
            said = next(one for one in declarations if one.declared.digest == digest)
            if not await _adopt(db, name, said):
                digest = current
        settled[name] = Settled(source or Source.CODE, digest)
    return settled


async def _adopt(db: Connection, name: str, said: Declaration) -> bool:
    try:
        definition = msgspec.json.decode(said.definition_text, type=Definition)
        next_fire_at = definition.rule.next_after(await backlog.now(db))
    except (msgspec.MsgspecError, InvalidInput) as error:
        # Of a worker that knows other zones than this process does.
        log.warning("declaration cannot be read here: schedule=%s reason=%s", name, error)
        return False
    log.info("schedule follows the code: schedule=%s rule=%s", name, definition.rule.in_words())
    return await schedules.adopt(
        db, name, definition, digest=said.declared.digest, next_fire_at=next_fire_at
    )


def _refuse_strange(name: str) -> None:
    """What cannot be a name may not even be a text that Postgres takes."""
    if not is_name(name):
        raise _missing(name)


def _missing(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(
        f"there is no schedule {name[:200]!r}", hint="`fcs schedules` shows what is there."
    )

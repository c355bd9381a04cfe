"""Schedules in the database: one function for each statement of `queries/schedules.sql`.

What takes a look, a computation and a write is in `timetable.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg.types.json import Jsonb

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.schedule import ON_TIME, CatchUp, Declared, Definition, ScheduleView, Source

_SQL = load("schedules")
_json = msgspec.json.Encoder()


class Due(NamedTuple):
    """A schedule whose time has come, by the database's time `now`."""

    name: str
    definition: Definition
    next_fire_at: datetime
    now: datetime


class Fire(msgspec.Struct, frozen=True):
    fire_at: datetime
    task_id: TaskId


class Firing(msgspec.Struct, frozen=True):
    """A schedule to move on from the moment it `was` to fire at, and what it fires."""

    name: str
    was: datetime
    next_fire_at: datetime
    fires: list[Fire]


class Declaration(NamedTuple):
    """What is declared for a schedule; `source` and `current` are those of the schedule itself."""

    schedule: str
    declared: Declared
    definition_text: str
    source: Source | None
    current: str | None


async def create_schedule(
    db: Connection, name: str, definition: Definition, *, next_fire_at: datetime
) -> bool:
    """Add a schedule that is not declared in code; `False` if the name is taken."""
    params = _params(definition) | {"name": name, "next_fire_at": next_fire_at}
    return (await db.execute(_SQL["create_schedule"], params)).rowcount == 1


async def adopt(
    db: Connection, name: str, definition: Definition, *, digest: str, next_fire_at: datetime
) -> bool:
    """Let a schedule of code say this; `False` if it is not one, or says so already."""
    params = _params(definition) | {"name": name, "digest": digest, "next_fire_at": next_fire_at}
    return (await db.execute(_SQL["adopt"], params)).rowcount == 1


async def edit(
    db: Connection, name: str, definition: Definition, *, next_fire_at: datetime, as_of: datetime
) -> bool:
    """Let a schedule that was read when it was updated `as_of` say something else."""
    params = _params(definition) | {"name": name, "next_fire_at": next_fire_at, "as_of": as_of}
    return (await db.execute(_SQL["edit"], params)).rowcount == 1


async def pause(db: Connection, name: str, *, by: str, why: str) -> bool:
    """Let a schedule rest; `False` if there is none."""
    params = {"name": name, "by": by, "why": why}
    return (await db.execute(_SQL["pause"], params)).rowcount == 1


async def resume(db: Connection, name: str, *, next_fire_at: datetime, as_of: datetime) -> bool:
    """Let a paused schedule go on that was read when it was updated `as_of`."""
    params = {"name": name, "next_fire_at": next_fire_at, "as_of": as_of}
    return (await db.execute(_SQL["resume"], params)).rowcount == 1


async def delete_schedule(db: Connection, name: str) -> bool:
    """Remove a schedule; `False` if there is none, or a live worker declares it."""
    return (await db.execute(_SQL["delete_schedule"], {"name": name})).rowcount == 1


async def list_schedules(
    db: Connection, *, limit: int, after: str | None = None, only: str | None = None
) -> list[ScheduleView]:
    """A page of schedules by name, starting after a name; or the one that has it."""
    params = {"limit": limit, "after": after, "only": only}
    cursor = await db.execute(_SQL["list_schedules"], params)
    return [_view(*row) for row in await cursor.fetchall()]


async def hold_due(db: Connection, *, limit: int, only: str | None = None) -> list[Due]:
    """Hold schedules whose time has come, in the caller's transaction, but for those held already.

    The earliest come first, but last those that make up for all.
    """
    params = {"limit": limit, "only": only, "on_time": ON_TIME}
    cursor = await db.execute(_SQL["hold_due"], params)
    return [
        Due(name, _definition(*said), next_fire_at, now)
        for name, *said, next_fire_at, now in await cursor.fetchall()
    ]


async def until_next(db: Connection) -> float | None:
    """For how many seconds no schedule is due; `None` when there is none."""
    row = await (await db.execute(_SQL["until_next"])).fetchone()
    return row[0] if row else None


async def fire(db: Connection, firings: Sequence[Firing]) -> set[TaskId]:
    """Move schedules on; return the tasks to create, in the same transaction of the caller's."""
    params = {"firings": _json.encode(firings).decode()}
    cursor = await db.execute(_SQL["fire"], params)
    return {row[0] for row in await cursor.fetchall()}


async def forget_fires(db: Connection, *, seconds: float) -> int:
    """Forget the fires of longer ago than `seconds`."""
    return (await db.execute(_SQL["forget_fires"], {"seconds": seconds})).rowcount


async def limit_waits(db: Connection, *, seconds: float) -> None:
    """Let each wait for a lock fail after so long, in the caller's transaction."""
    await db.execute(_SQL["limit_waits"], {"milliseconds": round(seconds * 1_000)})


async def lock_declarations(db: Connection) -> None:
    """Be the only one who decides what the schedules of code say, in the caller's transaction."""
    await db.execute(_SQL["lock_declarations"])


async def declare(
    db: Connection, incarnation: Incarnation, definitions: dict[str, Definition]
) -> None:
    """Write down what the code of a worker says of schedules, by their names."""
    rows = [
        {"schedule": name, "digest": definition.digest, "definition": definition}
        for name, definition in definitions.items()
    ]
    params = {"incarnation": incarnation, "declarations": _json.encode(rows).decode()}
    await db.execute(_SQL["declare"], params)


async def declared(db: Connection) -> list[Declaration]:
    """Everything that is declared, by schedule."""
    cursor = await db.execute(_SQL["declared"])
    return [
        Declaration(
            name, Declared(digest, at, live), text, Source(source) if source else None, current
        )
        for name, digest, at, live, text, source, current in await cursor.fetchall()
    ]


async def see_declarations(db: Connection) -> None:
    """Note which declarations are alive."""
    await db.execute(_SQL["see_declarations"])


async def forget_declarations(db: Connection, *, seconds: float) -> int:
    """Forget what no live worker has declared for `seconds`."""
    return (await db.execute(_SQL["forget_declarations"], {"seconds": seconds})).rowcount


def _params(definition: Definition) -> dict[str, Any]:
    return {
        "cron": definition.cron,
        "tz": definition.tz,
        "ty": definition.ty,
        "args": bytes(definition.args).decode(),
        "options": Jsonb(definition.options),
        "catch_up": str(definition.catch_up),
    }


def _definition(
    cron: str, tz: str, ty: str, args_text: str, options: dict[str, Any], catch_up: str
) -> Definition:
    return Definition(
        cron=cron,
        tz=tz,
        ty=ty,
        args=msgspec.Raw(args_text.encode()),
        options=options,
        catch_up=CatchUp(catch_up),
    )


def _view(name: str, *row: Any) -> ScheduleView:
    said, (source, *rest) = row[:6], row[6:]
    return ScheduleView(name, _definition(*said), Source(source), *rest)

"""Creating tasks, tied to something or not: `queries/creation.sql`, and the way to it.

A request is what one caller asks for at once: its tasks come to be all or none, and share a key
if it has one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from fcs.database import parts, tasks
from fcs.database.ahead import Ahead, SyncAhead
from fcs.database.carrier import Carrier, Rows, SyncCarrier, carrier_of, sync_carrier_of
from fcs.database.connect import Connection, put_off
from fcs.database.sql import load
from fcs.domain.errors import KeyInFlight, KeyReused, NeedsNotFound, Problem
from fcs.domain.ids import TaskId
from fcs.domain.keys import fingerprint
from fcs.domain.task import NewTask, are_alike

_SQL = load("creation")
_json = msgspec.json.Encoder()

ALIKE_MIN: Final = 201
"""Fewer are named in the hint, so that the supervisor need not look for them."""

_MISSING_SHOWN = 5
_LOCK_TIMEOUT: Final = "55P03"


class Created(NamedTuple):
    """The tasks that a request stands for. A replay created none: they were there before."""

    ids: list[TaskId]
    is_replay: bool = False


def is_linked(new: Sequence[NewTask]) -> bool:
    """Whether a request needs the longer statement."""
    return any(task.key is not None or task.after for task in new)


async def add(connection: Connection | Carrier, new: Sequence[NewTask]) -> Created:
    """Create the tasks of a request, by whichever statement it needs.

    Raises as `create_linked` does.
    """
    if is_linked(new):
        return await create_linked(connection, new)
    await add_untied(connection, new)
    return as_asked(new)


def add_sync(connection: psycopg.Connection[Any] | SyncCarrier, new: Sequence[NewTask]) -> Created:
    """The twin of `add` for code without an event loop."""
    if is_linked(new):
        return create_linked_sync(connection, new)
    add_untied_sync(connection, new)
    return as_asked(new)


async def add_untied(connection: Connection | Carrier, new: Sequence[NewTask]) -> int:
    """Create tasks that are tied to nothing, all or none; return how many are new."""
    if is_plain(new):
        return await create_plain(connection, new[0])
    create = create_alike if _are_many_alike(new) else tasks.create
    return await create(connection, new)


def add_untied_sync(
    connection: psycopg.Connection[Any] | SyncCarrier, new: Sequence[NewTask]
) -> int:
    """The twin of `add_untied` for code without an event loop."""
    if is_plain(new):
        return create_plain_sync(connection, new[0])
    create = create_alike_sync if _are_many_alike(new) else tasks.create_sync
    return create(connection, new)


async def add_parts(connection: Connection, request: Iterable[Sequence[NewTask]]) -> Created:
    """Create the tasks of a request, all or none: a part is written while the next is made ready.

    The parts, tied to nothing, are asked for from the first one on whenever this is called. However
    many there are, each has as much time as any answer.
    """
    ids: list[TaskId] = []
    async with connection.transaction(), connection.pipeline():
        for part in request:
            await add_untied(Ahead(connection), part)
            put_off(connection)
            ids += [task.id for task in part]
    return Created(ids)


def add_parts_sync(
    connection: psycopg.Connection[Any], request: Iterable[Sequence[NewTask]]
) -> Created:
    """The twin of `add_parts` for code without an event loop."""
    ids: list[TaskId] = []
    with connection.transaction(), connection.pipeline():
        for part in request:
            add_untied_sync(SyncAhead(connection), part)
            ids += [task.id for task in part]
    return Created(ids)


async def create_plain(db: Connection | Carrier, task: NewTask) -> int:
    """Add a task of which nothing is chosen but its type and arguments, as `tasks.create` does any.

    Returns how many are new: none if its id was there already.
    """
    return await parts.write(carrier_of(db), _SQL["create_plain"], [_plain(task)])


def create_plain_sync(db: psycopg.Connection[Any] | SyncCarrier, task: NewTask) -> int:
    """The twin of `create_plain` for code without an event loop."""
    return parts.write_sync(sync_carrier_of(db), _SQL["create_plain"], [_plain(task)])


async def create_alike(db: Connection | Carrier, new: Sequence[NewTask]) -> int:
    """Add tasks that differ in nothing but their ids and arguments, as `tasks.create` does any.

    Returns how many are new.
    """
    return await parts.write(carrier_of(db), _SQL["create_alike"], _columns(new))


def create_alike_sync(db: psycopg.Connection[Any] | SyncCarrier, new: Sequence[NewTask]) -> int:
    """The twin of `create_alike` for code without an event loop."""
    return parts.write_sync(sync_carrier_of(db), _SQL["create_alike"], _columns(new))


async def create_linked(db: Connection | Carrier, new: Sequence[NewTask]) -> Created:
    """Create the tasks of a request, or find those that its key stands for.

    Raises `KeyReused` when that was another request, `KeyInFlight` when its transaction has not
    ended yet, and `NeedsNotFound` when a needed task is not there. Nothing is created then.
    """
    try:
        return _answer(new, await carrier_of(db).run(_SQL["create_linked"], _request(new)))
    except Exception as error:
        if _is_lock_timeout(error):
            raise _in_flight(new) from error
        raise


def create_linked_sync(
    db: psycopg.Connection[Any] | SyncCarrier, new: Sequence[NewTask]
) -> Created:
    """The twin of `create_linked` for code without an event loop."""
    try:
        return _answer(new, sync_carrier_of(db).run(_SQL["create_linked"], _request(new)))
    except Exception as error:
        if _is_lock_timeout(error):
            raise _in_flight(new) from error
        raise


async def forget_keys(db: Connection, *, seconds: float, limit: int) -> int:
    """Let go of keys whose tasks were deleted so long ago; return how many were looked at."""
    cursor = await db.execute(_SQL["forget_keys"], {"seconds": seconds, "limit": limit})
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def as_asked(new: Sequence[NewTask]) -> Created:
    return Created([task.id for task in new])


def is_plain(new: Sequence[NewTask]) -> bool:
    """Whether it is one task, and all that can be chosen is as usual."""
    return len(new) == 1 and len(tasks.options_of(new[0])) == 1


def _plain(task: NewTask) -> Mapping[str, str]:
    return {"id": str(task.id), "ty": task.ty, "args": task.args.decode()}


def _are_many_alike(new: Sequence[NewTask]) -> bool:
    return len(new) >= ALIKE_MIN and are_alike(new)


def _columns(new: Sequence[NewTask]) -> list[dict[str, str]]:
    return [
        {
            "shared": _json.encode(tasks.options_of(part[0])).decode(),
            "ids": "{" + _json.encode([task.id for task in part])[1:-1].decode() + "}",
            "args": "[" + b",".join([task.args for task in part]).decode() + "]",
        }
        for part in parts.cut(new)
    ]


def _request(new: Sequence[NewTask]) -> Mapping[str, str]:
    key = new[0].key
    request = {
        "key": key,
        "fingerprint": None if key is None else fingerprint(new),
        "tasks": [tasks.as_row(task) for task in new],
    }
    return {"request": _json.encode(request).decode()}


def _answer(new: Sequence[NewTask], rows: Rows) -> Created:
    [(ids, is_reused, missing, *_)] = rows
    if is_reused:
        raise key_reused(new, ids)
    is_replay = ids[0] != new[0].id
    if missing and not is_replay:
        raise _not_found(missing)
    return Created(ids, is_replay)


def key_reused(new: Sequence[NewTask], ids: Sequence[TaskId]) -> KeyReused:
    """The error for a request whose key stands for the tasks of another one."""
    return KeyReused(
        f"key {new[0].key!r} was used before, for another request: it stands for task {ids[0]}",
        hint="Give a new request a new key; under the same key ask for exactly the same.",
    )


def _not_found(missing: Sequence[TaskId]) -> NeedsNotFound:
    shown = ", ".join(str(id) for id in missing[:_MISSING_SHOWN])
    more = f" and {len(missing) - _MISSING_SHOWN} more" if len(missing) > _MISSING_SHOWN else ""
    message = f"it is to wait for tasks that are not there: {shown}{more}"
    return NeedsNotFound(
        f"The task cannot be created: {message}.",
        hint="A task can only wait for one that was created before it; that may have been deleted.",
        problems=[Problem("/after", message)],
    )


def _is_lock_timeout(error: BaseException | None) -> bool:
    """Every library has errors of its own; what Postgres said is in them or in their cause."""
    while error is not None and getattr(error, "sqlstate", None) != _LOCK_TIMEOUT:
        error = error.__cause__
    return error is not None


def _in_flight(new: Sequence[NewTask]) -> KeyInFlight:
    return KeyInFlight(
        f"the first request with key {new[0].key!r} is still in flight: its transaction is open",
        hint="Ask again in a moment, for the same under the same key.",
    )

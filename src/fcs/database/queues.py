"""Queues in the database: one function for each statement of `queries/queues.sql`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection
from fcs.database.insights import COUNT_MAX
from fcs.database.sql import load
from fcs.domain.facts import Held, Limit, QueueRules
from fcs.domain.ids import TaskId

_SQL = load("queues")
_json = msgspec.json.Encoder()

NAMES_MAX = 1_000


class QueueView(msgspec.Struct, frozen=True):
    """A queue as people and programs look at it. Counts stop at `COUNT_MAX`.

    `due` and `scheduled` tasks wait; workers hold the `held` ones, dispatched and running. A
    rate is in starts per second; the limits that begin with `key_` are those of each limit key.
    """

    name: str
    due: int
    scheduled: int
    held: int
    paused_at: datetime | None
    paused_by: str
    paused_why: str
    running_max: int | None
    rate: float | None
    burst: int | None
    key_running_max: int | None
    key_rate: float | None
    key_burst: int | None
    updated_at: datetime | None


async def rules(db: Connection) -> list[QueueRules]:
    """The rules of all queues that have any."""
    cursor = await db.execute(_SQL["rules"])
    return [
        QueueRules(name, is_paused, Limit(*limits[:3]), Limit(*limits[3:]))
        for name, is_paused, *limits in await cursor.fetchall()
    ]


async def held_in(db: Connection, queues: Collection[str]) -> list[Held]:
    """What is dispatched or running in some queues."""
    cursor = await db.execute(_SQL["held_in"], {"queues": list(queues)})
    return [Held(*row) for row in await cursor.fetchall()]


async def still_held(db: Connection, ids: Collection[TaskId]) -> frozenset[TaskId]:
    """Which of these tasks are dispatched or running."""
    cursor = await db.execute(_SQL["still_held"], {"task_ids": UuidArray(ids)}, binary=True)
    return frozenset(row[0] for row in await cursor.fetchall())


async def pause(db: Connection, queue: str, *, by: str, why: str) -> None:
    """Hand out no more tasks of a queue."""
    await db.execute(_SQL["pause"], {"queue": queue, "by": by, "why": why})


async def resume(db: Connection, queue: str) -> bool:
    """Hand out the tasks of a queue again; `False` if it was not paused."""
    return (await db.execute(_SQL["resume"], {"queue": queue})).rowcount == 1


async def set_limits(db: Connection, queue: str, changes: Mapping[str, float | None]) -> bool:
    """Change some limits, by the names that `QueueView` has for them; `None` is no limit.

    `False` if there is nobody to keep them.
    """
    params = {"queue": queue, "changes": _json.encode(changes).decode()}
    return (await db.execute(_SQL["set_limits"], params)).rowcount == 1


async def names(db: Connection, *, limit: int = NAMES_MAX) -> list[str]:
    """Which queues there are: with rules, with something that waits, or named by a worker."""
    cursor = await db.execute(_SQL["names"], {"limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def look(db: Connection, queues: Sequence[str]) -> list[QueueView]:
    """These queues as they are now, whether they have rules or not."""
    cursor = await db.execute(_SQL["look"], {"queues": list(queues), "count_max": COUNT_MAX})
    return [QueueView(*row) for row in await cursor.fetchall()]


async def depth(db: Connection, queue: str) -> int:
    """How many tasks of a queue are due, counted up to `COUNT_MAX`."""
    row = await (
        await db.execute(_SQL["depth"], {"queue": queue, "count_max": COUNT_MAX})
    ).fetchone()
    assert row is not None
    return int(row[0])

"""The backlog in the database: one function for each statement of `queries/backlog.sql`."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from fcs.database.arrays import UuidArray
from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.database.tasks import waiting
from fcs.domain.facts import Lane, LaneRead, Place, Waiting
from fcs.domain.ids import TaskId

_SQL = load("backlog")
_HEAD = Place(datetime(1970, 1, 1, tzinfo=UTC), TaskId(UUID(int=0)))
_LAST = datetime(9999, 1, 1, tzinfo=UTC)
_BEFORE_ALL = Lane("", "", -32_768)


async def lanes(
    db: Connection, *, limit: int, after: Lane | None = None, known: Collection[Lane] = ()
) -> list[Lane]:
    """The next lanes that have something pending and are not known yet, in their order."""
    params = (after or _BEFORE_ALL)._asdict() | {
        "known_queues": [lane.queue for lane in known],
        "known_types": [lane.ty for lane in known],
        "known_priorities": [lane.priority for lane in known],
        "known_limit_keys": [lane.limit_key for lane in known],
        "limit": limit,
    }
    cursor = await db.execute(_SQL["lanes"], params)
    return [Lane(*row) for row in await cursor.fetchall()]


async def read_on(
    db: Connection,
    reads: Sequence[tuple[Lane, Place | None]],
    *,
    limit: int,
    until: datetime = _LAST,
    slot_bits: Callable[[str, str], bytes] | None = None,
) -> list[LaneRead]:
    """The next tasks of each lane after its place that fall due by `until`, `limit` of each.

    With `slot_bits` those whose hash slot has its bit set, by queue and type.
    """
    places = [place or _HEAD for _, place in reads]
    params = {
        "queues": [lane.queue for lane, _ in reads],
        "types": [lane.ty for lane, _ in reads],
        "priorities": [lane.priority for lane, _ in reads],
        "limit_keys": [lane.limit_key for lane, _ in reads],
        "after_due": [place.due_at for place in places],
        "after_ids": [place.id for place in places],
        "slots": [slot_bits and slot_bits(lane.queue, lane.ty) for lane, _ in reads],
        "limit": limit,
        "until": until,
    }
    found: list[list[Waiting]] = [[] for _ in reads]
    cursor = await db.execute(_SQL["read_on"], params, binary=True)
    for no, id, due_at in await cursor.fetchall():
        found[no - 1].append(Waiting(reads[no - 1][0], due_at, id))
    return [
        LaneRead(lane, after, tasks, exhausted=len(tasks) < limit)
        for (lane, after), tasks in zip(reads, found, strict=True)
    ]


async def find(db: Connection, ids: Sequence[TaskId]) -> list[Waiting]:
    """The named tasks, as far as they are pending."""
    cursor = await db.execute(_SQL["find"], {"task_ids": UuidArray(ids)}, binary=True)
    return [waiting(*row) for row in await cursor.fetchall()]


async def now(db: Connection) -> datetime:
    """The database's clock."""
    row = await (await db.execute(_SQL["now"])).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment

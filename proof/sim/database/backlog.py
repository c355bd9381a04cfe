"""What waits, and the rules for it: as `fcs.database.backlog`, `glance` and `queues`."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from fcs.database.glance import Glance
from fcs.domain.facts import Held, Lane, LaneRead, QueueRules, Waiting
from fcs.domain.facts import Place as LanePlace
from fcs.domain.ids import TaskId
from fcs.domain.ring import slot_of
from fcs.domain.task import Status
from proof.sim.database.tables import HELD, Transaction
from proof.sim.database.tasks import waiting_of

HEAD = LanePlace(datetime(1970, 1, 1, tzinfo=UTC), TaskId(UUID(int=0)))
LAST = datetime(9999, 1, 1, tzinfo=UTC)


def lanes(
    db: Transaction, *, limit: int, after: Lane | None = None, known: Collection[Lane] = ()
) -> list[Lane]:
    """The next lanes that have something pending and are not known yet."""
    found = {
        Lane(row.queue, row.ty, row.priority, row.limit_key)
        for row in db.tables.tasks.values()
        if row.due_at is not None
    }
    return sorted(lane for lane in found if lane not in known and (after is None or lane > after))[
        :limit
    ]


def read_on(
    db: Transaction,
    reads: Sequence[tuple[Lane, LanePlace | None]],
    *,
    limit: int,
    until: datetime = LAST,
    slot_bits: Callable[[str, str], bytes] | None = None,
) -> list[LaneRead]:
    """The next tasks of each lane after its place that fall due by `until`."""
    waiting: dict[Lane, list[tuple[datetime, TaskId]]] = {}
    for row in db.tables.tasks.values():
        if row.due_at is not None:
            lane = Lane(row.queue, row.ty, row.priority, row.limit_key)
            waiting.setdefault(lane, []).append((row.due_at, row.id))
    answer = []
    for lane, after in reads:
        bits = slot_bits(lane.queue, lane.ty) if slot_bits else None
        ahead = sorted(
            place
            for place in waiting.get(lane, ())
            if place > (after or HEAD)
            and place[0] <= until
            and (bits is None or _is_set(bits, slot_of(place[1])))
        )[:limit]
        found = [Waiting(lane, due_at, id) for due_at, id in ahead]
        answer.append(LaneRead(lane, after, found, exhausted=len(found) < limit))
    return answer


def _is_set(bits: bytes, slot: int) -> bool:
    return bool(bits[slot >> 3] >> (slot & 7) & 1)


def find(db: Transaction, ids: Sequence[TaskId]) -> list[Waiting]:
    """The named tasks, as far as they are pending."""
    return [
        waiting_of(row)
        for id in dict.fromkeys(ids)
        if (row := db.tables.tasks.get(id)) and row.status is Status.PENDING
    ]


def glance(db: Transaction) -> Glance:
    """Look at everything that a supervisor looks after."""
    rows = db.tables.tasks.values()
    return Glance(
        has_notes=False,
        has_waiting=any(row.due_at is not None for row in rows),
        has_held=any(row.incarnation is not None for row in rows),
        has_rules=bool(db.tables.queues),
        next_fire=None,
    )


def rules(db: Transaction) -> list[QueueRules]:
    """The rules of all queues that have any."""
    return list(db.tables.queues)


def held_in(db: Transaction, queues: Collection[str]) -> list[Held]:
    """What is dispatched or running in some queues."""
    return [
        Held(row.id, row.queue, row.limit_key, row.incarnation)
        for row in db.tables.tasks.values()
        if row.incarnation is not None and row.queue in queues
    ]


def still_held(db: Transaction, ids: Collection[TaskId]) -> frozenset[TaskId]:
    """Which of these tasks are dispatched or running."""
    rows = db.tables.tasks
    return frozenset(id for id in ids if id in rows and rows[id].status in HELD)

"""A worker's share in hash mode: which tasks fall to it, whom it reaps, what it does for all.

Every worker judges for itself, by the rows of the workers as it last saw them. Views differ for a
while; then a task falls to nobody or to two, and the compare-and-set and the stealing settle it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fcs.domain.facts import Lane, Waiting, WorkerState
from fcs.domain.ids import Incarnation, WorkerId
from fcs.domain.ring import SLOTS, Ring, may_reap, slot_of

STEAL_AFTER = 1.0
"""Seconds for which a due task is left to the worker to which it falls."""

RELIED_ON: Final = 0.5
"""Of a lease: who has been silent for longer may be dead as well, and is not relied on to reap.
Should it live, two try, and one of them does."""

DUTY: Final = 15.0
"""Seconds for which one worker does what has to be done once for all; then it is another's turn.
One that beats but cannot do it, because its seat has no connection, stops it no longer than that.
"""


class Share:
    """What falls to one worker, `me` in its present start `incarnation`."""

    def __init__(self, me: WorkerId, incarnation: Incarnation) -> None:
        self.incarnation = incarnation
        self._me = me
        self._ring = Ring()
        self._live: Sequence[WorkerState] = []
        self._capable: dict[tuple[str, str], frozenset[WorkerId]] = {}

    def survey(self, workers: Sequence[WorkerState]) -> bool:
        """Take in all workers that are there; whether the division among them is another now."""
        live = [row for row in workers if row.state == "live"]
        is_new = [_facts(row) for row in live] != [_facts(row) for row in self._live]
        self._live = live
        if is_new:
            self._capable = {}
            self._ring.keep_only({row.id for row in live})
        return is_new

    def owns(self, task: Waiting) -> bool:
        """Whether a task falls to this worker."""
        return slot_of(task.id) in self.slots(task.lane.queue, task.lane.ty)

    def serves(self, lane: Lane) -> bool:
        """Whether any task of a lane may fall to this worker."""
        return bool(self.slots(lane.queue, lane.ty))

    def slots(self, queue: str, ty: str) -> frozenset[int]:
        """The hash slots whose tasks of a type in a queue fall to this worker."""
        capable = self._capable.get((queue, ty))
        if capable is None:
            capable = self._capable[queue, ty] = frozenset(
                row.id for row in self._live if _can_do(row, queue, ty)
            )
        return self._ring.owned_slots(self._me, capable)

    def slot_bits(self, queue: str, ty: str) -> bytes:
        """The same as bits, slot by slot: the lowest bit of each byte comes first."""
        bits = bytearray(SLOTS // 8)
        for slot in self.slots(queue, ty):
            bits[slot >> 3] |= 1 << (slot & 7)
        return bytes(bits)

    def may_reap(self, suspect: WorkerState, *, lease: float) -> bool:
        """Whether it falls to this worker to end one that is silent."""
        alive = [row.incarnation for row in self._live if row.silent < RELIED_ON * lease]
        return may_reap(
            self.incarnation,
            suspect.incarnation,
            alive,
            silent_leases=max(1.0, suspect.silent / lease),
        )

    def is_on_duty(self, now: datetime, *, lease: float) -> bool:
        """Whether it falls to this worker to do what has to be done once for all."""
        alive = sorted(row.incarnation for row in self._live if row.silent < lease)
        return not alive or self.incarnation == alive[_duty(now) % len(alive)]


def until_relief(now: datetime) -> float:
    """Seconds until it falls to the next worker."""
    return DUTY - now.timestamp() % DUTY


def _duty(now: datetime) -> int:
    return int(now.timestamp() // DUTY)


def _facts(row: WorkerState) -> tuple[object, ...]:
    return row.incarnation, row.id, tuple(row.queues), tuple(row.types)


def _can_do(row: WorkerState, queue: str, ty: str) -> bool:
    return ty in row.types and (not row.queues or queue in row.queues)

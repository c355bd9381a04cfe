"""Strategies: which of the workers that can do a task, and have a free slot, is given it.

A choice is made for the tasks of one type in one queue, among the free slots of one moment.
Choices share these slots: where one has taken the last of a worker, the others find it full.
"""

from enum import StrEnum
from heapq import heapify, heappop, heapreplace
from random import Random
from typing import Protocol, assert_never

from fcs.domain.facts import Lane, WorkerState
from fcs.domain.ids import Incarnation
from fcs.domain.ring import Ring, slot_of_key

SHARE_MAX = 50
"""So many tasks in a row go to one worker at the most; more of them gain nothing."""


class Strategy(StrEnum):
    RANDOM = "random"
    """Any one that is unoccupied."""

    LEAST_LOADED = "least_loaded"
    """The one of whose slots the smallest share is busy; among equals any."""

    STICKY = "sticky"
    """For tasks with a limit key the same one again, as long as it has a slot; else any."""


class Opening:
    """The free slots of one worker."""

    __slots__ = ("free", "incarnation", "row")

    def __init__(self, row: WorkerState, free: int) -> None:
        self.row = row
        self.incarnation = row.incarnation
        self.free = free

    def busy_share(self) -> float:
        return 1 - self.free / self.row.slots_total


class Choice(Protocol):
    """The workers that can do tasks of some type in some queue, and the one that was picked."""

    def pick(self, lane: Lane) -> bool:
        """Pick a worker with a free slot for a task of this lane, if there is one."""

    def take(self) -> Incarnation:
        """Take a slot of the one that was picked."""


def choose(
    strategy: Strategy, capable: list[Opening], *, share: int, rng: Random, ring: Ring
) -> Choice:
    """Begin to choose among workers; up to `share` tasks in a row is an even one for each."""
    match strategy:
        case Strategy.RANDOM:
            return _Random(capable, min(share, SHARE_MAX), rng)
        case Strategy.LEAST_LOADED:
            return _LeastLoaded(capable, rng)
        case Strategy.STICKY:
            return _Sticky(capable, ring, _Random(capable[:], min(share, SHARE_MAX), rng))
        case _:
            assert_never(strategy)


class _Random:
    """Any worker with a free slot.

    Where there are more tasks than workers, a worker gets up to `share` of them in a row, an even
    one: what it is sent at once it begins at once, by one statement and one commit. Then the others
    get theirs before it gets more.
    """

    __slots__ = ("_capable", "_had_theirs", "_in_a_row", "_index", "_rng", "_share")

    def __init__(self, capable: list[Opening], share: int, rng: Random) -> None:
        self._capable = capable
        self._had_theirs: list[Opening] = []
        self._share = share
        self._rng = rng
        self._index = -1
        self._in_a_row = 0

    def pick(self, lane: Lane) -> bool:
        """Stay with the one that was picked until it has its share; then the others come first."""
        if self._in_a_row:
            if self._in_a_row < self._share and self._capable[self._index].free > 0:
                return True
            if self._share > 1:
                self._had_theirs.append(self._drop_picked())
            self._in_a_row = 0
        while self._capable or self._had_theirs:
            if not self._capable:
                self._capable, self._had_theirs = self._had_theirs, []
            count = len(self._capable)
            self._index = int(self._rng.random() * count) if count > 1 else 0
            if self._capable[self._index].free > 0:
                return True
            self._drop_picked()
        return False

    def take(self) -> Incarnation:
        picked = self._capable[self._index]
        picked.free -= 1
        self._in_a_row += 1
        return picked.incarnation

    def _drop_picked(self) -> Opening:
        capable = self._capable
        picked, capable[self._index] = capable[self._index], capable[-1]
        capable.pop()
        return picked


class _LeastLoaded:
    """The worker of whose slots the smallest share is busy: it is the first in a heap."""

    def __init__(self, capable: list[Opening], rng: Random) -> None:
        self._capable = capable
        self._rng = rng
        self._heap = [self._entry(index) for index in range(len(capable))]
        heapify(self._heap)

    def pick(self, lane: Lane) -> bool:
        heap = self._heap
        while heap:
            share, _, index = heap[0]
            opening = self._capable[index]
            if opening.free <= 0:
                heappop(heap)
            elif opening.busy_share() == share:
                return True
            else:
                # Slots were taken since it was put there, so its place is further down.
                heapreplace(heap, self._entry(index))
        return False

    def take(self) -> Incarnation:
        _, _, index = self._heap[0]
        picked = self._capable[index]
        picked.free -= 1
        return picked.incarnation

    def _entry(self, index: int) -> tuple[float, float, int]:
        return self._capable[index].busy_share(), self._rng.random(), index


class _Sticky:
    """For each limit key the worker that rendezvous hashing prefers among those with a slot."""

    def __init__(self, capable: list[Opening], ring: Ring, keyless: _Random) -> None:
        self._capable = capable
        self._ring = ring
        self._keyless = keyless
        self._orders: dict[str, list[Opening]] = {}
        self._picked: Opening | None = None

    def pick(self, lane: Lane) -> bool:
        self._picked = None
        if not lane.limit_key:
            return self._keyless.pick(lane)
        order = self._order(lane.limit_key)
        while order and order[-1].free <= 0:
            order.pop()
        if order:
            self._picked = order[-1]
        return bool(order)

    def take(self) -> Incarnation:
        if self._picked is None:
            return self._keyless.take()
        self._picked.free -= 1
        return self._picked.incarnation

    def _order(self, key: str) -> list[Opening]:
        """The workers for a key, the preferred one last."""
        order = self._orders.get(key)
        if order is None:
            slot, scores = slot_of_key(key), self._ring.scores
            order = self._orders[key] = sorted(
                self._capable, key=lambda opening: (scores(opening.row.id)[slot], opening.row.id)
            )
        return order

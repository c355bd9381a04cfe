"""Hash mode: which worker a task falls to, and which worker reaps another.

Tasks fall into hash slots by the end of their id. Each slot goes to one worker by rendezvous
hashing (D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", 1998): every
pair of worker and slot has a score, and the highest wins. So when one of n workers comes or goes,
one slot in n moves, and only to it or from it.

Workers may differ in who they think is there. What is decided here is a proposal: which worker has
a task, and who reaped another, is settled by the rows.
"""

from array import array
from bisect import bisect
from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Final

from fcs.domain.ids import Incarnation, TaskId, WorkerId

SLOTS: Final = 4_096
"""A power of two; enough for an even division among hundreds of workers."""

DIVISIONS_MAX: Final = 32
"""So many sets of workers are remembered with what each of them owns."""

WIDEN_LEASES: Final = 2
"""After so many more leases twice as many workers may reap one that nobody has reaped."""


def slot_of(id: TaskId) -> int:
    """The slot of a task: the last 12 bits of its id, all of them random in version 7."""
    return id.int & (SLOTS - 1)


def slot_of_key(key: str) -> int:
    """The slot of a text."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") & (SLOTS - 1)


class Scores:
    """The scores of a worker for all slots, the same in every process and for ever."""

    def __init__(self, worker: WorkerId) -> None:
        self._hasher = blake2b(key=worker.bytes, digest_size=8)
        self._known = array("Q", bytes(8 * SLOTS))

    def __getitem__(self, slot: int) -> int:
        score = self._known[slot]
        if not score:  # not known, most likely
            hash = self._hasher.copy()
            hash.update(slot.to_bytes(2, "big"))
            score = self._known[slot] = int.from_bytes(hash.digest(), "big")
        return score


class Ring:
    """The division of all slots among workers. Scores and divisions are remembered: a worker that
    comes or goes costs what it changes, and asking again costs nothing.
    """

    def __init__(self) -> None:
        self._scores: dict[WorkerId, Scores] = {}
        self._divisions: dict[frozenset[WorkerId], _Division] = {}

    def scores(self, worker: WorkerId) -> Scores:
        """The scores of a worker."""
        known = self._scores.get(worker)
        if known is None:
            known = self._scores[worker] = Scores(worker)
        return known

    def owner_of(self, slot: int, members: frozenset[WorkerId]) -> WorkerId | None:
        """Who among these workers owns a slot; nobody if there are none."""
        return self._division(members).owners[slot]

    def owned_slots(self, me: WorkerId, members: frozenset[WorkerId]) -> frozenset[int]:
        """The slots of one among these workers; none if it is not one of them.

        Where not all can do everything, ask for those that can: each kind of work is divided
        among its own workers.
        """
        return self._division(members).owned_by(me)

    def keep_only(self, workers: Collection[WorkerId]) -> None:
        """Forget the scores of all who are not there any more."""
        self._scores = {
            worker: scores for worker, scores in self._scores.items() if worker in workers
        }

    def _division(self, members: frozenset[WorkerId]) -> "_Division":
        division = self._divisions.pop(members, None)
        if division is None:
            division = self._changed_to(members)
            if len(self._divisions) == DIVISIONS_MAX:
                del self._divisions[next(iter(self._divisions))]
        self._divisions[members] = division  # as the last one: what is asked for stays
        return division

    def _changed_to(self, members: frozenset[WorkerId]) -> "_Division":
        """Begin with the most similar division that is known; or with none among nobody."""
        known = [frozenset[WorkerId](), *self._divisions]
        nearest = min(known, key=lambda others: len(others ^ members))
        division = self._divisions[nearest].copy() if nearest else _Division()
        for slot, owner in enumerate(division.owners):
            if owner is not None and owner not in members:
                division.give(slot, {member: self.scores(member)[slot] for member in members})
        for member in members - nearest:
            division.join(member, self.scores(member))
        return division


class _Division:
    """The owner of each slot, and its score."""

    def __init__(self) -> None:
        self.owners: list[WorkerId | None] = [None] * SLOTS
        self._highest = array("Q", bytes(8 * SLOTS))
        self._owned: dict[WorkerId, frozenset[int]] = {}

    def copy(self) -> "_Division":
        copy = _Division()
        copy.owners, copy._highest = self.owners[:], self._highest[:]
        return copy

    def give(self, slot: int, scores: Mapping[WorkerId, int]) -> None:
        """Find a new owner for a slot."""
        owner = max(scores, key=lambda worker: (scores[worker], worker), default=None)
        self.owners[slot] = owner
        self._highest[slot] = scores[owner] if owner else 0

    def join(self, worker: WorkerId, scores: Scores) -> None:
        """Give a worker what falls to it, whoever had it so far."""
        owners, highest = self.owners, self._highest
        for slot in range(SLOTS):
            score = scores[slot]
            if score >= highest[slot]:
                owner = owners[slot]
                if score > highest[slot] or owner is None or worker > owner:
                    owners[slot], highest[slot] = worker, score

    def owned_by(self, member: WorkerId) -> frozenset[int]:
        owned = self._owned.get(member)
        if owned is None:
            owned = self._owned[member] = frozenset(
                slot for slot, owner in enumerate(self.owners) if owner == member
            )
        return owned


def may_reap(
    me: Incarnation, suspect: Incarnation, alive: Iterable[Incarnation], *, silent_leases: float
) -> bool:
    """Whether a worker is to reap another that has been silent for so many leases.

    All incarnations lie on a ring, in order. The next one after the suspect that is alive reaps
    it at once. If that one is dead without anybody knowing, or believes that another has to, then
    two may, then four, and in the end everybody: however views differ, somebody does.
    """
    if me == suspect or silent_leases < 1:
        return False
    others = sorted({*alive, me} - {suspect})
    steps = (others.index(me) - bisect(others, suspect)) % len(others)
    return steps < reapers_after(silent_leases)


def reapers_after(silent_leases: float) -> int:
    """How many workers may reap one that has been silent for so many leases."""
    # Beyond any number of workers there is nothing to count.
    return 1 << min(64, int((silent_leases - 1) / WIDEN_LEASES))

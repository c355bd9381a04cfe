"""What this worker has begun lately, for the day on which the database has forgotten some of it.

After the failover to a standby that had not received everything, rows say that tasks wait which
have run here. Whoever hands them out again would have their bodies start a second time. So before
a worker goes on with such a database it says what it knows: what had succeeded has succeeded, and
what else it had started is interrupted.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from fcs.database import runs, workers
from fcs.database.connect import Connection
from fcs.database.runs import Beginning, Ending, Receipt
from fcs.domain.ids import Incarnation, RunId, TaskId, WorkerId

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_MAX: Final = 20_000
"""So many begins, and as many ends, are remembered: more than gets lost on the way to a standby."""

KEPT_FOR: Final = 600.0
"""Seconds for which they are."""

TOLD_AT_ONCE: Final = 2_000
ERROR_MAX: Final = 200
SHOWN_MAX: Final = 5


class Witness:
    """`at` is the local clock in seconds; `known_runs` are those whose ends are still to come."""

    def __init__(
        self,
        id: WorkerId,
        incarnation: Incarnation,
        *,
        at: Callable[[], float],
        known_runs: Callable[[], set[RunId]],
    ) -> None:
        self._id, self._incarnation = id, incarnation
        self._at, self._known_runs = at, known_runs
        self._begun: _Kept[Beginning] = _Kept()
        self._not_started: _Kept[RunId] = _Kept()
        self._ended_plainly: _Kept[Ending] = _Kept()
        self._outlines: _Kept[Ending] = _Kept()

    def started(self, beginnings: Sequence[Beginning]) -> None:
        """These bodies start now."""
        self._begun.add(self._at(), beginnings)

    def not_started(self, run_id: RunId) -> None:
        """That body has not started after all."""
        self._not_started.add(self._at(), [run_id])

    def ended_plainly(self, endings: Sequence[Ending]) -> None:
        """The database has accepted that these runs succeeded, which is all there was to say."""
        self._ended_plainly.add(self._at(), endings)

    def ended(self, endings: Sequence[Ending]) -> None:
        """The database has accepted how these runs ended, and what they left behind."""
        self._outlines.add(self._at(), [_outline(ending) for ending in endings])

    async def testify(self, db: Connection) -> None:
        """Tell a database that may have forgotten something. May be told twice."""
        plain, outlines = list(self._ended_plainly), list(self._outlines)
        for batch in _batches(plain):
            await runs.succeed(db, batch, "", is_urgent=False)
        interrupted: list[TaskId] = []
        for receipts in _batches(self._receipts()):
            # Several lines of a worker may tell the same at once.
            async with db.transaction():
                await runs.hold_told(db, receipts)
                interrupted += await runs.testify(db, self._id, receipts)
        for batch in _batches([*plain, *outlines]):
            await runs.record_late(db, batch)
        await workers.has_testified(db, self._incarnation)
        log.warning(
            "told the database what had been begun here: begun=%d forgotten=%d some=%s",
            len(self._begun),
            len(interrupted),
            " ".join(str(id) for id in islice(interrupted, SHOWN_MAX)) or "none",
        )

    def _receipts(self) -> Iterator[Receipt]:
        at, known, not_started = self._at(), self._known_runs(), set(self._not_started)
        for began_at, begun in self._begun.batches:
            for beginning in begun:
                if beginning.run_id not in not_started:
                    is_over = beginning.run_id not in known
                    yield Receipt(
                        beginning.task_id,
                        beginning.run_id,
                        beginning.attempt,
                        at - began_at,
                        is_over,
                    )


class _Kept(Generic[T]):
    """The latest of what came in batches."""

    def __init__(self) -> None:
        self.batches: deque[tuple[float, Sequence[T]]] = deque()
        self._count = 0

    def add(self, at: float, batch: Sequence[T]) -> None:
        self.batches.append((at, batch))
        self._count += len(batch)
        while self._count > KEPT_MAX or self.batches[0][0] < at - KEPT_FOR:
            self._count -= len(self.batches.popleft()[1])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return (one for _, batch in self.batches for one in batch)


def _outline(ending: Ending) -> Ending:
    """How a run ended, without what may be large."""
    error = ending.error and ending.error[:ERROR_MAX]
    return Ending(ending.task_id, ending.run_id, ending.status, error)


def _batches(every: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(every)
    while batch := list(islice(rest, TOLD_AT_ONCE)):
        yield batch

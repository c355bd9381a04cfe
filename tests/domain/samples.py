"""Things to talk about in the tests of the ground floor: tasks, lanes, workers, moments."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from fcs.domain.cluster import Candidates, ClusterView, Leader
from fcs.domain.facts import Lane, Waiting, WorkerReported, WorkerState
from fcs.domain.ids import Incarnation, NodeId, TaskId, WorkerId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LANE = Lane("default", "baz", 0)
AGING = 60.0


def task_id(n: int) -> TaskId:
    return TaskId(UUID(int=n))


def waiting(n: int, *, due: float = 0, lane: Lane = LANE) -> Waiting:
    """Task `n`, due so many seconds after noon."""
    return Waiting(lane, NOON + due * SECOND, task_id(n))


def numbers(tasks: Iterable[Waiting]) -> list[int]:
    return [task.id.int for task in tasks]


def incarnation(n: int) -> Incarnation:
    return Incarnation(UUID(int=1_000_000 + n))


LEADER = Leader(NodeId(UUID(int=0xA)), Part.SUPERVISOR, "ann", 42, NOON)


def led(**changes: Any) -> ClusterView:
    """A cluster with a leader, a minute after its mode was changed."""
    usual = ClusterView(
        now=NOON + 60 * SECOND,
        mode=Mode.ELECTED,
        strategy=Strategy.RANDOM,
        changed_at=NOON,
        term=3,
        leader=LEADER,
        expires_in=4.0,
        candidates=Candidates(supervisors=1),
    )
    return replace(usual, **changes)


def unled(**changes: Any) -> ClusterView:
    """A cluster that nobody has ever led, and nobody could."""
    return led(
        **{"term": 0, "leader": None, "expires_in": -60.0, "candidates": Candidates(), **changes}
    )


@dataclass
class Worker:
    """A worker as it knows itself, and its row."""

    n: int
    slots: int = 1
    types: tuple[str, ...] = ("baz",)
    queues: tuple[str, ...] = ()
    state: str = "live"

    busy: int = 0
    taken: int = 0
    report_no: int = 0

    beat_no: int = 0
    tasks_sent: int = 0
    silent: float = 0
    _written: tuple[int, int, int] = field(default=(0, 0, 0))

    @property
    def incarnation(self) -> Incarnation:
        return incarnation(self.n)

    def take(self, tasks: int = 1) -> None:
        self.taken += tasks
        self.busy += tasks
        self.report_no += 1

    def finish(self, tasks: int = 1) -> None:
        self.busy -= tasks
        self.report_no += 1

    def report(self) -> WorkerReported:
        return WorkerReported(self.incarnation, self.report_no, self.busy, self.taken)

    def beat(self) -> None:
        """Write the account down."""
        self.beat_no += 1
        self._written = (self.report_no, self.busy, self.taken)

    def row(self) -> WorkerState:
        report_no, busy, taken = self._written
        return WorkerState(
            incarnation=self.incarnation,
            id=WorkerId(UUID(int=self.n)),
            state=self.state,
            beat_no=self.beat_no,
            silent=self.silent,
            report_no=report_no,
            slots_total=self.slots,
            slots_busy=busy,
            tasks_sent=self.tasks_sent,
            tasks_taken=taken,
            queues=self.queues,
            types=self.types,
        )

"""A cluster in virtual time: the product's own judgement, and messages that take their time.

Nothing here touches a database or a clock, so hours pass in seconds, and the same seed gives the
same run. Bodies are stretches of time; what a statement or a notification takes is drawn by lot.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from uuid import UUID

from fcs.domain.facts import (
    Dispatched,
    Lane,
    LaneRead,
    TasksFound,
    Waiting,
    WorkerReported,
    WorkersSurveyed,
    WorkerState,
)
from fcs.domain.ids import Incarnation, TaskId, WorkerId, uuid7
from fcs.domain.rest import Next, Rest
from fcs.domain.ring import Ring, slot_of
from fcs.domain.settings import Settings
from fcs.domain.strategy import Strategy
from fcs.domain.supervisor import Plan, Supervisor
from fcs.worker.outbox import LULL, URGENT_AGAIN
from fcs.worker.slots import Slots

START = datetime(2026, 1, 1, tzinfo=UTC)
QUEUE, TYPE = "default", "work"

HOP = (0.0003, 0.0009)
"""Seconds that a statement or a notification takes, from and to."""

DISPATCH = (0.001, 0.002)
"""The same for handing out a plan, with its commit."""

STEAL_AFTER, STEAL_INTERVAL = 1.0, 0.25
"""Hash mode: when a waiting task may be taken by others, and how often they look for one."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task, and how long its body takes."""

    waiting: Waiting
    created_at: float
    seconds: float

    @property
    def key(self) -> str:
        return self.waiting.lane.limit_key


@dataclass
class Seen:
    """What came of a run."""

    waits: list[float] = field(default_factory=list)
    tasks: Counter[WorkerId] = field(default_factory=Counter)
    busy: defaultdict[WorkerId, float] = field(default_factory=lambda: defaultdict(float))
    messages: int = 0
    steals: int = 0
    came_back: int = 0
    """Tasks whose key had its last task on the same worker."""


class World:
    """Time, and what is going to happen."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = Random(seed)
        self.seen = Seen()
        self._numbers = count()
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heappush(self._ahead, (self.now + seconds, next(self._numbers), act))

    def soon(self, act: Callable[[], None], span: tuple[float, float] = HOP) -> None:
        """After a message has arrived, or a statement was answered."""
        self.after(round(self.rng.uniform(*span), 6), act)

    def run(self, tasks: int) -> None:
        """Until so many tasks have begun."""
        while len(self.seen.waits) < tasks:
            self.now, _, act = heappop(self._ahead)
            act()


class Cluster:
    """Workers with slots, and what they did. Who hands out tasks makes two kinds of it."""

    def __init__(self, world: World, workers: int, slots: int) -> None:
        self.world = world
        ids = [WorkerId(UUID(int=world.rng.getrandbits(128))) for _ in range(workers)]
        self.workers = {id: Slots(Incarnation(id), slots) for id in ids}
        self._last_of_key: dict[str, WorkerId] = {}

    def create(self, job: Job) -> None:
        """Somebody has created a task."""
        raise NotImplementedError

    def ended(self, id: WorkerId) -> None:
        """A body of a worker has ended."""
        raise NotImplementedError

    def begin(self, id: WorkerId, job: Job) -> None:
        """A body starts."""
        worker, seen = self.workers[id], self.world.seen
        assert worker.busy < worker.total, "more than it has slots"
        worker.begun(1)
        seen.waits.append(self.world.now - job.created_at)
        seen.tasks[id] += 1
        seen.busy[id] += job.seconds
        seen.came_back += self._last_of_key.get(job.key) == id
        self._last_of_key[job.key] = id
        self.world.after(job.seconds, partial(self._end, id))

    def _end(self, id: WorkerId) -> None:
        self.workers[id].ended()
        self.ended(id)


class Supervised(Cluster):
    """One supervisor, which sleeps, naps and hands out as the product's does."""

    def __init__(
        self, world: World, workers: int, slots: int, lanes: Sequence[Lane], strategy: Strategy
    ) -> None:
        super().__init__(world, workers, slots)
        # So large a window that no lane has to be read on.
        self._supervisor = Supervisor(Settings(window=10**7), rng=Random(world.rng.random()))
        self._supervisor.follow(strategy)
        self._rest = Rest()
        self._jobs: dict[TaskId, Job] = {}
        self._found: list[Waiting] = []
        self._heard: list[WorkerReported] = []
        self._is_waiting = False
        self._told_at = dict.fromkeys(self.workers, 0.0)
        self._learn(WorkersSurveyed([_row(id, worker) for id, worker in self.workers.items()]))
        for lane in lanes:
            self._learn(LaneRead(lane, None, [], exhausted=True))
        world.soon(self._round)

    def create(self, job: Job) -> None:
        self._jobs[job.waiting.id] = job
        self.world.seen.messages += self._rest.is_asleep
        self.world.soon(partial(self._find, job.waiting))

    def ended(self, id: WorkerId) -> None:
        worker = self.workers[id]
        age = self.world.now - self._told_at[id]
        is_urgent = worker.is_nearly_full and (worker.is_half_free or age >= URGENT_AGAIN)
        if is_urgent or self._rest.is_asleep:
            self._report(id)
        else:
            self.world.after(LULL, partial(self._report_late, id, worker.account))

    def _report_late(self, id: WorkerId, account: tuple[int, int, int]) -> None:
        if self.workers[id].account == account and self.workers[id].untold:
            self._report(id)

    def _report(self, id: WorkerId) -> None:
        worker = self.workers[id]
        worker.told(worker.untold)
        self._told_at[id] = self.world.now
        self.world.seen.messages += 1
        self.world.soon(partial(self._hear, WorkerReported(worker.incarnation, *worker.account)))

    def _find(self, waiting: Waiting) -> None:
        self._found.append(waiting)
        self._wake()

    def _hear(self, report: WorkerReported) -> None:
        self._heard.append(report)
        self._wake()

    def _wake(self) -> None:
        """Who is awake, or in the middle of a round, sees by itself what is new."""
        if self._is_waiting:
            self._is_waiting = False
            self._round()

    def _learn(self, fact: WorkersSurveyed | LaneRead | TasksFound | WorkerReported) -> None:
        self._supervisor.learn(fact, at=self.world.now)

    def _round(self) -> None:
        self._learn(TasksFound(self._found))
        for report in self._heard:
            self._learn(report)
        self._found, self._heard = [], []
        now = START + timedelta(seconds=self.world.now)
        plan = self._supervisor.plan(now, at=self.world.now)
        assert not plan.reads
        if plan.assignments:
            self.world.soon(partial(self._dispatched, plan), DISPATCH)
        else:
            self._pause(plan)

    def _dispatched(self, plan: Plan) -> None:
        """Each worker that was given something is told by one message."""
        every = frozenset(assignment.task.id for assignment in plan.assignments)
        self._supervisor.learn(Dispatched(plan.assignments, every), at=self.world.now)
        sent: dict[Incarnation, list[Job]] = defaultdict(list)
        for assignment in plan.assignments:
            sent[assignment.incarnation].append(self._jobs.pop(assignment.task.id))
        self.world.seen.messages += len(sent)
        for incarnation, jobs in sent.items():
            self.world.soon(partial(self._fetch, WorkerId(incarnation), jobs))
        self._pause(plan)

    def _fetch(self, id: WorkerId, jobs: list[Job]) -> None:
        for job in jobs:
            self.world.soon(partial(self.begin, id, job))

    def _pause(self, plan: Plan) -> None:
        match self._rest.after_round(plan):
            case Next.GO_ON:
                self._round()
            case Next.WAKE_UP:
                self._rest.is_asleep = False
                self._round()
            case Next.NAP:
                self.world.after(self._rest.nap, self._round)
            case Next.FALL_ASLEEP | Next.SLEEP:
                self._rest.is_asleep = self._is_waiting = True
                if self._found or self._heard:
                    self._wake()


class Hashed(Cluster):
    """No supervisor: each task falls to a worker by its id; others take it when it has to wait."""

    def __init__(self, world: World, workers: int, slots: int) -> None:
        super().__init__(world, workers, slots)
        self._ring, self._members = Ring(), frozenset(self.workers)
        self._own: dict[WorkerId, deque[Job]] = {id: deque() for id in self.workers}
        self._waiting: dict[TaskId, tuple[WorkerId, Job]] = {}
        for id in self.workers:
            world.after(world.rng.uniform(0, STEAL_INTERVAL), partial(self._steal, id))

    def create(self, job: Job) -> None:
        owner = self._ring.owner_of(slot_of(job.waiting.id), self._members)
        assert owner is not None
        # Who has no slot looks for itself when it has one.
        self.world.seen.messages += self.workers[owner].free > 0
        self.world.soon(partial(self._find, owner, job))

    def ended(self, id: WorkerId) -> None:
        self._take_own(id)

    def _find(self, owner: WorkerId, job: Job) -> None:
        self._waiting[job.waiting.id] = owner, job
        self._own[owner].append(job)
        self._take_own(owner)

    def _take_own(self, id: WorkerId) -> None:
        own = self._own[id]
        while own and self.workers[id].free > 0:
            self._take(id, own.popleft())

    def _steal(self, id: WorkerId) -> None:
        """Take what has waited for too long elsewhere; the oldest first."""
        late = self.world.now - STEAL_AFTER
        while self.workers[id].free > 0 and self._waiting:
            owner, job = next(iter(self._waiting.values()))
            if job.created_at > late:
                break
            self._own[owner].remove(job)
            self.world.seen.steals += owner != id
            self._take(id, job)
        self.world.after(STEAL_INTERVAL, partial(self._steal, id))

    def _take(self, id: WorkerId, job: Job) -> None:
        """Dispatch to oneself, and begin; the slot is kept meanwhile."""
        del self._waiting[job.waiting.id]
        self.workers[id].reserved += 1
        self.world.soon(partial(self._begin_taken, id, job), DISPATCH)

    def _begin_taken(self, id: WorkerId, job: Job) -> None:
        self.workers[id].reserved -= 1
        self.begin(id, job)


def job(rng: Random, created_at: float, seconds: float, key: str) -> Job:
    """Make a task of this moment; times are rounded, so that no machine's logarithm matters."""
    created_at, seconds = round(created_at, 6), round(seconds, 6)
    id = TaskId(uuid7(int(created_at * 1_000), rng.randbytes(10)))
    due_at = START + timedelta(seconds=created_at)
    return Job(Waiting(lane(key), due_at, id), created_at, seconds)


def lane(key: str) -> Lane:
    return Lane(QUEUE, TYPE, 0, key)


def _row(id: WorkerId, worker: Slots) -> WorkerState:
    return WorkerState(
        incarnation=worker.incarnation,
        id=id,
        state="live",
        beat_no=0,
        silent=0.0,
        report_no=0,
        slots_total=worker.total,
        slots_busy=0,
        tasks_sent=0,
        tasks_taken=0,
        queues=(),
        types=(TYPE,),
    )

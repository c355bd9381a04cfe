"""What the simulation stands on: its kernel, and what its server forgets."""

from datetime import timedelta
from uuid import UUID

from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask
from fcs.domain.topology import Mode
from proof.sim.database import tasks
from proof.sim.database.tables import Transaction
from proof.sim.kernel import Clock, Kernel, Node, Signal, Sleep
from proof.sim.server import NOON, Server, Session, Unavailable


class Stage:
    """A server and a node that sends to it."""

    def __init__(self) -> None:
        self.kernel = Kernel(1)
        self.births: list[tuple[int, bool]] = []
        self.server = Server(
            self.kernel,
            mode=Mode.ELECTED,
            dropped=frozenset(),
            on_commit=lambda *_: None,
            on_reborn=lambda *birth: self.births.append(birth),
            on_fault=lambda _: None,
        )
        self.node = Node(self.kernel, "node", Clock(self.kernel))

    def connect(self) -> Session:
        return self.server.connect(self.node, None)

    def commit(self, no: int, *, lazily: bool) -> None:
        """Create a task."""

        def create(db: Transaction) -> None:
            tasks.create(db, [NewTask(TaskId(UUID(int=no)), "a", b"{}")])
            if lazily:
                db.lazily()

        self.server.carry_out(self.connect(), "create", create)

    @property
    def tasks(self) -> set[int]:
        return {id.int for id in self.server.tables.tasks}


# The kernel.


def test_processes_wait_by_clocks_that_drift() -> None:
    kernel = Kernel(1)
    slow = Node(kernel, "slow", Clock(kernel, rate=0.5))
    woken: list[tuple[str, float]] = []

    async def sleep(name: str) -> None:
        await Sleep(2)
        woken.append((name, kernel.now))

    slow.spawn(sleep("slow"))
    Node(kernel, "right", Clock(kernel)).spawn(sleep("right"))
    kernel.run(10)

    assert woken == [("right", 2.0), ("slow", 4.0)]
    assert slow.at() == 5.0


def test_what_a_paused_node_has_missed_it_makes_up_for_in_order() -> None:
    kernel = Kernel(1)
    node = Node(kernel, "node", Clock(kernel))
    woken: list[tuple[int, float]] = []

    async def sleep(seconds: int) -> None:
        await Sleep(seconds)
        woken.append((seconds, kernel.now))

    for seconds in (3, 2, 8):
        node.spawn(sleep(seconds))
    kernel.after(1, node.pause)
    kernel.after(5, node.resume)
    kernel.run(10)

    assert woken == [(2, 5.0), (3, 5.0), (8, 8.0)]


def test_the_dead_do_not_wake_and_leave_in_order() -> None:
    kernel = Kernel(1)
    node = Node(kernel, "node", Clock(kernel))
    said: list[str] = []

    async def work() -> None:
        try:
            await Sleep(5)
            said.append("woken")
        finally:
            said.append("gone")

    node.spawn(work())
    kernel.after(1, node.die)
    kernel.run(10)

    assert said == ["gone"]


def test_a_signal_ends_a_wait_and_so_does_its_time() -> None:
    kernel = Kernel(1)
    node = Node(kernel, "node", Clock(kernel))
    signal, said = Signal(kernel), list[bool]()

    async def wait(seconds: float) -> None:
        said.append(await signal.wait(seconds))

    node.spawn(wait(1))
    node.spawn(wait(9))
    kernel.after(3, signal.set)
    kernel.run(10)

    assert said == [False, True]


# The server.


def test_a_crash_may_lose_lazy_commits_and_no_others() -> None:
    seen = set()
    for seed in range(20):
        stage = Stage()
        stage.server.rng.seed(seed)
        stage.commit(1, lazily=True)
        stage.commit(2, lazily=False)
        stage.commit(3, lazily=True)
        stage.commit(4, lazily=True)
        stage.server.crash(down_for=1)
        seen.add(frozenset(stage.tasks))

    assert seen == {frozenset({1, 2}), frozenset({1, 2, 3}), frozenset({1, 2, 3, 4})}


def test_a_lazy_commit_lasts_once_it_was_flushed() -> None:
    stage = Stage()
    stage.commit(1, lazily=True)
    stage.kernel.run(1)
    stage.server.crash(down_for=1)

    assert stage.tasks == {1}
    assert stage.births == [(1, False)]


def test_a_failover_loses_what_the_standby_has_not_received() -> None:
    stage = Stage()
    stage.commit(1, lazily=False)
    stage.kernel.run(2)
    stage.commit(2, lazily=False)
    stage.server.fail_over(behind=1, down_for=1)
    stage.kernel.run(4)

    assert stage.tasks == {1}
    assert stage.births == [(1, True)]
    assert stage.server.place.timeline == 2
    assert stage.server.started_at == NOON + timedelta(seconds=3)


def test_nothing_is_handed_out_by_a_server_that_was_promoted() -> None:
    stage = Stage()
    stage.server.fail_over(behind=1, down_for=1)
    stage.kernel.run(4)

    is_open = stage.server.carry_out(stage.connect(), "look", lambda db: db.is_open)

    assert not is_open


def test_of_a_statement_without_an_answer_nobody_knows_what_became() -> None:
    fates = set()
    for seed in range(40):
        stage = Stage()
        stage.server.rng.seed(seed)
        stage.server.trouble.unknown = 1.0
        said: list[str] = []

        async def create(stage: Stage = stage, said: list[str] = said) -> None:
            try:
                task = NewTask(TaskId(UUID(int=1)), "a", b"{}")
                await stage.server.send(stage.connect(), tasks.create, [task])
            except Unavailable:
                said.append(f"{len(stage.tasks)} at first")

        stage.node.spawn(create())
        stage.kernel.run(20)
        fates.add((*said, f"{len(stage.tasks)} in the end"))

    assert fates == {
        ("1 at first", "1 in the end"),
        ("0 at first", "0 in the end"),
        ("0 at first", "1 in the end"),
    }

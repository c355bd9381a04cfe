"""Hosts: where the processes of a cluster run, die, and are started again."""

from collections.abc import Callable
from uuid import UUID

from fcs.database.workers import Registration
from fcs.domain.ids import Incarnation, NodeId, WorkerId
from fcs.domain.topology import Part
from proof.sim import elector
from proof.sim.elector import Beside
from proof.sim.env import Env
from proof.sim.kernel import Clock, Node
from proof.sim.worker import Worker

DRIFT_MAX = 0.005
"""Clocks of nodes run by so much too fast or too slow."""


class Host:
    """One machine with one process of fcs; whatever ends it, somebody starts it anew."""

    def __init__(self, env: Env, name: str) -> None:
        self.env, self.name = env, name
        rng = env.kernel.rng
        rate = 1 + rng.uniform(-DRIFT_MAX, DRIFT_MAX)
        self.clock = Clock(env.kernel, offset=rng.uniform(0, 1e6), rate=rate)
        self.node: Node | None = None
        self._starts = 0
        self._is_planned = False

    @property
    def is_up(self) -> bool:
        return self.node is not None and self.node.is_alive

    def start(self) -> None:
        """Start its process, unless it runs."""
        self._is_planned = False
        if self.is_up:
            return
        self._starts += 1
        self.node = Node(self.env.kernel, f"{self.name}.{self._starts}", self.clock)
        self.node.on_death.append(self._plan_restart)
        self.boot(self.node)

    def boot(self, node: Node) -> None:
        raise NotImplementedError

    def _plan_restart(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            self.env.kernel.after(0.1 + self.env.kernel.rng.random() * 3, self.start)

    def _draw_id(self) -> UUID:
        return UUID(int=self.env.kernel.rng.getrandbits(128))


class SupervisorHost(Host):
    """Runs `fcs supervise`."""

    def boot(self, node: Node) -> None:
        node.spawn(elector.run(self.env, node, NodeId(self._draw_id()), Part.SUPERVISOR))


class WorkerHost(Host):
    """Runs `fcs work`, if so with `--elect`. Its worker id stays the same over all starts."""

    def __init__(
        self, env: Env, name: str, id: WorkerId, *, slots: int, types: list[str], elect: bool
    ) -> None:
        super().__init__(env, name)
        self.id, self.slots, self.types, self.elect = id, slots, types, elect
        self.worker: Worker | None = None

    def boot(self, node: Node) -> None:
        self.worker = self._work(node)

    def start_twin(self, done: Callable[[], None]) -> Node:
        """Start a second process by the same worker id. It is not started again."""
        node = Node(self.env.kernel, f"{self.name}.twin", self.clock)
        node.on_death.append(done)
        self._work(node)
        return node

    def _work(self, node: Node) -> Worker:
        registration = Registration(
            id=self.id,
            incarnation=Incarnation(self._draw_id()),
            slots_total=self.slots,
            queues=[],
            types=self.types,
            host=self.name,
            pid=0,
            version="",
            listen=None,
        )
        worker = Worker(self.env, node, registration)
        beside = Beside(self.env, worker, NodeId(self._draw_id()), elect=self.elect)
        worker.on_mode, worker.on_drain = beside.follow, beside.stop
        node.spawn(worker.main())
        node.spawn(beside.run())
        return worker

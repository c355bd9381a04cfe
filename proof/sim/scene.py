"""A scene: a cluster, its tasks and its faults, all of it from one seed; and what became of it."""

import traceback
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from fcs.domain.facts import Limit, QueueRules
from fcs.domain.ids import WorkerId
from fcs.domain.settings import Settings
from fcs.domain.topology import Mode
from proof.sim.bodies import Start
from proof.sim.checks import Checks, Violated
from proof.sim.client import Client
from proof.sim.database.tables import ConstraintViolated, Transaction
from proof.sim.env import Env
from proof.sim.hosts import Host, SupervisorHost, WorkerHost
from proof.sim.kernel import Kernel
from proof.sim.nemesis import Nemesis
from proof.sim.server import Server, Session

LOOK_INTERVAL: Final = 1.0
QUIET_WITHIN: Final = 240.0
"""Virtual seconds after the last fault within which everything must have come to its end."""

SETTLED_AFTER: Final = 14.0
"""Virtual seconds after that, in which accounts are settled: two rescans and some beats."""

TYPES: Final = ["a", "b"]
_WORKER_IDS: Final = [WorkerId(UUID(int=0xF0000 + no)) for no in range(6)]


class Result(NamedTuple):
    """What became of a scene; `violation` is empty where everything held."""

    seed: int
    tasks: int
    starts: int
    faults: Counter[str]
    seconds: float
    """Virtual ones."""
    events: int
    invariant: str
    violation: str
    trace: str
    """A hash of everything that happened."""


class Scene:
    """`dropped` names what is left out on purpose, `story` is told what happens."""

    def __init__(
        self,
        seed: int,
        *,
        dropped: frozenset[str] = frozenset(),
        story: Callable[[str], None] | None = None,
    ) -> None:
        self._seed, self._story = seed, story
        self.kernel = Kernel(seed)
        rng = self.kernel.rng
        self.faults: Counter[str] = Counter()
        self._supervisors = rng.choice((0, 0, 1, 2))
        self._elect = rng.random() < 0.6 or not self._supervisors
        self._modes = self._possible_modes()
        server = Server(
            self.kernel,
            mode=rng.choice(self._modes),
            dropped=dropped,
            on_commit=self._on_commit,
            on_reborn=self._on_reborn,
            on_fault=self._count,
        )
        self.env = Env(
            self.kernel,
            server,
            Settings(),
            dropped,
            on_start=self._on_start,
            tell=self._tell if story else _say_nothing,
        )
        self.checks = Checks(server, self.env.ledger, self.env.tell)
        self.hosts = self._hosts()
        self._fault_seconds = rng.uniform(8, 25)
        self.client = Client(
            self.env,
            self.checks,
            count=rng.randint(20, 60),
            seconds=self._fault_seconds * 0.9,
            types=TYPES,
        )
        self.nemesis = Nemesis(
            self.env, self.checks, self.hosts, self.client.node, self._modes, self.faults
        )
        self._add_faults()

    def run(self) -> Result:
        """Play it to its end."""
        invariant = violation = ""
        try:
            self._play()
        except Violated as found:
            invariant, violation = found.invariant, str(found)
        except ConstraintViolated as found:
            invariant, violation = str(found).partition(":")[0], str(found)
        except Exception as fault:  # noqa: BLE001 - whatever it is, nothing here may raise
            invariant, violation = "CRASH", f"CRASH: {fault!r}"
            self._tell(traceback.format_exc())
        if violation:
            self._tell(violation)
        for host in self.hosts:
            if host.node:
                host.node.die()
        self.client.node.die()
        return Result(
            self._seed,
            self.client.created,
            len(self.env.ledger.starts),
            self.faults,
            self.kernel.now,
            self.kernel.events,
            invariant,
            violation,
            self.checks.trace.hexdigest(),
        )

    def _play(self) -> None:
        kernel = self.kernel
        for host in self.hosts:
            kernel.after(kernel.rng.random() * 2, host.start)
        kernel.after(LOOK_INTERVAL, self._look)
        kernel.run(self._fault_seconds)
        self.nemesis.calm()
        self._tell("! calm")
        kernel.run(kernel.now + QUIET_WITHIN, is_done=self._is_over)
        kernel.run(kernel.now + SETTLED_AFTER)
        self.checks.at_the_end()

    def _is_over(self) -> bool:
        return self._is_finished

    _is_finished = False

    def _look(self) -> None:
        if self.env.server.is_up:
            self.checks.look()
        self._is_finished = self.client.is_done and not self.checks.unfinished()
        self.kernel.after(LOOK_INTERVAL, self._look)

    def _possible_modes(self) -> list[Mode]:
        modes = [Mode.HASH, Mode.ELECTED]
        return [*modes, Mode.DEDICATED] if self._supervisors else modes

    def _hosts(self) -> list[Host]:
        rng = self.kernel.rng
        hosts: list[Host] = [
            SupervisorHost(self.env, f"supervisor {no + 1}") for no in range(self._supervisors)
        ]
        for no in range(rng.randint(2, 4)):
            types = TYPES if no < 2 or rng.random() < 0.7 else TYPES[:1]
            hosts.append(
                WorkerHost(
                    self.env,
                    f"worker {no + 1}",
                    _WORKER_IDS[no],
                    slots=rng.randint(1, 4),
                    types=types,
                    elect=self._elect,
                )
            )
        return hosts

    def _add_faults(self) -> None:
        rng, server = self.kernel.rng, self.env.server
        if rng.random() < 0.4:
            self.nemesis.with_failovers()
        if rng.random() < 0.25:
            self.nemesis.with_clocks()
        if rng.random() < 0.4:
            self.nemesis.with_switches()
        if rng.random() < 0.3:
            server.limit(QueueRules("limited", whole=Limit(running_max=rng.randint(1, 2))))
        server.trouble.unknown = rng.choice((0.0, 0.01, 0.05))
        server.trouble.hint_lost = rng.choice((0.0, 0.0, 0.0, 0.1, 1.0))
        self.nemesis.plan(rng.randint(10, 50), self._fault_seconds)

    def _on_commit(self, session: Session, transaction: Transaction, commit: int) -> None:
        self.checks.on_commit(session, transaction, commit)
        self.nemesis.on_commit(session, transaction.statement)

    def _on_reborn(self, last: int, is_failover: bool) -> None:
        self.checks.on_reborn(last, is_failover)

    def _on_start(self, start: Start) -> None:
        self.checks.on_start(start)

    def _count(self, fault: str) -> None:
        self.faults[fault] += 1

    def _tell(self, what: str) -> None:
        if self._story:
            self._story(f"{self.kernel.now:9.4f}  {what}")


def _say_nothing(_: str) -> None:
    """Nobody listens."""

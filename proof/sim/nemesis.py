"""The nemesis: what goes wrong in a scene, when, and how often. All of it comes from the seed."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from fcs.database.adoption import LOOK_AGAIN
from fcs.domain.topology import Mode
from proof.sim.checks import Checks
from proof.sim.database import identity
from proof.sim.env import Env
from proof.sim.hosts import Host, WorkerHost
from proof.sim.kernel import Clock, Node, Sleep
from proof.sim.line import Line
from proof.sim.server import Session


class Nemesis:
    """`modes` are those between which the cluster may be switched."""

    def __init__(
        self,
        env: Env,
        checks: Checks,
        hosts: list[Host],
        client: Node,
        modes: list[Mode],
        counts: Counter[str],
    ) -> None:
        self._client = client
        self._env, self._checks = env, checks
        self._hosts, self._modes = hosts, modes
        self._workers = [host for host in hosts if isinstance(host, WorkerHost)]
        self.faults = counts
        self._rng = env.kernel.rng
        self._node = Node(env.kernel, "operator", Clock(env.kernel))
        self._is_calm = self._fails_over = False
        self._is_sharp = self._rng.random() < 0.6
        self._menu: list[tuple[int, str, Callable[[], str]]] = [
            (10, "kill", self._kill),
            (8, "pause", self._pause),
            (5, "drain", self._drain),
            (5, "cut", self._cut),
            (4, "deafen", self._deafen),
            (5, "database crash", self._crash),
            (6, "bad line", self._bad_line),
            (3, "forced election", self._depose),
            (2, "twin", self._twin),
        ]
        self._adopts_after = self._rng.uniform(0.5, 8)

    def with_failovers(self) -> None:
        self._fails_over = True
        self._menu.append((4, "failover", self._fail_over))

    def with_clocks(self) -> None:
        self._menu.append((4, "database clock set", self._set_clock))
        self._menu.append((3, "node clock set", self._set_node_clock))

    def with_switches(self) -> None:
        self._menu.append((4, "mode switch", self._switch))

    def plan(self, count: int, seconds: float) -> None:
        """Have so many faults happen in so many seconds."""
        weights = [weight for weight, _, _ in self._menu]
        for _ in range(count):
            [(_, name, act)] = self._rng.choices(self._menu, weights)
            self._env.kernel.after(self._rng.random() * seconds, self._strike, name, act)
        self._node.spawn(self._adopt())

    def on_commit(self, session: Session, statement: str) -> None:
        """Now and then strike a node between a commit and its answer, a begin above all."""
        if self._is_calm or not self._is_sharp or session.node in (self._node, self._client):
            return
        chance = 0.05 if statement == "begin" else 0.002
        if self._rng.random() >= chance or session.node.is_paused or not session.node.is_alive:
            return
        name = self._rng.choice(("kill at commit", "pause at commit"))
        self.faults[name] += 1
        self._env.tell(f"! {name} of {statement}: {session.node.name}")
        if statement == "begin" and self._fails_over and self._rng.random() < 0.3:
            self._later(self._rng.uniform(0.01, 0.5), self._fail_over_before, self._env.kernel.now)
        session.node.pause()
        if name == "kill at commit":
            # Whoever is to get the answer is still at work just now.
            self._later(0, session.node.die)
        else:
            self._later(self._rng.uniform(1, 12), self._resume, session.node)

    def calm(self) -> None:
        """No more of it: everything runs, and nothing is in the way."""
        self._is_calm = True
        trouble = self._env.server.trouble
        trouble.unknown = trouble.slow = 0.0
        trouble.hint_lost = trouble.hint_late = trouble.hint_doubled = 0.0
        for host in self._hosts:
            if host.node and host.node.is_paused:
                host.node.resume()
        for session in list(self._env.server.sessions.values()):
            if session.is_cut:
                self._env.server.close(session)
        self._env.server.clock_offset = 0.0

    def _strike(self, name: str, act: Callable[[], str]) -> None:
        if not self._is_calm and (what := act()):
            self.faults[name] += 1
            self._env.tell(f"! {name}: {what}")

    def _later(self, seconds: float, act: Callable[..., None], *args: Any) -> None:
        self._env.kernel.after(seconds, act, *args)

    def _some_node(self) -> Node | None:
        host = self._rng.choice(self._hosts)
        return host.node if host.is_up else None

    # Faults. Each says what it did, nothing if there was nothing to do.

    def _kill(self) -> str:
        node = self._some_node()
        if node is None:
            return ""
        node.die()
        return f"{node.name}, and whatever it was about"

    def _pause(self) -> str:
        node = self._some_node()
        if node is None or node.is_paused:
            return ""
        node.pause()
        # Half of them for longer than a lease.
        seconds = self._rng.choice((self._rng.uniform(0.1, 4), self._rng.uniform(5, 11)))
        self._later(seconds, self._resume, node)
        return f"{node.name} for {seconds:.1f} s"

    def _resume(self, node: Node) -> None:
        if node.is_paused:
            node.resume()
            self._env.tell(f"! {node.name} goes on")

    def _drain(self) -> str:
        host = self._rng.choice(self._workers)
        if not host.is_up or host.worker is None:
            return ""
        host.worker.drain.set()
        if self._rng.random() < 0.3:
            self._later(self._rng.random() * 3, host.worker.now.set)
        return host.name

    def _cut(self) -> str:
        """Nothing goes through any more on the connections that a node has just now."""
        node = self._some_node()
        if node is None:
            return ""
        for session in self._env.server.sessions.values():
            session.is_cut |= session.node is node
        return node.name

    def _deafen(self) -> str:
        """A worker's listener hangs on a dead line for a while."""
        host = self._rng.choice(self._workers)
        session = host.worker.mail if host.worker else None
        if session is None or session.is_closed:
            return ""
        session.is_cut = True
        self._later(self._rng.uniform(1, 15), self._env.server.close, session)
        return host.name

    def _crash(self) -> str:
        if not self._env.server.is_up:
            return ""
        seconds = self._rng.choice((self._rng.uniform(0.2, 2), self._rng.uniform(2, 9)))
        self._env.server.crash(down_for=seconds)
        return f"for {seconds:.1f} s"

    def _fail_over(self) -> str:
        if not self._env.server.is_up:
            return ""
        behind, seconds = self._rng.uniform(0, 1.5), self._rng.uniform(0.3, 4)
        self._env.server.fail_over(behind=behind, down_for=seconds)
        return f"{behind:.2f} s are lost"

    def _fail_over_before(self, moment: float) -> None:
        """To a standby that has received all but what came last."""
        server = self._env.server
        if server.is_up and not self._is_calm:
            self.faults["failover"] += 1
            self._env.tell("! failover: the begin is lost, and little else")
            behind = self._env.kernel.now - moment + 1e-6
            server.fail_over(behind=behind, down_for=self._rng.uniform(0.3, 4))

    def _bad_line(self) -> str:
        """For a while much gets lost, comes late or twice."""
        trouble, rng = self._env.server.trouble, self._rng
        before = vars(trouble).copy()
        trouble.unknown = rng.uniform(0, 0.4)
        trouble.slow = rng.choice((0.0, rng.uniform(0, 0.3)))
        trouble.hint_lost = rng.choice((0.0, 1.0, rng.random()))
        trouble.hint_doubled, trouble.hint_late = rng.random() / 2, rng.random() / 2
        seconds = rng.uniform(0.2, 4)
        self._later(seconds, self._mend, before)
        return f"for {seconds:.1f} s"

    def _mend(self, before: dict[str, float]) -> None:
        if not self._is_calm:
            vars(self._env.server.trouble).update(before)

    def _depose(self) -> str:
        """Somebody rewrites the lease under a leader that goes on: for a while two lead."""
        server = self._env.server
        if not server.is_up:
            return ""
        operator = server.connect(self._node, None)
        server.carry_out(operator, "depose", identity.depose)
        server.close(operator)
        return f"term {server.tables.leadership.term}"

    def _twin(self) -> str:
        host = self._rng.choice(self._workers)
        node = host.start_twin(lambda: None)
        # If it gets the id, it does not keep it for long.
        self._later(self._rng.uniform(1, 12), node.die)
        return host.name

    def _set_clock(self) -> str:
        seconds = self._rng.choice((-1, 1)) * self._rng.uniform(1, 40)
        self._env.server.clock_offset += seconds
        self._checks.is_clock_true = False
        return f"{seconds:+.0f} s"

    def _set_node_clock(self) -> str:
        host = self._rng.choice(self._hosts)
        seconds = self._rng.uniform(-3, 20)
        host.clock.jump(seconds)
        self._checks.is_clock_true = False
        return f"{host.name} {seconds:+.1f} s"

    def _switch(self) -> str:
        server, mode = self._env.server, self._rng.choice(self._modes)
        if not server.is_up or server.tables.mode is mode:
            return ""
        operator = server.connect(self._node, None)
        server.carry_out(operator, "switch", lambda db: identity.switch(db, mode))
        server.close(operator)
        return mode

    # The operator, who adopts what is on hold.

    async def _adopt(self) -> None:
        """Mirrors `fcs.database.adoption.adopt`, a while after it was called for."""
        env = self._env
        line = Line(env.server, self._node, None)
        while True:
            await Sleep(0.5)
            if not env.server.is_up or env.server.tables.identity.on_hold_since is None:
                continue
            await Sleep(self._rng.random() * self._adopts_after)
            give_up_at = env.kernel.now + 10
            while env.kernel.now < give_up_at:
                every = await line.carry_out(identity.witnesses, patience=10)
                if not any(one.is_awaited for one in every):
                    break
                await Sleep(LOOK_AGAIN)
            seen = await line.carry_out(identity.look)
            adopted = await line.carry_out(identity.adopt, seen)
            if adopted is not None:
                env.tell(f"operator: adopts, {len(adopted)} unknown")

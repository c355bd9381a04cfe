"""The client of a simulated cluster: creates tasks, cancels some, remembers what it was told."""

from datetime import timedelta
from random import Random
from uuid import UUID

from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask, OnInterrupt
from proof.sim.bodies import Script
from proof.sim.checks import Checks
from proof.sim.database import tasks
from proof.sim.env import Env
from proof.sim.kernel import Clock, Node, Sleep
from proof.sim.line import Line


class Client:
    """Creates `count` tasks within so many seconds."""

    def __init__(
        self, env: Env, checks: Checks, *, count: int, seconds: float, types: list[str]
    ) -> None:
        self._env, self._checks = env, checks
        self.node = Node(env.kernel, "client", Clock(env.kernel))
        self.is_done = False
        self.created = 0
        self._waiting = count
        rng = env.kernel.rng
        for no in range(1, count + 1):
            self.node.spawn(self._create(no, rng.random() * seconds, rng.choice(types)))

    async def _create(self, no: int, at: float, ty: str) -> None:
        env, rng = self._env, self._env.kernel.rng
        await Sleep(at)
        task = self._new(no, ty, rng)
        env.scripts[task.id] = script_of(rng)
        line = Line(env.server, self.node, None)
        # Sent until it is acknowledged: its id makes sure that it is there once.
        await line.carry_out(tasks.create, [task])
        self._checks.acknowledged(task.id)
        self.created += 1
        if rng.random() < 0.08:
            await Sleep(rng.random() * 3)
            await line.carry_out(tasks.cancel, [task.id], reason="no need")
        line.close()
        self._waiting -= 1
        self.is_done = not self._waiting

    def _new(self, no: int, ty: str, rng: Random) -> NewTask:
        scheduled_at = None
        if rng.random() < 0.25:
            scheduled_at = self._env.server.now() + timedelta(seconds=rng.randint(-2, 12))
        max_attempts = rng.choice((1, 1, 1, 2, 3))
        is_retried = max_attempts > 1 and rng.random() < 0.7
        return NewTask(
            # In the order of their creation, and spread over the slots of the ring.
            TaskId(UUID(int=no << 80 | rng.getrandbits(40) << 12 | no)),
            ty,
            b"{}",
            queue="limited" if rng.random() < 0.15 else "default",
            priority=rng.choice((0, 0, 0, 1)),
            scheduled_at=scheduled_at,
            max_attempts=max_attempts,
            on_interrupt=OnInterrupt.RETRY if is_retried else OnInterrupt.INTERRUPT,
        )


def script_of(rng: Random) -> Script:
    """What a body will do."""
    kind = rng.random()
    seconds = rng.expovariate(2) if kind < 0.8 else rng.uniform(3, 12)
    fails = 0 if rng.random() < 0.7 else rng.choice((1, 3))
    return Script(seconds, fails, heeds=rng.random() < 0.7, is_readable=rng.random() > 0.02)

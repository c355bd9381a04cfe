"""A simulated worker process: mirrors `fcs.worker.runtime.Worker`, its executor and endings."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final
from uuid import UUID

from fcs.database.runs import Again, Beginning, Ending, Evidence
from fcs.database.workers import Registration
from fcs.domain.backoff import full_jitter
from fcs.domain.hints import CancelAsked, TasksNamed, parse_for_worker, worker_channel
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import (
    Failed,
    Interrupted,
    Outcome,
    Stopped,
    Succeeded,
    more_attempts,
    next_attempt_in,
)
from fcs.domain.task import AttemptOutcome, Status, StopLevel
from fcs.domain.topology import Mode
from fcs.worker.enrol import LOOK_AGAIN
from fcs.worker.runtime import HURRY_PATIENCE, INTERRUPT_GRACE, LEAVE_PATIENCE
from fcs.worker.slots import Account, Slots
from proof.sim.bodies import Start
from proof.sim.database import workers
from proof.sim.env import Env
from proof.sim.heartbeat import Heartbeat
from proof.sim.intake import Intake, Run
from proof.sim.kernel import Node, Signal, Sleep, within
from proof.sim.line import Home, Line
from proof.sim.outbox import Outbox, Witness
from proof.sim.server import Session

DRAIN_TIMEOUT: Final = 15.0
ENROL_PATIENCE: Final = 10.0


class _Body:
    """A body that runs."""

    def __init__(self, start: Start, asked: Signal) -> None:
        self.start, self.asked = start, asked
        self.why: Outcome = Succeeded()


class Worker:
    """One process start of a worker id. It ends by the death of its node."""

    def __init__(self, env: Env, node: Node, registration: Registration) -> None:
        self._env, self.node, self.registration = env, node, registration
        server, kernel = env.server, env.kernel
        self._slots = Slots(registration.incarnation, registration.slots_total)
        self._bodies: dict[RunId, _Body] = {}
        self._idle = Signal(kernel)
        self._idle.set()
        self.drain, self.now, self._fenced = Signal(kernel), Signal(kernel), Signal(kernel)
        self._witness = Witness(
            registration.id, registration.incarnation, at=node.at, known_runs=self.known_runs
        )
        self._home = Home(server, testify=None if "witness" in env.dropped else self._testify)
        self._outbox = Outbox(server, node, self._slots, self._witness, lease=env.settings.lease)
        self._intake = Intake(
            server,
            node,
            self._slots,
            env.settings,
            self,
            home=self._home,
            minds_lease="lease" not in env.dropped,
            begins_anew="begin anew" not in env.dropped,
        )
        self._heartbeat = Heartbeat(
            server,
            node,
            self._slots,
            env.settings,
            on_sent=self._intake.sent_so_far,
            on_fenced=_say_nothing if "fenced" in env.dropped else self._fenced.set,
            on_mode=self._follow,
            on_moved=self._intake.look_anew,
            may_begin=lambda: self._intake.is_answered,
        )
        self.on_mode: Callable[[Mode], None] = lambda _: None
        self.on_freed: Callable[[], None] = lambda: None
        self.on_drain: Callable[[], None] = lambda: None
        self.mail: Session | None = None
        node.on_death.append(self._cut_bodies)

    async def main(self) -> None:
        """Mirrors `start` and `Worker.run`."""
        if not await self._enrol():
            self._env.tell(f"{self.node.name}: its id is taken")
            self.node.die()
            return
        spawn = self.node.spawn
        beat = spawn(self._heartbeat.run())
        parts = [spawn(self._outbox.run()), spawn(self._intake.run()), spawn(self._receive())]
        await Signal.any_of(self.drain, self.now, self._fenced).wait()
        self.on_drain()
        await self._drain()
        for part in parts:
            part.cancel()
        self._interrupt()
        beat.cancel()
        await self._tell(self._end, self._patience())
        self._env.tell(f"{self.node.name}: left{', fenced' if self._fenced.is_set else ''}")
        self.node.die()

    async def _enrol(self) -> bool:
        """Mirrors `fcs.worker.enrol.enrol`."""
        env = self._env
        line = Line(env.server, self.node, None, on_dialled=Home(env.server).enter)
        seen: set[tuple[UUID, int]] = set()
        for _ in range(1 + ceil((ENROL_PATIENCE + env.settings.lease) / LOOK_AGAIN)):
            held = await line.carry_out(workers.enrol, self.registration, lease=env.settings.lease)
            if held is None:
                line.close()
                return True
            seen.add((held.incarnation, held.beat_no))
            if len(seen) > 1:
                return False
            await Sleep(LOOK_AGAIN)
        return False

    def _follow(self, mode: Mode) -> None:
        self._outbox.reports = mode is not Mode.HASH
        self.on_mode(mode)

    async def _testify(self, session: Session) -> None:
        await self._witness.tell(self._env.server, session, self.registration.id)

    # What hints say.

    async def _receive(self) -> None:
        """Mirrors `_receive`."""
        server, tries = self._env.server, 0
        while True:
            session = server.connect(self.node, None)
            await Sleep(0.003)
            if server.is_connected(session):
                server.listen(session, worker_channel(self._slots.incarnation), self._hear)
                self._intake.look()
                self.mail, tries = session, 0
                await session.broken.wait()
            server.close(session)
            tries += 1
            await Sleep(full_jitter(tries, server.rng))

    def _hear(self, payload: str) -> None:
        match parse_for_worker(payload):
            case TasksNamed(ids):
                self._intake.hint(ids)
            case CancelAsked(ids):
                running = {body.start.task_id for body in self._bodies.values()}
                if self._slots.reserved or not running.isdisjoint(ids):
                    self._intake.look()

    def hint(self, ids: Sequence[TaskId]) -> None:
        """These tasks were dispatched to it."""
        self._intake.hint(ids)

    def account(self) -> Account:
        return self._slots.account

    # What the intake asks and does.

    def is_readable(self, id: TaskId) -> bool:
        return self._env.scripts[id].is_readable

    def new_run_ids(self, count: int) -> list[RunId]:
        draw = self._env.server.rng.getrandbits
        return [RunId(UUID(int=draw(128))) for _ in range(count)]

    def known_runs(self) -> set[RunId]:
        return self._bodies.keys() | self._outbox.runs

    def witness_start(self, beginnings: Sequence[Beginning]) -> None:
        self._witness.started(beginnings)

    def trusted_until(self) -> float:
        return self._heartbeat.trusted_until

    def start(self, run: Run) -> None:
        """Start a body that was just begun."""
        env, beginning = self._env, run.beginning
        start = Start(
            no=len(env.ledger.starts) + 1,
            task_id=beginning.task_id,
            run_id=beginning.run_id,
            attempt=run.allowance.attempt,
            incarnation=self._slots.incarnation,
            at=env.kernel.now,
        )
        env.ledger.started(start)
        env.on_start(start)
        body = self._bodies[beginning.run_id] = _Body(start, Signal(env.kernel))
        self._idle.clear()
        self.node.spawn(self._run(run, body))

    def cancel(self, ids: set[TaskId]) -> None:
        for body in list(self._bodies.values()):
            if body.start.task_id in ids and not body.asked.is_set:
                body.why = Stopped(StopLevel.CANCEL)
                body.asked.set()

    def _interrupt(self) -> None:
        for body in list(self._bodies.values()):
            if not body.asked.is_set:
                body.why = Interrupted("its worker was shut down")
                body.asked.set()

    def _cut_bodies(self) -> None:
        for body in self._bodies.values():
            self._env.ledger.ended(body.start, "cut", self._env.kernel.now)

    async def _run(self, run: Run, body: _Body) -> None:
        script = self._env.scripts[body.start.task_id]
        if not script.heeds:
            await Sleep(script.seconds)
        elif await body.asked.wait(script.seconds):
            self._ended(run, body, body.why, "stopped")
            return
        if run.allowance.attempt <= script.fails:
            self._ended(run, body, Failed("ouch", "Ouch"), "raised")
        else:
            self._ended(run, body, Succeeded(), "returned")

    def _ended(self, run: Run, body: _Body, outcome: Outcome, how: str) -> None:
        self._env.ledger.ended(body.start, how, self._env.kernel.now)
        self._env.tell(f"  body of task {body.start.task_id.int & 0xFFF} {how}")
        del self._bodies[body.start.run_id]
        if not self._bodies:
            self._idle.set()
        self._slots.ended()
        ending = ending_of(run, outcome, self._env)
        self._outbox.put(ending)
        self._intake.slot_freed()
        self.on_freed()

    # Leaving.

    async def _drain(self) -> None:
        """Mirrors `_drain`."""
        winding = self.node.spawn(self._wind_down())
        await Signal.any_of(winding.ended, self.now).wait()
        winding.cancel()
        self._intake.shut()
        if self._bodies:
            self._interrupt()
            await self._idle.wait(INTERRUPT_GRACE)
        await self._outbox.empty.wait(self._patience())

    async def _wind_down(self) -> None:
        await self._tell(self._ask_for_no_more, LEAVE_PATIENCE)
        self._intake.shut()
        await self._intake.settled.wait(LEAVE_PATIENCE)
        await self._idle.wait(DRAIN_TIMEOUT)

    async def _ask_for_no_more(self, session: Session) -> None:
        await self._env.server.send(session, workers.drain, self._slots.incarnation)

    async def _end(self, session: Session) -> None:
        """Mirrors `_end`."""
        await self._home.take_leave(session)
        if not self._fenced.is_set:
            await self._env.server.send(
                session,
                workers.leave,
                self.registration.id,
                self._slots.incarnation,
                pending=self._outbox.pending,
                report=self._slots.report(),
            )

    async def _tell(self, act: Callable[[Session], object], patience: float) -> None:
        line = Line(self._env.server, self.node, self._slots.incarnation)
        await within(self.node, patience, line.until(act))  # type: ignore[arg-type]
        line.close()

    def _patience(self) -> float:
        return HURRY_PATIENCE if self.now.is_set else LEAVE_PATIENCE


def ending_of(run: Run, outcome: Outcome, env: Env) -> Ending | Again:
    """What the database is to be told: mirrors `fcs.worker.endings.ending_of`."""
    task_id, run_id = run.beginning.task_id, run.beginning.run_id
    match outcome:
        case Succeeded():
            return Ending(task_id, run_id, Status.SUCCEEDED)
        case Stopped(level):
            kept = Evidence(AttemptOutcome.CANCELLED, None, "cancelled")
            return Ending(task_id, run_id, Status.CANCELLED, kept.error, None, level, kept)
        case Failed():
            kept = Evidence(AttemptOutcome.FAILED, outcome.error_type, outcome.error)
            status = Status.FAILED
        case Interrupted(reason):
            kept = Evidence(AttemptOutcome.INTERRUPTED, None, reason)
            status = Status.INTERRUPTED
        case _:
            raise AssertionError(f"no body here ends so: {outcome}")
    delay = next_attempt_in(outcome, run.allowance, env.server.rng)
    if "allowance" in env.dropped:
        delay = 0.5
    if delay is not None:
        return Again(task_id, run_id, delay, kept, more_attempts(outcome, run.allowance))
    return Ending(task_id, run_id, status, kept.error, None, None, kept)


def _say_nothing() -> None:
    """Nobody is told."""

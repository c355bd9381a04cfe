"""A simulated candidate: mirrors `fcs.supervisor.elector`, and `Beside` of `fcs.node.work`."""

from typing import assert_never

from fcs.database.leadership import CANDIDATES_CHANNEL, Candidate
from fcs.domain.backoff import full_jitter
from fcs.domain.errors import LeadershipLost
from fcs.domain.ids import NodeId
from fcs.domain.leadership import Act, Leadership
from fcs.domain.lease import LeaseWatch
from fcs.domain.topology import Mode, Part, is_candidate
from fcs.supervisor.elector import ASIDE_INTERVAL, MARGIN_SHARE, RESIGN_PATIENCE
from fcs.supervisor.office import ModeChanged, Office, Term
from proof.sim import server as servers
from proof.sim.database import leadership as rows
from proof.sim.database import workers
from proof.sim.env import Env
from proof.sim.kernel import Node, Process, Signal, Sleep, within
from proof.sim.line import PASSING, Home
from proof.sim.seat import Seat
from proof.sim.session import Session
from proof.sim.worker import Worker


async def run(env: Env, node: Node, id: NodeId, part: Part, *, seat: Seat | None = None) -> None:
    """Be a candidate for ever: mirrors `run`."""
    tries = 0
    elector = Elector(env, node, Candidate(id, part, "", 0), seat=seat)
    while True:
        began = node.at()
        try:
            await elector.stand()
        except PASSING:
            tries = tries + 1 if node.at() - began < env.settings.rescan_interval else 1
        await Sleep(full_jitter(tries, env.server.rng, cap=env.settings.survey_interval))


class Elector:
    """One candidate. What it knows outlives its connections."""

    def __init__(self, env: Env, node: Node, me: Candidate, *, seat: Seat | None) -> None:
        self._env, self._node, self._me, self._seat = env, node, me, seat
        self._server = env.server
        self._lease = env.settings.leader_lease
        self._leadership = Leadership(
            me.node, lease=self._lease, margin=MARGIN_SHARE * self._lease, rng=env.server.rng
        )
        self._home = Home(env.server)
        self._lease_watch = self._begin_to_watch()
        self._called = Signal(env.kernel)

    def _begin_to_watch(self) -> LeaseWatch:
        settings = self._env.settings
        return LeaseWatch(lease=settings.lease, survey_interval=settings.survey_interval)

    async def stand(self) -> None:
        """Stand by, bid and lead until something raises."""
        self._lease_watch = self._begin_to_watch()
        db = self._server.connect(self._node, None)
        db.answer_within = self._lease
        try:
            await self._home.enter(db)
            self._server.listen(db, CANDIDATES_CHANNEL, lambda _: self._called.set())
            while True:
                await self._step(db)
        finally:
            self._server.close(db)

    async def _step(self, db: servers.Session) -> None:
        step = self._leadership.decide(self._node.at())
        match step.act:
            case Act.LOOK:
                await self._wait(step.at - self._node.at())
                await self._look(db)
            case Act.BID:
                await self._bid(db, step.term)
            case Act.LEAD:
                await self._lead(db, step.term)
            case Act.STOP:
                pass
            case _:
                assert_never(step.act)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._called.wait(seconds)
            self._called.clear()

    async def _look(self, db: servers.Session) -> None:
        asked_at = self._node.at()
        seen = await self._server.send(db, rows.look)
        if seen.mode is Mode.HASH and self._seat:
            await self._supervise(db, self._seat)
        elif is_candidate(self._me.part, seen.mode):
            self._leadership.looked(seen.lease, asked_at=asked_at, answered_at=self._node.at())
            await self._look_at_beats(db)
        else:
            await self._wait(ASIDE_INTERVAL)

    async def _look_at_beats(self, db: servers.Session) -> None:
        asked_at = self._node.at()
        seen = await self._server.send(db, workers.beats)
        self._lease_watch.stand_by(
            seen.beats, uptime=seen.uptime, renewed_until=seen.renewed_until, at=asked_at
        )

    async def _bid(self, db: servers.Session, term: int) -> None:
        asked_at = self._node.at()
        if await self._server.send(db, rows.bid, self._me, term=term, lease=self._lease):
            self._leadership.won(term, asked_at=asked_at)
        else:
            self._leadership.beaten(self._node.at())

    async def _lead(self, db: servers.Session, term: int) -> None:
        self._env.tell(f"{self._node.name}: leads term {term}")
        office = Term(self._me, self._leadership, term=term, lease=self._lease)
        await self._supervise(db, office)

    async def _supervise(self, db: servers.Session, office: Office) -> None:
        session = Session(self._env, self._node, office, self._lease_watch)
        watch = self._node.spawn(self._watch(session))
        try:
            await session.supervise()
        except LeadershipLost:
            pass
        except ModeChanged:
            await self._resign(db)
        except PASSING:
            self._leadership.resigned(self._node.at())
            raise
        finally:
            watch.cancel()
            session.close()

    async def _watch(self, session: Session) -> None:
        """Cut a session off that has no answer although its office may be over. Simpler than the
        product's: it does not look another way first."""
        while True:
            await Sleep(self._lease / 2)
            if self._node.at() - session.surveyed_at > self._lease:
                session.close()

    async def _resign(self, db: servers.Session) -> None:
        step = self._leadership.decide(self._node.at())
        if step.act is not Act.LEAD:
            return
        self._leadership.resigned(self._node.at())

        async def resign() -> None:
            try:
                await self._server.send(db, rows.resign, self._me.node, term=step.term)
            except PASSING:
                pass  # the lease ends it

        await within(self._node, RESIGN_PATIENCE, resign())


class Beside:
    """What a worker's process does for the whole cluster: lead it, or hand out its share."""

    def __init__(self, env: Env, worker: Worker, id: NodeId, *, elect: bool) -> None:
        self._env, self._worker, self._id, self._elect = env, worker, id, elect
        self._wanted, self._unwanted = Signal(env.kernel), Signal(env.kernel)
        self._supervising: Process | None = None
        if elect:
            self._wanted.set()

    def stop(self) -> None:
        """Its worker takes no more tasks. The product gives its term up here; the end of its
        connections says as much to the others."""
        self._wanted.clear()
        if self._supervising:
            self._supervising.cancel()

    def follow(self, mode: Mode) -> None:
        is_wanted = self._elect or mode is Mode.HASH
        for signal, is_so in ((self._wanted, is_wanted), (self._unwanted, not is_wanted)):
            if is_so:
                signal.set()
            else:
                signal.clear()

    async def run(self) -> None:
        """Mirrors `Beside.run`."""
        env, worker = self._env, self._worker
        part = Part.ELECTABLE_WORKER if self._elect else Part.WORKER
        while True:
            await self._wanted.wait()
            seat = Seat(
                worker.registration.id,
                worker.registration.incarnation,
                account=worker.account,
                hint=worker.hint,
                lease=env.settings.lease,
            )
            worker.on_freed = seat.freed
            part_of_it = run(env, worker.node, self._id, part, seat=seat)
            self._supervising = worker.node.spawn(part_of_it)
            await self._unwanted.wait()
            self._supervising.cancel()

"""A simulated stretch of supervising: mirrors `fcs.supervisor.runtime.Session` and `upkeep.py`.

Schedules, dependencies, reports in writing and polling are left out.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from fcs.database.tasks import Overdue
from fcs.database.workers import Survey
from fcs.domain.clock import DatabaseClock
from fcs.domain.facts import (
    Assignment,
    Dispatched,
    HeldAsked,
    HeldCounted,
    Lane,
    LanesListed,
    Place,
    QueuesRead,
    TakenBack,
    TasksFound,
    WorkerReported,
    WorkersSurveyed,
)
from fcs.domain.hints import (
    SUPERVISOR_CHANNEL,
    QueuesChanged,
    Rescan,
    Scan,
    TasksNamed,
    WorkersChanged,
    parse_for_supervisor,
)
from fcs.domain.ids import Incarnation, TaskId
from fcs.domain.lease import LeaseWatch, Suspect
from fcs.domain.pace import pause_after
from fcs.domain.rest import Next, Rest
from fcs.domain.supervisor import Plan, Supervisor, refused
from fcs.supervisor.office import Office
from fcs.supervisor.runtime import FORGET_INTERVAL, IDLE_STRETCH, NEVER
from fcs.supervisor.upkeep import CHASE_MAX
from proof.sim import server as servers
from proof.sim.database import backlog, tasks, workers
from proof.sim.env import Env
from proof.sim.kernel import Node
from proof.sim.lookout import Inbox, Lookout, Sharing, Stealing
from proof.sim.seat import Seat


class Session:
    """All that is in memory lives and dies with it, but for the `watch`. Any trouble with the
    database raises."""

    def __init__(self, env: Env, node: Node, office: Office, watch: LeaseWatch) -> None:
        self._env, self._node, self._office = env, node, office
        self._server, self._settings = env.server, env.settings
        settings, at = env.settings, node.at
        self._inbox = Inbox(env.kernel)
        self._supervisor = Supervisor(settings, rng=env.server.rng, share=office.share)
        self._watch = watch
        self._clock = DatabaseClock()
        self._known: set[Incarnation] = set()
        self._ours: set[Incarnation] = set()
        self._does_upkeep = False
        self.surveyed_at = at()
        self._next_survey = self._next_rescan = self._next_forget = at()
        self._next_rules = at()
        self._rest = Rest()
        self._lookout = Lookout(env.server, node, self._supervisor, self._clock)
        self._sharing = self._share_out(office) if isinstance(office, Seat) else None
        self._db = env.server.connect(node, None)
        self._mail = env.server.connect(node, None)
        self._bed = env.server.connect(node, None)

    def _share_out(self, seat: Seat) -> Sharing:
        longest = self._settings.rescan_interval
        stealing = Stealing(
            self._server, self._node, self._supervisor, seat.share, self._clock, longest=longest
        )
        return Sharing(self._node, seat, self._supervisor, self._inbox, stealing)

    def close(self) -> None:
        for session in (self._db, self._mail, self._bed):
            self._server.close(session)

    async def supervise(self) -> None:
        """Work until something raises."""
        self._server.listen(self._mail, SUPERVISOR_CHANNEL, self._inbox.put)
        await self._keep_times()
        while True:
            # The process that receives would end the session.
            if self._mail.broken.is_set or self._bed.broken.is_set:
                raise servers.Unavailable
            await self._hear()
            await self._keep_times()
            if self._sharing:
                self._sharing.hear()
            elif not self._rest.is_asleep:
                await self._lookout.look_around(self._db)
            at = self._node.at()
            plan = self._supervisor.plan(self._clock.now(at), at=at)
            await self._carry_out(plan)
            await self._pause(plan)

    async def _carry_out(self, plan: Plan) -> None:
        if plan.assignments:
            await self._dispatch(plan.assignments)
        if plan.reads:
            await self._read_on(plan.reads)
        if plan.count:
            held = await self._server.send(self._db, backlog.held_in, plan.count)
            self._supervisor.learn(HeldCounted(plan.count, held), at=self._node.at())
        if plan.ask:
            still = await self._server.send(self._db, backlog.still_held, plan.ask)
            self._supervisor.learn(HeldAsked(plan.ask, still), at=self._node.at())

    async def _pause(self, plan: Plan) -> None:
        wait = self._until_next(plan)
        if self._sharing:
            await self._sharing.pause(self._db, plan, wait)
            return
        match self._rest.after_round(plan):
            case Next.NAP:
                await self._inbox.nap(min(self._rest.nap, wait))
            case Next.FALL_ASLEEP:
                await self._fall_asleep()
            case Next.SLEEP:
                await self._inbox.wait(wait)
            case Next.WAKE_UP:
                self._lookout.was_rung()
                self._server.wake_up(self._bed)
                self._rest.is_asleep = False

    async def _fall_asleep(self) -> None:
        if not self._server.fall_asleep(self._bed):
            self._rest.could_not_fall_asleep()
            return
        self._rest.is_asleep = True
        await self._lookout.look_back(self._db)

    async def _hear(self) -> None:
        named: list[TaskId] = []
        look_further = False
        for payload in self._inbox.take():
            match parse_for_supervisor(payload):
                case TasksNamed(ids):
                    named += ids
                case WorkerReported() as report:
                    self._supervisor.learn(report, at=self._node.at())
                case Scan():
                    look_further = True
                case Rescan():
                    self._next_rescan = self._node.at()
                case WorkersChanged():
                    self._next_survey = self._node.at()
                case QueuesChanged():
                    self._next_rules = self._node.at()
                case _:
                    raise AssertionError(f"nobody here says so: {payload}")
        if named:
            await self._find(named)
        if look_further:
            await self._look_further()
        if self._sharing and (named or look_further):
            self._sharing.expect()

    async def _find(self, ids: Sequence[TaskId]) -> None:
        found = await self._server.send(self._db, backlog.find, ids)
        self._supervisor.learn(TasksFound(found), at=self._node.at())

    async def _look_further(self) -> None:
        self._supervisor.look_further()
        await self._lookout.look_back(self._db)

    async def _keep_times(self) -> None:
        at = self._node.at
        if at() >= self._next_rules:
            await self._read_rules()
        if at() >= self._next_survey:
            await self._survey()
        self._does_upkeep = self._office.does_upkeep(self._clock.now(at()))
        if at() >= self._next_rescan:
            await self._rescan()
        if self._does_upkeep and at() >= self._next_forget:
            seconds = self._settings.forget_workers_after
            await self._server.send(self._db, workers.forget_ended, seconds=seconds)
            self._next_forget = at() + FORGET_INTERVAL

    async def _read_rules(self) -> None:
        rules = await self._server.send(self._db, backlog.rules)
        at = self._node.at()
        self._supervisor.learn(QueuesRead(rules), at=at)
        self._next_rules = at + self._settings.rescan_interval if rules else NEVER

    async def _survey(self) -> None:
        asked_at = self._node.at()
        seen = await self._look_at_workers(asked_at)
        rows = seen.workers
        self._clock.sync(seen.now, answered_at=self._node.at())
        self._supervisor.follow(seen.strategy)
        self._supervisor.learn(WorkersSurveyed(rows), at=asked_at)
        self._known = {row.incarnation for row in rows}
        if self._sharing and not self._rest.is_asleep:
            await self._fall_asleep()
        self._ours = {row.incarnation for row in rows if self._office.may_reap(row)}
        for suspect in self._watch.observe(rows, uptime=seen.uptime, at=asked_at):
            if suspect.incarnation in self._ours:
                await self._reap(suspect)
        if unanswered := self._ours.intersection(self._supervisor.unanswered(asked_at)):
            await self._chase(list(unanswered))
        self._set_next_survey(seen)

    async def _look_at_workers(self, asked_at: float) -> Survey:
        seen = await self._server.send(self._db, workers.survey, self._office.tenure)
        self._office.surveyed(seen, asked_at=asked_at, answered_at=self._node.at())
        self.surveyed_at = asked_at
        if self._sharing:
            self._sharing.surveyed()
        return seen

    def _set_next_survey(self, seen: Survey) -> None:
        at = self._node.at()
        suspicion = self._watch.next_suspicion_at()
        is_idle = not any(
            row.slots_busy or row.tasks_sent > row.tasks_taken for row in seen.workers
        )
        interval = self._settings.survey_interval
        self._next_survey = at + (IDLE_STRETCH * interval if is_idle else interval)
        if suspicion is not None:
            self._next_survey = min(self._next_survey, max(suspicion, at + 0.05))

    async def _reap(self, suspect: Suspect) -> None:
        """Mirrors `upkeep.reap`."""
        reason = f"its worker was silent for longer than the lease of {self._settings.lease:g} s"
        moved = await self._server.send(self._db, workers.reap, suspect, reason=reason)
        if moved is None:
            return
        self._env.tell(
            f"{self._node.name}: reaps {str(suspect.incarnation)[-4:]},"
            f" interrupted {len(moved.interrupted)}, returned {len(moved.returned)}"
        )
        if moved.returned:
            self._supervisor.learn(TasksFound(moved.returned), at=self._node.at())

    async def _chase(self, incarnations: list[Incarnation]) -> None:
        """Mirrors `upkeep.chase`."""
        settings, send = self._settings, self._server.send
        found = await send(
            self._db,
            tasks.overdue,
            incarnations,
            seconds=settings.hint_again_after,
            limit=CHASE_MAX,
        )
        stale = [one for one in found if one.age >= settings.take_back_after]
        fresh = [one for one in found if one.age < settings.take_back_after]
        by_worker = attrgetter("incarnation")
        for incarnation, some in groupby(sorted(fresh, key=by_worker), key=by_worker):
            await send(self._db, tasks.hint_again, incarnation, [one.id for one in some])
        if stale:
            await self._take_back(stale)

    async def _take_back(self, stale: list[Overdue]) -> None:
        returned = await self._server.send(self._db, tasks.take_back, stale)
        back = {task.id for task in returned}
        unanswered = frozenset(one.incarnation for one in stale if one.id in back)
        self._supervisor.learn(TakenBack(returned, unanswered), at=self._node.at())

    async def _rescan(self) -> None:
        began = self._node.at()
        found = await self._server.send(self._db, backlog.glance)
        if found.has_rules:
            self._next_rules = min(self._next_rules, self._node.at())
        self._supervisor.start_over()
        if found.has_waiting:
            await self._look_further()
            if reads := self._supervisor.plan_reads(self._clock.now(self._node.at())):
                await self._read_on(reads)
        else:
            self._supervisor.learn(LanesListed([]), at=self._node.at())
        if found.has_held:
            if self._does_upkeep:
                for incarnation in await self._server.send(self._db, workers.strangers):
                    await self._server.send(
                        self._db, tasks.reap, incarnation, reason="its worker is not known"
                    )
            await self._chase(list(self._ours.intersection(self._known)))
        at = self._node.at()
        self._next_rescan = at + pause_after(at - began, interval=self._settings.rescan_interval)

    async def _read_on(self, reads: Sequence[tuple[Lane, Place | None]]) -> None:
        share = self._office.share
        found = await self._server.send(
            self._db,
            backlog.read_on,
            reads,
            limit=self._supervisor.lane_share,
            slot_bits=share.slot_bits if share else None,
        )
        for read in found:
            self._supervisor.learn(read, at=self._node.at())

    async def _dispatch(self, assignments: Sequence[Assignment]) -> None:
        tenure = self._office.tenure
        accepted = await self._server.send(
            self._db,
            tasks.dispatch,
            assignments,
            term=tenure.term if tenure else None,
            is_quiet=isinstance(self._office, Seat),
        )
        if isinstance(self._office, Seat):
            self._office.hint([one.task.id for one in assignments if one.task.id in accepted])
        at = self._node.at()
        self._next_survey = min(self._next_survey, at + self._settings.survey_interval)
        self._supervisor.learn(Dispatched(assignments, accepted), at=at)
        if lost := refused(assignments, accepted):
            await self._find([assignment.task.id for assignment in lost])

    def _until_next(self, plan: Plan) -> float:
        at = self._node.at()
        moments = [self._next_survey - at, self._next_rescan - at, self._next_rules - at]
        moments.append(self._office.until_relief(self._clock.now(at)))
        if plan.wake_at is not None:
            moments.append((plan.wake_at - self._clock.now(at)).total_seconds())
        return max(0.0, min(moments))

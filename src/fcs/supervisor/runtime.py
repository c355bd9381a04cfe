"""The supervisor's eyes and hands: hear, plan, carry out, wait.

Starting again is the recovery path: after any trouble with the database everything in memory
is thrown away and read anew (`elector.py`). Several supervisors at once are safe, because each
dispatch is a compare-and-set; the losers' work is merely wasted.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random

from fcs.database import backlog, creation, queues, settling, sleep, tasks, workers
from fcs.database.connect import Connection, connect, cut_off
from fcs.database.glance import glance
from fcs.database.hearing import NO_HINTS, hears
from fcs.database.mail import Inbox, listen
from fcs.database.migrate import check_schema
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
    TasksFound,
    WorkerReported,
    WorkersSurveyed,
)
from fcs.domain.hints import (
    SUPERVISOR_CHANNEL,
    QueuesChanged,
    Rescan,
    Scan,
    SchedulesChanged,
    Settle,
    TasksNamed,
    WorkersChanged,
    parse_for_supervisor,
)
from fcs.domain.ids import Incarnation, TaskId, WorkerId
from fcs.domain.lease import LeaseWatch
from fcs.domain.pace import Pace, pause_after
from fcs.domain.rest import Next, Rest
from fcs.domain.settings import Settings
from fcs.domain.supervisor import Plan, Supervisor, refused
from fcs.supervisor import firing, upkeep
from fcs.supervisor.duty import Duty
from fcs.supervisor.garbage import Garbage
from fcs.supervisor.lookout import Lookout
from fcs.supervisor.office import Office, Seat
from fcs.supervisor.reports import Reports
from fcs.supervisor.sharing import Sharing
from fcs.supervisor.stealing import Stealing

log = logging.getLogger(__name__)

FORGET_INTERVAL = 60.0
FORGET_MAX = 1_000

NEVER = float("inf")

IDLE_STRETCH = 1.9
"""So many times longer until the next survey when nobody holds anything. The death of such a worker
loses nothing; twice as long would count as not having looked at all."""


class Session:
    """One connected stretch of supervising: all that is in memory lives and dies with it, but for
    the `watch` of the workers' beats, which goes on while others lead.

    `office` says in whose name: for a term, or for one worker alone.
    """

    _db: Connection
    _mail: Connection
    _bed: Connection | None = None
    """Holds the lock of who sleeps and is rung; none where no hint arrives."""

    def __init__(
        self,
        settings: Settings,
        office: Office,
        watch: LeaseWatch,
        *,
        rng: Random,
        at: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._office = office
        self._rng, self._at = rng, at
        self._inbox = Inbox()
        self._supervisor = Supervisor(settings, rng=rng, share=office.share)
        self._watch = watch
        self._clock = DatabaseClock()
        self._duty = Duty(office, self._clock, at=at)
        self._known: dict[Incarnation, WorkerId] = {}
        self.surveyed_at = at()
        """When it last looked at the workers, and had an answer."""
        self._ours: set[Incarnation] = set()
        """Whom to reap if they fall silent, and to remind of what they were sent."""
        self._open: list[Connection] = []
        self._next_survey = self._next_rescan = self._next_forget = at()
        self._next_fire = self._next_schedules = self._next_rules = at()
        self._next_poll = NEVER
        self._pace = Pace(settings.poll_interval)
        self._rest = Rest()
        self._lookout = Lookout(self._supervisor, self._clock, at=at)
        self._reports = Reports(self._supervisor, at=at)
        self._sharing = self._share_out(office) if isinstance(office, Seat) else None
        self._is_unsettled = False
        self._garbage = Garbage(at)

    def _share_out(self, seat: Seat) -> Sharing:
        stealing = Stealing(
            self._supervisor,
            seat.share,
            self._clock,
            longest=self._settings.rescan_interval,
            rng=self._rng,
            at=self._at,
        )
        return Sharing(seat, self._supervisor, self._inbox, stealing, at=self._at)

    async def open(self, url: str, group: asyncio.TaskGroup, *, direct: str | None) -> None:
        """Connect; listen before anything is read, so that nothing falls between the two."""
        self._db = await connect(url, part="supervisor", keys_only=True)
        self._open.append(self._db)
        await check_schema(self._db)
        self._mail = await connect(direct or url, part="supervisor mail")
        self._open.append(self._mail)
        if await hears(self._mail, url, direct=direct):
            await listen(self._mail, SUPERVISOR_CHANNEL)
            group.create_task(self._inbox.receive(self._mail))
            self._bed = await connect(direct or url, part="supervisor sleep")
            self._open.append(self._bed)
            log.info("supervisor ready: %s", self._office)
        else:
            self._next_poll = self._at()
            log.warning("supervisor ready, but %s: %s", NO_HINTS, self._office)

    async def close(self) -> None:
        for db in self._open:
            await db.close()

    def cut_off(self) -> None:
        """Let its connections break: what waits for an answer on them fails at once."""
        for db in self._open:
            cut_off(db)

    async def supervise(self) -> None:
        """Work until cancelled or cut off."""
        # Hints may be there already, and can be followed once the workers and the clock are known.
        await self._keep_times()
        while True:
            await self._hear()
            await self._keep_times()
            if self._is_unsettled and self._duty.is_ours:
                await self._settle()
            if self._sharing:
                self._sharing.hear()
            elif self._bed and not self._rest.is_asleep:
                # Those who create tasks now do not ring.
                await self._lookout.look_around(self._db)
                await self._reports.look(self._db)
            plan = self._supervisor.plan(self._clock.now(self._at()), at=self._at())
            await self._carry_out(plan)
            await self._pause(plan)

    async def _carry_out(self, plan: Plan) -> None:
        # In this order: what is being handed out must not be read as waiting once more.
        if plan.assignments:
            self._pace.found()
            await self._dispatch(plan.assignments)
        if plan.reads:
            await self._read_on(plan.reads)
        if plan.count:
            await self._count(plan.count)
        if plan.ask:
            await self._ask(plan.ask)

    async def _pause(self, plan: Plan) -> None:
        wait = self._until_next(plan.wake_at)
        if self._sharing:
            await self._sharing.pause(self._db, plan, wait)
            return
        if self._bed is None:
            await self._inbox.wait(wait if plan.is_empty else 0)
            return
        match self._rest.after_round(plan, reads_reports=self._reports.are_written):
            case Next.GO_ON:
                await self._inbox.wait(0)
            case Next.NAP:
                await self._inbox.nap(min(self._rest.nap, wait))
            case Next.FALL_ASLEEP:
                await self._fall_asleep(self._bed)
            case Next.SLEEP:
                await self._inbox.wait(wait)
            case Next.WAKE_UP:
                self._lookout.was_rung()
                await sleep.wake_up(self._bed)
                self._rest.is_asleep = False

    async def _fall_asleep(self, bed: Connection) -> None:
        fall_asleep = self._sharing.fall_asleep if self._sharing else sleep.fall_asleep
        if not await fall_asleep(bed):
            self._rest.could_not_fall_asleep()
            return
        self._rest.is_asleep = True
        # What came before did not ring.
        await self._lookout.look_back(self._db)
        await self._reports.read(self._db)

    async def _hear(self) -> None:
        named: list[TaskId] = []
        look_further = False
        if self._inbox.overflowed:
            # What was dropped may have named tasks anywhere.
            self._inbox.overflowed = False
            self._next_rescan = self._at()
        for payload in self._inbox.take():
            match parse_for_supervisor(payload):
                case TasksNamed(ids):
                    named += ids
                case WorkerReported() as report:
                    self._supervisor.learn(report, at=self._at())
                case Scan():
                    look_further = True
                case Settle():
                    self._is_unsettled = True
                case Rescan():
                    self._next_rescan = self._at()
                case WorkersChanged():
                    self._next_survey = self._at()
                case QueuesChanged():
                    self._next_rules = self._at()
                case SchedulesChanged():
                    self._next_fire = self._at()
                case None:
                    self._garbage.add()
        if named:
            await self._find(named)
        if look_further:
            await self._look_further()
        if self._sharing and (named or look_further):
            self._sharing.expect()
        self._garbage.own_up()

    async def _find(self, ids: Sequence[TaskId]) -> None:
        found = await backlog.find(self._db, ids)
        self._supervisor.learn(TasksFound(found), at=self._at())

    async def _look_further(self) -> None:
        self._supervisor.look_further()
        await self._lookout.look_back(self._db)

    async def _settle(self) -> None:
        """One step; what is left waits its turn, for others want to be served as well."""
        marked = await settling.mark_needed(self._db)
        notes, due = await settling.settle(self._db, rings=self._sharing is not None)
        self._supervisor.learn(TasksFound(due), at=self._at())
        self._is_unsettled = marked + notes > 0

    async def _keep_times(self) -> None:
        if self._at() >= self._next_rules:
            await self._read_rules()
        if self._at() >= self._next_survey:
            await self._survey()
        if self._at() >= self._duty.relief_at:
            self._duty.look()
        if self._at() >= self._next_rescan:
            await self._rescan()
        if self._at() >= self._next_poll:
            await self._poll()
        if self._duty.is_ours:
            await self._keep_up()

    async def _keep_up(self) -> None:
        """What has to be done once for all."""
        if self._at() >= self._next_forget:
            await self._forget()
        if self._at() >= self._next_fire:
            await self._fire()
        if self._at() >= self._next_schedules:
            self._next_schedules = self._at() + await firing.look_after(self._db)

    async def _poll(self) -> None:
        """Find in the rows what hints would have told."""
        began = asked_at = self._at()
        seen = await self._look_at_workers(asked_at)
        self._supervisor.learn(WorkersSurveyed(seen.workers), at=asked_at)
        await self._look_further()
        self._is_unsettled = True
        self._next_fire = min(self._next_fire, self._at() + self._settings.survey_interval)
        self._next_rules = min(self._next_rules, self._at() + self._settings.survey_interval)
        self._next_poll = self._at() + self._pace.pause(took=self._at() - began)

    async def _forget(self) -> None:
        await workers.forget_ended(self._db, seconds=self._settings.forget_workers_after)
        looked_at = await creation.forget_keys(
            self._db, seconds=self._settings.keep_keys, limit=FORGET_MAX
        )
        # A little at a time, and soon again where there is more.
        pause = FORGET_INTERVAL if looked_at < FORGET_MAX else self._settings.survey_interval
        self._next_forget = self._at() + pause

    async def _fire(self) -> None:
        wait = await firing.fire_due(self._db, rng=self._rng)
        # The moment is one of the database's clock, which may be set: each rescan looks again.
        self._next_fire = NEVER if wait is None else self._at() + wait

    async def _read_rules(self) -> None:
        rules = await queues.rules(self._db)
        self._supervisor.learn(QueuesRead(rules), at=self._at())
        # Of rules that are gone no glance tells.
        self._next_rules = self._at() + self._settings.rescan_interval if rules else NEVER

    async def _survey(self) -> None:
        asked_at = self._at()
        seen = await self._look_at_workers(asked_at)
        rows = seen.workers
        self._clock.sync(seen.now, answered_at=self._at())
        self._supervisor.follow(seen.strategy)
        self._supervisor.learn(WorkersSurveyed(rows), at=asked_at)
        self._note_changes({row.incarnation: row.id for row in rows})
        await self._reports.ask(self._db, () if self._sharing or not self._bed else self._known)
        if self._bed and self._sharing and not self._rest.is_asleep:
            await self._fall_asleep(self._bed)
        self._duty.look()
        self._ours = {row.incarnation for row in rows if self._office.may_reap(row)}
        for suspect in self._watch.observe(rows, uptime=seen.uptime, at=asked_at):
            if suspect.incarnation not in self._ours:
                continue
            returned = await upkeep.reap(
                self._db, suspect, self._known[suspect.incarnation], self._settings
            )
            if returned:
                self._supervisor.learn(TasksFound(returned), at=self._at())
        if unanswered := self._ours.intersection(self._supervisor.unanswered(asked_at)):
            await self._chase(list(unanswered))

        at, suspicion = self._at(), self._watch.next_suspicion_at()
        is_idle = not any(row.slots_busy or row.tasks_sent > row.tasks_taken for row in rows)
        interval = self._settings.survey_interval
        self._next_survey = at + (IDLE_STRETCH * interval if is_idle else interval)
        if suspicion is not None:
            # Not a whole interval late for a worker that is about to be lost, nor a hot loop.
            self._next_survey = min(self._next_survey, max(suspicion, at + 0.05))

    async def _look_at_workers(self, asked_at: float) -> workers.Survey:
        seen = await workers.survey(self._db, self._office.tenure)
        self._office.surveyed(seen, asked_at=asked_at, answered_at=self._at())
        self.surveyed_at = asked_at
        if self._sharing:
            self._sharing.surveyed()
        return seen

    async def _chase(self, incarnations: list[Incarnation]) -> None:
        taken_back = await upkeep.chase(self._db, incarnations, self._settings)
        if taken_back is not None:
            self._supervisor.learn(taken_back, at=self._at())

    async def _rescan(self) -> None:
        """Read every lane from its head: for lost hints, and for what committed late."""
        began = self._at()
        if self._bed:
            await sleep.still_asleep(self._bed)
        found = await glance(self._db)
        self._is_unsettled |= found.has_notes
        if found.has_rules:
            self._next_rules = min(self._next_rules, self._at())
        if found.next_fire is not None:
            self._next_fire = min(self._next_fire, self._at() + found.next_fire)
        self._supervisor.start_over()
        if found.has_waiting:
            await self._look_further()
            if reads := self._supervisor.plan_reads(self._clock.now(self._at())):
                await self._read_on(reads)
        else:
            self._supervisor.learn(LanesListed([]), at=self._at())
        if found.has_held:
            if self._duty.is_ours:
                await upkeep.reap_strangers(self._db)
            # Also of workers whose accounts look well: what was not begun is told by the rows.
            await self._chase(list(self._ours.intersection(self._known)))
        took = self._at() - began
        self._next_rescan = self._at() + pause_after(took, interval=self._settings.rescan_interval)

    async def _read_on(self, reads: Sequence[tuple[Lane, Place | None]]) -> None:
        share = self._office.share
        found = await backlog.read_on(
            self._db,
            reads,
            limit=self._supervisor.lane_share,
            slot_bits=share.slot_bits if share else None,
        )
        for read in found:
            self._supervisor.learn(read, at=self._at())

    async def _count(self, names: frozenset[str]) -> None:
        held = await queues.held_in(self._db, names)
        self._supervisor.learn(HeldCounted(names, held), at=self._at())

    async def _ask(self, ids: frozenset[TaskId]) -> None:
        held = await queues.still_held(self._db, ids)
        self._supervisor.learn(HeldAsked(ids, held), at=self._at())

    async def _dispatch(self, assignments: Sequence[Assignment]) -> None:
        tenure = self._office.tenure
        accepted = await tasks.dispatch(
            self._db,
            assignments,
            term=tenure.term if tenure else None,
            is_quiet=isinstance(self._office, Seat),
        )
        if isinstance(self._office, Seat):
            self._office.hint([one.task.id for one in assignments if one.task.id in accepted])
        self._next_survey = min(self._next_survey, self._at() + self._settings.survey_interval)
        self._supervisor.learn(Dispatched(assignments, accepted), at=self._at())
        log.debug("tasks dispatched: offered=%d accepted=%d", len(assignments), len(accepted))
        if lost := refused(assignments, accepted):
            # Some other supervisor's, deleted, not yet due after all: the rows know.
            await self._find([assignment.task.id for assignment in lost])

    def _until_next(self, wake_at: datetime | None) -> float:
        at = self._at()
        moments = [self._next_survey - at, self._next_rescan - at, self._next_poll - at]
        moments += [self._next_rules - at, self._duty.relief_at - at]
        if self._duty.is_ours:
            if self._is_unsettled:
                return 0.0
            moments.append(self._next_fire - at)
        if wake_at is not None:
            moments.append((wake_at - self._clock.now(self._at())).total_seconds())
        return max(0.0, min(moments))

    def _note_changes(self, present: dict[Incarnation, WorkerId]) -> None:
        for incarnation in present.keys() - self._known.keys():
            log.info("worker joined: worker=%s workers=%d", present[incarnation], len(present))
        for incarnation in self._known.keys() - present.keys():
            log.info("worker left: worker=%s workers=%d", self._known[incarnation], len(present))
        self._known = present

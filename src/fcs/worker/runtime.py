"""One worker process: register, beat, take in, run, report; and leave in good order.

hints --> Intake --begin--> Executor --ended--> Outbox --finish--> database
             ^                                     |
             +---------- a slot is free -----------+
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from random import Random
from typing import Any, NamedTuple

from fcs.body import Resources
from fcs.body.logs import keep_journals
from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.hearing import NO_HINTS, hears
from fcs.database.home import Home
from fcs.database.line import Line, is_passing
from fcs.database.mail import hints, listen
from fcs.database.runs import Again
from fcs.database.workers import Registration
from fcs.domain.backoff import full_jitter, is_worth_a_line
from fcs.domain.errors import Fenced
from fcs.domain.hints import CancelAsked, TasksNamed, parse_for_worker, worker_channel
from fcs.domain.ids import Incarnation, RunId, TaskId
from fcs.domain.outcome import Outcome
from fcs.domain.pace import Pace
from fcs.domain.settings import Settings
from fcs.domain.topology import Mode
from fcs.registry import Registry
from fcs.worker.children.pool import Pool
from fcs.worker.children.spawn import Recipe
from fcs.worker.declaring import declare
from fcs.worker.endings import ending_of, untold
from fcs.worker.enrol import enrol
from fcs.worker.executor import Executor, Run
from fcs.worker.heartbeat import Heartbeat
from fcs.worker.intake import Intake
from fcs.worker.outbox import Outbox
from fcs.worker.progress import ProgressReporter
from fcs.worker.slots import Account, Slots
from fcs.worker.witness import Witness

log = logging.getLogger(__name__)

LEAVE_PATIENCE = 5.0
"""Seconds for which a leaving worker tries to tell the database; then its lease tells."""

HURRY_PATIENCE = 1.0
"""The same for a worker that was asked to leave at once."""

INTERRUPT_GRACE = 1.0
"""Seconds that async bodies get to clean up once they have been cancelled."""


class Stop(NamedTuple):
    """How a worker is asked to leave: drain, or leave now."""

    drain: asyncio.Event
    now: asyncio.Event


class Worker:
    """A registered worker. `at` is the local clock in seconds, sleeping time included.

    `direct` is the way to the same database around a pooler, for listening.
    """

    def __init__(
        self,
        url: str,
        registration: Registration,
        registry: Registry,
        settings: Settings,
        *,
        rng: Random,
        at: Callable[[], float],
        new_run_ids: Callable[[int], list[RunId]],
        pool: Pool | None = None,
        direct: str | None = None,
    ) -> None:
        self._url, self._registration, self._settings = url, registration, settings
        self._direct = direct
        self._rng, self._at = rng, at
        self._schedules = registry.schedules
        self._slots = Slots(registration.incarnation, registration.slots_total)
        self._fenced = asyncio.Event()
        self._witness = Witness(
            registration.id,
            registration.incarnation,
            at=at,
            known_runs=lambda: self._executor.runs | self._outbox.runs,
        )
        self._home = Home(part="worker", testify=self._witness.testify)
        self._outbox = Outbox(url, self._slots, self._witness, rng=rng, lease=settings.lease)
        self._progress = ProgressReporter(url, rng=rng, lease=settings.lease)
        self._pool = pool
        self._resources = Resources(registry)
        self._executor = Executor(
            self._slots.total,
            pool,
            self._resources,
            ended=self._ended,
            not_started=self._not_started,
        )
        self._intake = Intake(
            url,
            self._slots,
            registry,
            settings,
            rng=rng,
            at=at,
            new_run_ids=new_run_ids,
            start=self._executor.start,
            cancel=self._executor.cancel,
            tell=self._progress.tell,
            trusted_until=lambda: self._heartbeat.trusted_until,
            known_runs=lambda: self._executor.runs | self._outbox.runs,
            home=self._home,
            witness=self._witness,
            pool=pool,
        )
        if pool is not None:
            pool.on_ready = self._intake.child_ready
        self._heartbeat = Heartbeat(
            url,
            self._slots,
            settings,
            rng=rng,
            at=at,
            on_sent=self._intake.sent_so_far,
            on_fenced=self._fenced.set,
            on_mode=self._follow,
            on_moved=self._intake.look_anew,
            may_begin=lambda: self._intake.is_answered,
        )
        self.on_mode: Callable[[Mode], None] = lambda _: None
        """Called when the cluster is to be led in another way, and once at the beginning."""
        self.on_freed: Callable[[], None] = lambda: None
        """Called when a body has ended."""

    async def run(self, stop: Stop, *, drain_timeout: float) -> None:
        """Work until asked to stop, then drain; the worker must be enrolled.

        Raises `Fenced` when somebody else declared this process lost or took over its id.
        """
        keep_journals()
        self._heartbeat.start()
        try:
            await self._work(stop, drain_timeout)
        finally:
            # Also on the way out of a failure: say the truth about what is held, then go.
            self._executor.interrupt()
            await self._heartbeat.stop()
            await self._leave(_patience(stop))
            self._executor.close()
            # Last: whoever waits for the truth about the tasks need not wait for these.
            if not await _within(_patience(stop), self._resources.close()):
                log.warning("resources were not left in time: the process goes without them")
            log.info("worker stopped: id=%s", self._registration.id)
        if self._fenced.is_set():
            raise Fenced(
                f"worker {self._registration.id} was declared lost or replaced;"
                " it began nothing since, and what it still ran is kept as late reports",
                hint="Start it again. If this recurs, the machine or its network pauses for"
                " longer than the lease.",
            )

    def is_trusted(self) -> bool:
        """Whether the lease is fresh enough to begin tasks."""
        return self._at() < self._heartbeat.trusted_until and not self._fenced.is_set()

    async def _work(self, stop: Stop, drain_timeout: float) -> None:
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(part)
                for part in (
                    self._outbox.run(),
                    self._intake.run(),
                    self._progress.run(),
                    self._receive(),
                    self._turn(),
                    *([self._pool.run()] if self._pool else []),
                    declare(self._url, self._slots.incarnation, self._schedules, rng=self._rng),
                )
            ]
            log.info(
                "worker ready: id=%s incarnation=%s slots=%d types=%s",
                self._registration.id,
                self._slots.incarnation,
                self._slots.total,
                ",".join(self._registration.types),
            )
            await _any_of(stop.drain.wait(), stop.now.wait(), self._fenced.wait())
            await self._drain(stop, drain_timeout)
            for part in parts:
                part.cancel()

    def _follow(self, mode: Mode) -> None:
        log.info("worker follows: mode=%s", mode)
        # In hash mode it is handed its tasks beside it, where its slots are known.
        self._outbox.reports = mode is not Mode.HASH
        self.on_mode(mode)

    @property
    def incarnation(self) -> Incarnation:
        return self._slots.incarnation

    def account(self) -> Account:
        """How it is just now; may be read from any thread."""
        return self._slots.account

    def hint(self, ids: Sequence[TaskId]) -> None:
        """These tasks were dispatched to it."""
        self._intake.hint(ids)

    def _ended(self, run: Run, outcome: Outcome) -> None:
        self._slots.ended()
        try:
            last_word = self._progress.take(run.context)
            ending = ending_of(run, outcome, self._rng)
        except Exception as error:  # noqa: BLE001 - logged with the ending
            # Untold, the run would be taken for one whose body was never started.
            last_word, ending = None, untold(run, error)
        self._outbox.put(ending, last_word)
        self._intake.slot_freed()
        self.on_freed()

    def _not_started(self, run: Run) -> None:
        """A begun task whose body did not start: a look at the rows gives it back."""
        self._witness.not_started(run.context.run_id)
        self._slots.ended()
        self._intake.look()

    async def _receive(self) -> None:
        """Listen for hints, for ever; after each connecting, look at the rows."""
        tries = 0
        while True:
            try:
                db = await connect(self._direct or self._url, part="worker mail")
                async with db:
                    if not await hears(db, self._url, direct=self._direct):
                        break
                    await listen(db, worker_channel(self._slots.incarnation))
                    self._intake.look()
                    tries = 0
                    async for hint in hints(db):
                        self._hear(hint)
            except Exception as error:
                if not is_passing(error):
                    raise
                tries += 1
                if is_worth_a_line(tries):
                    reason = " ".join(str(error).split())
                    log.warning("worker hears no hints, connecting again: reason=%s", reason)
            await asyncio.sleep(full_jitter(tries, self._rng))
        await self._poll()

    async def _poll(self) -> None:
        """Look at the rows, for ever, because nobody tells."""
        log.warning("worker polls: %s", NO_HINTS)
        self._heartbeat.hurry()
        pace, seen = Pace(self._settings.poll_interval), self._slots.account
        while True:
            self._intake.look()
            await asyncio.sleep(pace.pause())
            if seen != self._slots.account:
                pace.found()
            seen = self._slots.account

    def _hear(self, payload: str) -> None:
        match parse_for_worker(payload):
            case TasksNamed(ids):
                self._intake.hint(ids)
            case CancelAsked(ids):
                # Anybody can say so: whether somebody asked for it, the rows tell.
                if self._slots.reserved or self._executor.has_any(ids):
                    self._intake.look()

    async def _turn(self) -> None:
        while True:
            self._heartbeat.turn()
            await asyncio.sleep(0.5)

    async def _drain(self, stop: Stop, drain_timeout: float) -> None:
        """Take nothing more, hand back what has not begun, wait for what runs."""
        log.info("worker draining: running=%d drain_timeout=%g", self._slots.busy, drain_timeout)
        await _any_of(self._wind_down(drain_timeout), stop.now.wait())
        self._intake.shut()
        if self._executor.runs:
            log.warning("bodies interrupted by shutdown: running=%d", len(self._executor.runs))
            self._executor.interrupt()
            await _within(INTERRUPT_GRACE, self._executor.wait())
        await _within(_patience(stop), self._outbox.flushed())

    async def _wind_down(self, drain_timeout: float) -> None:
        await self._tell(self._ask_for_no_more, LEAVE_PATIENCE)
        await _within(LEAVE_PATIENCE, self._intake.close())
        await _within(drain_timeout, self._executor.wait())

    async def _ask_for_no_more(self, db: Connection) -> None:
        await workers.drain(db, self._slots.incarnation)

    async def _leave(self, patience: float) -> None:
        """Close the incarnation, and say the truth about whatever it still holds."""
        await self._tell(self._end, patience)

    async def _end(self, db: Connection) -> None:
        await self._home.take_leave(db)
        if self._fenced.is_set():
            await self._record_pending_late(db)
            return
        async with db.transaction():
            # Unlike a reaper it waits for whoever holds the row: nobody else would come for it.
            held = await workers.lock_registration(db, self._registration.id)
            if held is None or held.incarnation != self._slots.incarnation:
                return
            if held.state in ("live", "draining"):
                await self._finish_pending(db)
                reason = "its worker was shut down before the body had ended"
                await tasks.reap(db, self._slots.incarnation, reason=reason)
                await workers.end_worker(db, self._slots.incarnation, state="gone")

    async def _record_pending_late(self, db: Connection) -> None:
        """The connection for how bodies ended may hang; nobody else would tell how these did."""
        endings = [end.as_last if isinstance(end, Again) else end for end in self._outbox.pending]
        if endings:
            await runs.record_late(db, endings)

    async def _finish_pending(self, db: Connection) -> None:
        """How these bodies ended is known here, and must not be called interrupted."""
        pending = self._outbox.pending
        if agains := [ending for ending in pending if isinstance(ending, Again)]:
            await runs.retry(db, agains, self._slots.report())
        endings = [end.as_last if isinstance(end, Again) else end for end in pending]
        if endings:
            await runs.finish(db, endings, self._slots.report())

    async def _tell(self, act: Callable[[Connection], Awaitable[None]], patience: float) -> None:
        """Try to tell the database for a while; a worker that cannot may leave all the same."""
        line = Line(self._url, part="worker leave", rng=self._rng)
        try:
            if not await _within(patience, line.carry_out(act)):
                log.warning("could not tell the database of the leaving; the lease will tell")
        finally:
            await line.close()


async def start(
    url: str,
    registration: Registration,
    registry: Registry,
    settings: Settings,
    *,
    rng: Random,
    at: Callable[[], float],
    new_run_ids: Callable[[int], list[RunId]],
    recipe: Recipe,
    direct: str | None = None,
) -> Worker:
    """Take up the worker id and return the worker, ready to run.

    By the recipe it has child processes, if any type wants them. `direct` is the way to the same
    database around a pooler, for listening. Raises `WorkerIdTaken` when
    another live process has the id, and `ChildNotStarted`.
    """
    isolated = registry.isolated()
    pool = Pool(recipe, isolated, registration.slots_total, rng=rng) if isolated else None
    if pool is not None:
        await pool.open()
    try:
        await enrol(url, registration, lease=settings.lease, rng=rng, patience=10 + settings.lease)
    except BaseException:
        if pool is not None:
            await pool.close()
        raise
    return Worker(
        url,
        registration,
        registry,
        settings,
        rng=rng,
        at=at,
        new_run_ids=new_run_ids,
        pool=pool,
        direct=direct,
    )


def _patience(stop: Stop) -> float:
    return HURRY_PATIENCE if stop.now.is_set() else LEAVE_PATIENCE


async def _within(seconds: float, wait: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return False
    return True


async def _any_of(*waits: Coroutine[Any, Any, object]) -> None:
    waiting = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()

"""The intake: from a hint to a body that starts.

The order carries the promise: decode and bind the arguments, take the slot, then begin, then
start the body; between the answer and the body's first instruction lies only a look at the
lease.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Any, TypeVar

from fcs.body import Context
from fcs.body.context import Progress
from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.home import Home
from fcs.database.line import Line
from fcs.database.runs import Beginning
from fcs.database.tasks import Dispatched, Held
from fcs.domain.errors import InvalidInput, UnknownType
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Allowance
from fcs.domain.pace import pause_after
from fcs.domain.settings import Settings
from fcs.domain.task import OnInterrupt, Status
from fcs.domain.text import safe_text
from fcs.registry import Isolation, Registry, TaskType, check_timeout
from fcs.worker.children.pool import Pool
from fcs.worker.executor import Run
from fcs.worker.slots import Slots
from fcs.worker.witness import Witness

log = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_BEGIN = 0.5
"""Seconds after which a begin has taken so long that another look comes before the body."""

NAMED_MAX = 100_000
RELEASED_SHOWN = 5
LOOK_UP_MAX = 500
"""Named tasks looked up at a time: most of them may be somebody's inventions."""


_PROCESS = Isolation.PROCESS
_ON_INTERRUPT = (OnInterrupt.INTERRUPT, OnInterrupt.RETRY)


class Intake:
    """Begins what was dispatched to this process, as far as there are free slots."""

    def __init__(
        self,
        url: str,
        slots: Slots,
        registry: Registry,
        settings: Settings,
        *,
        rng: Random,
        at: Callable[[], float],
        new_run_ids: Callable[[int], list[RunId]],
        start: Callable[[Run], None],
        cancel: Callable[[set[TaskId]], None],
        tell: Callable[[Context, Progress], None],
        trusted_until: Callable[[], float],
        known_runs: Callable[[], set[RunId]],
        home: Home,
        witness: Witness,
        pool: Pool | None = None,
    ) -> None:
        self._line = Line(
            url,
            part="worker begin",
            rng=rng,
            answer_within=settings.lease,
            on_dialled=home.enter,
        )
        self._asked_at: float | None = None
        """Since when an answer has been waited for, over however many connections."""
        self._home, self._witness = home, witness
        self._has_moved = False
        self._slots, self._registry, self._settings = slots, registry, settings
        self._at, self._new_run_ids, self._start = at, new_run_ids, start
        self._cancel, self._tell = cancel, tell
        self._trusted_until, self._known_runs = trusted_until, known_runs
        # A dict for its order: what was named first begins first.
        self._named: dict[TaskId, None] = {}
        self._pool = pool
        self._lacking: dict[TaskId, None] = {}
        """Tasks that wait for a child process to be ready."""
        self._wake = asyncio.Event()
        self._rescan_at = at()
        self._sent_before = 0
        self._closed = False
        self._settled = asyncio.Event()

    def hint(self, ids: Sequence[TaskId]) -> None:
        """These tasks were dispatched here, somebody says."""
        if len(self._named) < NAMED_MAX:
            self._named.update(dict.fromkeys(ids))
        self._wake.set()

    def slot_freed(self) -> None:
        if self._named:
            self._wake.set()

    def child_ready(self) -> None:
        """A child process can take a task."""
        self._named.update(self._lacking)
        self._lacking.clear()
        self._wake.set()

    def sent_so_far(self, tasks_sent: int) -> None:
        """What the worker's row says was sent here; not taken a beat later means a lost hint."""
        if self._named:
            # They may be waiting for this very beat.
            self._wake.set()
        elif self._sent_before > self._slots.taken and not self._slots.reserved:
            self.look()
        self._sent_before = tasks_sent

    def look(self) -> None:
        """Look at the rows now, whatever the hints said."""
        self._rescan_at = self._at()
        self._wake.set()

    def look_anew(self) -> None:
        """Look at the rows now over a new connection: what the present one leads to has changed."""
        self._has_moved = True
        self.look()

    def shut(self) -> None:
        """Start nothing more."""
        self._closed = True
        self.look()

    @property
    def is_answered(self) -> bool:
        """Whether the database answers soon enough that what is sent here begins before it is
        taken back. May be read from any thread."""
        asked_at = self._asked_at
        return asked_at is None or self._at() - asked_at < self._settings.take_back_after

    async def close(self) -> None:
        """Start nothing more; hand back what has not begun, and return when that is done."""
        self.shut()
        await self._settled.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                await self._wait()
                if self._at() >= self._rescan_at:
                    await self._rescan()
                # However many come in, a look at the rows that is due comes first.
                while (
                    self._named
                    and self._slots.free > 0
                    and self._may_begin()
                    and self._at() < self._rescan_at
                ):
                    await self._take(list(islice(self._named, LOOK_UP_MAX)), self._slots.free)
        finally:
            await self._line.close()

    async def _ask(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        self._asked_at = self._at()
        try:
            return await self._line.carry_out(act)
        finally:
            self._asked_at = None

    def _may_begin(self) -> bool:
        return not self._closed and self._at() < self._trusted_until()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(max(0.0, self._rescan_at - self._at())):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _rescan(self) -> None:
        """Compare with the rows: for lost hints, and for begins whose answer came to nobody."""
        if self._has_moved:
            self._has_moved = False
            await self._line.close()
        rows = await self._look_at_rows()
        waiting = [row.id for row in rows if row.status is Status.DISPATCHED]
        # Those that are still to begin here are among the waiting.
        self._lacking.clear()
        if self._closed:
            await self._hand_back(await self._fetch(waiting, limit=len(waiting)))
        else:
            self._named.update(dict.fromkeys(waiting))
        if self._sent_before != self._slots.taken + len(waiting):
            await self._settle_account()
        if cancelled := {row.id for row in rows if row.is_cancelled}:
            self._cancel(cancelled)
        known = self._known_runs()
        strays = [
            (row.id, row.run_id)
            for row in rows
            if row.status is Status.RUNNING and row.run_id not in known
        ]
        if strays:
            await self._release(strays)
        if self._closed:
            self._settled.set()

    async def _look_at_rows(self) -> list[Held]:
        interval, took = self._settings.rescan_interval, 0.0
        planned = self._rescan_at = self._at() + interval

        async def held(db: Connection) -> list[Held]:
            nonlocal took
            began = self._at()
            rows = await tasks.held(db, self._slots.incarnation, limit=2 * self._slots.total + 100)
            took = self._at() - began
            return rows

        rows = await self._ask(held)
        # Unless somebody wants another look by now.
        if self._rescan_at == planned:
            self._rescan_at = self._at() + pause_after(took, interval=interval)
        return rows

    async def _settle_account(self) -> None:
        """The row may count more or less as sent than it should: an answer was lost, perhaps, or
        somebody changed rows by hand. Nothing is begun meanwhile, so what was taken is exact."""

        async def settle(db: Connection) -> bool:
            report_no, busy, taken = self._slots.account
            return await workers.settle_account(
                db,
                self._slots.incarnation,
                tasks_sent=self._sent_before,
                report_no=report_no,
                slots_busy=busy,
                tasks_taken=taken,
            )

        if await self._ask(settle):
            log.info("account settled: sent=%d taken=%d", self._sent_before, self._slots.taken)

    async def _take(self, ids: list[TaskId], free: int) -> None:
        self._slots.reserved = min(len(ids), free)
        try:
            found = await self._fetch(ids, limit=free)
            # Fewer than there was room for: the others are not this worker's (any more).
            for id in [row.id for row in found] if len(found) == free else ids:
                self._named.pop(id, None)
            ready = await self._prepare(found)
            self._slots.reserved = len(ready)
            if ready:
                self._go(*await self._begin(ready))
        finally:
            self._slots.reserved = 0

    async def _fetch(self, ids: list[TaskId], *, limit: int) -> list[Dispatched]:
        if not ids:
            return []

        async def fetch(db: Connection) -> list[Dispatched]:
            return await tasks.fetch(db, self._slots.incarnation, ids, limit=limit)

        return await self._ask(fetch)

    async def _prepare(self, found: list[Dispatched]) -> list[tuple[Beginning, Run]]:
        """Bind arguments while nothing is begun yet; what cannot be bound never begins."""
        ready: list[tuple[Beginning, Run]] = []
        unknown: list[Dispatched] = []
        for row, run_id in zip(found, self._new_run_ids(len(found)), strict=True):
            try:
                task_type = self._registry.get(row.ty)
                kwargs = task_type.bind(row.args_text)
                check_timeout(row.timeout)
            except UnknownType as error:
                log.warning("task handed back: task=%s reason=%s %s", row.id, error, error.hint)
                unknown.append(row)
            except Exception as error:  # noqa: BLE001 - a row made by hand may hold anything
                await self._refuse(row, error)
            else:
                run = self._run_of(row, run_id, task_type, kwargs)
                if task_type.isolation is not _PROCESS or self._has_a_child(run):
                    beginning = Beginning(row.id, row.dispatch_no, run_id, row.attempt)
                    ready.append((beginning, run))
        if unknown:
            await self._hand_back(unknown)
        return ready

    def _has_a_child(self, run: Run) -> bool:
        """Whether a child process is ready, so that its body could start at once."""
        assert self._pool is not None
        run.child = self._pool.take()
        if run.child is None:
            self._lacking[run.context.id] = None
            self._pool.want(len(self._lacking))
        return run.child is not None

    def _run_of(
        self, row: Dispatched, run_id: RunId, task_type: TaskType, kwargs: Mapping[str, Any]
    ) -> Run:
        context = Context(
            id=row.id,
            run_id=run_id,
            ty=row.ty,
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            timeout=row.timeout,
            on_progress=self._tell,
        )
        on_interrupt = _ON_INTERRUPT[row.retry_interrupted]
        allowance = Allowance(row.attempt, row.max_attempts, on_interrupt, task_type.backoff)
        return Run(context, task_type, row.args_text, kwargs, allowance)

    async def _begin(self, ready: list[tuple[Beginning, Run]]) -> tuple[list[Beginning], list[Run]]:
        beginnings, ready_runs = [one for one, _ in ready], [run for _, run in ready]

        async def begin(db: Connection) -> set[TaskId]:
            return await runs.begin(db, self._slots.incarnation, beginnings)

        while True:
            asked_at, home = self._at(), self._home.id
            begun = await self._ask(begin)
            if self._at() - asked_at <= SLOW_BEGIN:
                break
            # Its commit may have waited for a standby, and been let go when that was given up.
            await self._ask(self._home.enter)
            if self._home.id == home:
                break
            # Or somebody has adopted a database meanwhile that may have forgotten it: ask anew.
        if len(begun) == len(ready):
            return beginnings, ready_runs
        self._give_up_places([run for run in ready_runs if run.context.id not in begun])
        return (
            [one for one in beginnings if one.task_id in begun],
            [run for run in ready_runs if run.context.id in begun],
        )

    def _go(self, beginnings: list[Beginning], begun: list[Run]) -> None:
        if not self._may_begin():
            # The worker leaves, or the begin took longer than its lease is sure to last and
            # somebody may call these runs interrupted by now. Nothing was started, so they
            # can be given back.
            self._slots.moved_on(len(begun))
            self._give_up_places(begun)
            self.look()
            return
        self._slots.begun(len(begun))
        self._witness.started(beginnings)
        for run in begun:
            self._start(run)

    def _give_up_places(self, not_started: list[Run]) -> None:
        for run in not_started:
            if run.child is not None and self._pool is not None:
                self._pool.put_back(run.child)

    async def _release(self, strays: list[tuple[TaskId, RunId | None]]) -> None:
        async def release(db: Connection) -> set[TaskId]:
            return await runs.release(db, strays)

        if released := await self._ask(release):
            # One line for all: a worker that leaves under load gives back what it had just begun.
            some = " ".join(str(id) for id in islice(released, RELEASED_SHOWN))
            log.warning(
                "tasks released, their bodies were never started: tasks=%d some=%s",
                len(released),
                some,
            )

    async def _hand_back(self, rows: list[Dispatched]) -> None:
        if not rows:
            return

        async def hand_back(db: Connection) -> set[TaskId]:
            dispatches = [(row.id, row.dispatch_no) for row in rows]
            return await tasks.hand_back(db, self._slots.incarnation, dispatches)

        self._slots.moved_on(len(await self._ask(hand_back)))

    async def _refuse(self, row: Dispatched, error: Exception) -> None:
        # Our own errors say it all by themselves, the place included.
        what = safe_text(str(error) if isinstance(error, InvalidInput) else error)
        reason = f"never started: {what}"

        async def refuse(db: Connection) -> bool:
            return await tasks.refuse(db, self._slots.incarnation, row.id, row.dispatch_no, reason)

        log.warning("task refused: task=%s type=%s reason=%s", row.id, row.ty, reason)
        self._slots.moved_on(int(await self._ask(refuse)))

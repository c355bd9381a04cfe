"""The intake of a simulated worker: mirrors `fcs.worker.intake.Intake`.

Type, arguments and child process are one question here: whether the script can be read.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from fcs.database.runs import Beginning
from fcs.database.tasks import Dispatched, Held
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Allowance
from fcs.domain.settings import Settings
from fcs.domain.task import OnInterrupt, Status
from fcs.worker.intake import LOOK_UP_MAX, NAMED_MAX, SLOW_BEGIN
from fcs.worker.slots import Slots
from proof.sim.database import runs, tasks, workers
from proof.sim.kernel import Node, Signal
from proof.sim.line import Home, Line
from proof.sim.server import Server

_ON_INTERRUPT = (OnInterrupt.INTERRUPT, OnInterrupt.RETRY)


class Run:
    """One execution of a task, ready to start: as `fcs.worker.executor.Run`."""

    __slots__ = ("allowance", "beginning")

    def __init__(self, beginning: Beginning, allowance: Allowance) -> None:
        self.beginning, self.allowance = beginning, allowance


class Owner(Protocol):
    """The worker that takes in."""

    def is_readable(self, id: TaskId) -> bool: ...
    def new_run_ids(self, count: int) -> list[RunId]: ...
    def start(self, run: Run) -> None: ...
    def cancel(self, ids: set[TaskId]) -> None: ...
    def known_runs(self) -> set[RunId]: ...
    def witness_start(self, beginnings: Sequence[Beginning]) -> None: ...
    def trusted_until(self) -> float: ...


class Intake:
    """`minds_lease`: whether a lease that is over keeps a body from its start; `begins_anew`:
    whether a slow begin is sent again where somebody has adopted the database meanwhile."""

    def __init__(
        self,
        server: Server,
        node: Node,
        slots: Slots,
        settings: Settings,
        owner: Owner,
        *,
        home: Home,
        minds_lease: bool,
        begins_anew: bool,
    ) -> None:
        self._line = Line(
            server,
            node,
            slots.incarnation,
            answer_within=settings.lease,
            on_dialled=home.enter,
        )
        self._home, self._owner = home, owner
        self._node, self._slots, self._settings = node, slots, settings
        self._minds_lease, self._begins_anew = minds_lease, begins_anew
        self._has_moved = False
        self._named: dict[TaskId, None] = {}
        self._wake = Signal(node.kernel)
        self._rescan_at = node.at()
        self._sent_before = 0
        self._closed = False
        self.settled = Signal(node.kernel)

    @property
    def is_answered(self) -> bool:
        asked_at = self._line.asked_at
        return asked_at is None or self._node.at() - asked_at < self._settings.take_back_after

    def hint(self, ids: Sequence[TaskId]) -> None:
        if len(self._named) < NAMED_MAX:
            self._named.update(dict.fromkeys(ids))
        self._wake.set()

    def slot_freed(self) -> None:
        if self._named:
            self._wake.set()

    def sent_so_far(self, tasks_sent: int) -> None:
        if self._named:
            self._wake.set()
        elif self._sent_before > self._slots.taken and not self._slots.reserved:
            self.look()
        self._sent_before = tasks_sent

    def look(self) -> None:
        self._rescan_at = self._node.at()
        self._wake.set()

    def look_anew(self) -> None:
        self._has_moved = True
        self.look()

    def shut(self) -> None:
        self._closed = True
        self.look()

    async def run(self) -> None:
        """Mirrors `run`."""
        at = self._node.at
        while True:
            await self._wake.wait(max(0.0, self._rescan_at - at()))
            self._wake.clear()
            if at() >= self._rescan_at:
                await self._rescan()
            while (
                self._named
                and self._slots.free > 0
                and self._may_begin()
                and at() < self._rescan_at
            ):
                await self._take(list(islice(self._named, LOOK_UP_MAX)), self._slots.free)

    def _may_begin(self) -> bool:
        if not self._minds_lease:
            return not self._closed
        return not self._closed and self._node.at() < self._owner.trusted_until()

    async def _rescan(self) -> None:
        if self._has_moved:
            self._has_moved = False
            self._line.close()
        rows = await self._look_at_rows()
        waiting = [row.id for row in rows if row.status is Status.DISPATCHED]
        if self._closed:
            await self._hand_back(await self._fetch(waiting, limit=len(waiting)))
        else:
            self._named.update(dict.fromkeys(waiting))
        if self._sent_before != self._slots.taken + len(waiting):
            report_no, busy, taken = self._slots.account
            await self._line.carry_out(
                workers.settle_account,
                self._slots.incarnation,
                tasks_sent=self._sent_before,
                report_no=report_no,
                slots_busy=busy,
                tasks_taken=taken,
            )
        if cancelled := {row.id for row in rows if row.is_cancelled}:
            self._owner.cancel(cancelled)
        known = self._owner.known_runs()
        strays = [
            (row.id, row.run_id)
            for row in rows
            if row.status is Status.RUNNING and row.run_id not in known
        ]
        if strays:
            await self._line.carry_out(runs.release, strays)
        if self._closed:
            self.settled.set()

    async def _look_at_rows(self) -> list[Held]:
        self._rescan_at = self._node.at() + self._settings.rescan_interval
        limit = 2 * self._slots.total + 100
        return await self._line.carry_out(tasks.held, self._slots.incarnation, limit=limit)

    async def _take(self, ids: list[TaskId], free: int) -> None:
        self._slots.reserved = min(len(ids), free)
        found = await self._fetch(ids, limit=free)
        for id in [row.id for row in found] if len(found) == free else ids:
            self._named.pop(id, None)
        ready = await self._prepare(found)
        self._slots.reserved = len(ready)
        if ready:
            self._go(await self._begin(ready))
        self._slots.reserved = 0

    async def _fetch(self, ids: list[TaskId], *, limit: int) -> list[Dispatched]:
        if not ids:
            return []
        return await self._line.carry_out(tasks.fetch, self._slots.incarnation, ids, limit=limit)

    async def _prepare(self, found: list[Dispatched]) -> list[Run]:
        ready: list[Run] = []
        for row, run_id in zip(found, self._owner.new_run_ids(len(found)), strict=True):
            if self._owner.is_readable(row.id):
                on_interrupt = _ON_INTERRUPT[row.retry_interrupted]
                allowance = Allowance(row.attempt, row.max_attempts, on_interrupt)
                ready.append(
                    Run(Beginning(row.id, row.dispatch_no, run_id, row.attempt), allowance)
                )
            else:
                await self._refuse(row)
        return ready

    async def _begin(self, ready: list[Run]) -> list[Run]:
        beginnings = [run.beginning for run in ready]
        while True:
            asked_at, home = self._node.at(), self._home.id
            begun = await self._line.carry_out(runs.begin, self._slots.incarnation, beginnings)
            if self._node.at() - asked_at <= SLOW_BEGIN:
                break
            await self._line.until(self._home.enter)
            if self._home.id == home or not self._begins_anew:
                break
        return [run for run in ready if run.beginning.task_id in begun]

    def _go(self, begun: list[Run]) -> None:
        if not self._may_begin():
            self._slots.moved_on(len(begun))
            self.look()
            return
        self._slots.begun(len(begun))
        self._owner.witness_start([run.beginning for run in begun])
        for run in begun:
            self._owner.start(run)

    async def _hand_back(self, rows: list[Dispatched]) -> None:
        if rows:
            dispatches = [(row.id, row.dispatch_no) for row in rows]
            returned = await self._line.carry_out(
                tasks.hand_back, self._slots.incarnation, dispatches
            )
            self._slots.moved_on(len(returned))

    async def _refuse(self, row: Dispatched) -> None:
        is_refused = await self._line.carry_out(
            tasks.refuse, self._slots.incarnation, row.id, row.dispatch_no, "never started"
        )
        self._slots.moved_on(int(is_refused))

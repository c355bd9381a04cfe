"""A cluster on one connection: the real statements, the model beside them, and what must hold.

Everything that processes say may be said again, or arrive late: it is kept in `mail`. After
each statement the tables are compared with the model, and looked at by themselves.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from tests.database.scene import NOON, incarnation, registration, worker_id

from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.domain.task import MOVES, NewTask, Status
from proof.machine.model import Model, Worker, moment
from proof.machine.people import Ledger, Process
from proof.machine.rows import Rows, TaskRow, WorkerRow, look


class Message(NamedTuple):
    """Something that was said about a task, and may arrive once more."""

    task: int
    send: Callable[[], Awaitable[None]]


SLOTS: Final = 2
_MOVES: Final = {(move.statement, move.before, move.after) for move in MOVES}


class World:
    """Who is there, what each knows, and what has happened so far."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self.model = Model()
        self.ledger = Ledger()
        self.processes: list[Process] = []
        self.mail: list[Message] = []
        self.scheduled: dict[int, float] = {}
        self.asked_for: dict[int, NewTask] = {}
        self.keys: dict[str, int] = {}
        self.retried: set[int] = set()
        self.terms = {"A": 0, "B": 0}
        """The last term that each node has won, as far as it knows."""
        self.reported: dict[int, tuple[int, int]] = {}
        """What the row of each process says that it does: slots busy, dispatches taken."""
        self.steps = 0
        self._statuses: dict[int, Status] = {}
        self._numbers = 0

    def number(self) -> int:
        """A number that stands for something new."""
        self._numbers += 1
        return self._numbers

    def process(self, number: int) -> Process:
        return next(one for one in self.processes if one.incarnation == number)

    async def set_clock(self, now: float) -> None:
        self.model.now = moment(now)
        shown = (NOON + timedelta(seconds=self.model.now)).isoformat()
        await self.db.execute("select set_config('fcs.now', %s, true)", [shown])

    async def post(self, message: Message, *, is_late: bool) -> None:
        """Send a message, or leave it under way: either way it may arrive once more."""
        self.mail.append(message)
        if not is_late:
            await message.send()

    def about(self, *statuses: Status) -> list[Message]:
        """What was said about tasks that are in one of these statuses by now."""
        now = {n: task.status for n, task in self.model.tasks.items()}
        return [message for message in self.mail if now.get(message.task) in statuses]

    # Processes

    async def register(self, worker: int) -> None:
        """A process starts under a worker id; whoever had it before counts as silent."""
        number = self.number()
        before = self.model.homes.get(worker)
        fresh = registration(worker, incarnation=incarnation(number), slots_total=SLOTS)
        async with self.db.transaction():
            held = await workers.lock_registration(self.db, worker_id(worker))
            assert (held is None) == (before is None)
            if held and held.state in ("live", "draining"):
                await tasks.reap(self.db, held.incarnation, reason="started anew")
            replaces = held.incarnation if held else None
            assert await workers.register(self.db, fresh, replaces=replaces)
        if before is not None:
            if self.model.workers[before].is_there:
                self.model.reap(before, "replaced")
            self.model.workers[before].state = "replaced"
        self.model.homes[worker] = number
        self.model.workers[number] = Worker()
        self.reported[number] = (0, 0)
        self.processes.append(Process(worker, number, SLOTS))
        await self.check("reap")

    async def beat(self, process: Process) -> None:
        worker = self.model.workers[process.incarnation]
        process.report_no += 1
        beaten = await workers.beat(
            self.db,
            incarnation(process.incarnation),
            report_no=process.report_no,
            slots_busy=process.busy,
            tasks_taken=process.taken,
        )
        assert (beaten is not None) == worker.is_there, "beat"
        if beaten is None:
            process.is_fenced = True
        else:
            assert beaten.tasks_sent == worker.sent
            worker.beat_no += 1
        await self.check("beat")

    async def drain(self, process: Process) -> None:
        await workers.drain(self.db, incarnation(process.incarnation))
        worker = self.model.workers[process.incarnation]
        worker.state = "draining" if worker.state == "live" else worker.state
        await self.check("drain")

    async def settle_account(self, process: Process) -> None:
        """As a worker does that has nothing on its way to begin."""
        worker = self.model.workers[process.incarnation]
        is_done = await workers.settle_account(
            self.db,
            incarnation(process.incarnation),
            tasks_sent=worker.sent,
            report_no=process.report_no,
            slots_busy=process.busy,
            tasks_taken=process.taken,
        )
        assert is_done == worker.is_there
        if is_done:
            worker.taken = process.taken
            worker.sent = process.taken + self.model.lying(process.incarnation)
        await self.check("settle_account")

    async def reap(self, number: int, beat_no: int) -> None:
        """Of a process whose last beat somebody has seen for too long, rightly or not."""
        worker = self.model.workers[number]
        async with self.db.transaction():
            locked = await workers.lock_worker(self.db, incarnation(number), beat_no=beat_no)
            assert locked == (worker.is_there and worker.beat_no == beat_no), "lock_worker"
            if locked:
                await tasks.reap(self.db, incarnation(number), reason="it was silent")
                await workers.end_worker(self.db, incarnation(number), state="lost")
                self.model.reap(number, "lost")
        await self.check("reap")

    async def leave(self, process: Process) -> None:
        """Its bodies end with it."""
        async with self.db.transaction():
            held = await workers.lock_registration(self.db, worker_id(process.worker))
            assert held is not None
            mine = held.incarnation == incarnation(process.incarnation)
            is_there = mine and held.state in ("live", "draining")
            assert is_there == self.model.workers[process.incarnation].is_there
            if is_there:
                await tasks.reap(self.db, held.incarnation, reason="it left")
                await workers.end_worker(self.db, held.incarnation, state="gone")
                self.model.reap(process.incarnation, "gone")
        process.die()
        await self.check("reap")

    # What must hold

    async def check(self, *statements: str) -> None:
        """Look at the tables after these statements."""
        self.steps += 1
        rows = await look(self.db)
        for number, row in rows.workers.items():
            self.reported[number] = (row.busy, row.taken)
        self._check_moves(statements, rows)
        self._check_promise(rows)
        self._compare(rows)

    def _check_moves(self, statements: tuple[str, ...], rows: Rows) -> None:
        """FINAL, and every change of a status is one of the table of moves."""
        now = {n: row.status for n, row in rows.tasks.items()}
        for n in self._statuses.keys() | now.keys():
            before, after = self._statuses.get(n), now.get(n)
            is_move = any((name, before, after) in _MOVES for name in statements)
            assert before == after or is_move, f"MOVES: task {n} {before} -> {after}, {statements}"
        self._statuses = now

    def _check_promise(self, rows: Rows) -> None:
        """What can be told from the rows and from what really happened, without the model."""
        for n, row in rows.tasks.items():
            self._check_task(n, row)
        for process in self.processes:
            if (found := rows.workers.get(process.incarnation)) is not None:
                self._check_slots(process, found, rows)

    def _check_task(self, n: int, row: TaskRow) -> None:
        assert row.attempt <= row.max_attempts, f"ONCE: task {n} has too many attempts"
        if row.status in (Status.DISPATCHED, Status.RUNNING):
            is_early = self.scheduled.get(n, self.model.now) > self.model.now
            assert not is_early, f"EARLY: task {n} is {row.status}"
        if row.status is Status.RUNNING:
            owner = self.ledger.owners.get(row.run) if row.run is not None else None
            assert owner == (row.incarnation, n), f"OWNER: task {n} runs as {row.run} of {owner}"
            assert row.run not in self.ledger.let_go, f"OWNER: task {n} runs as one that is over"
        if row.status is Status.SUCCEEDED:
            assert row.run in self.ledger.returned, f"TRUTH: task {n} has not succeeded"

    def _check_slots(self, process: Process, worker: WorkerRow, rows: Rows) -> None:
        """CAP."""
        if worker.state not in ("live", "draining"):
            return
        mine = [row for row in rows.tasks.values() if row.incarnation == process.incarnation]
        lying = sum(row.status is Status.DISPATCHED for row in mine)
        taken = self.model.workers[process.incarnation].taken
        assert worker.sent - taken == lying, f"CAP: the account of {process.incarnation} is wrong"
        assert process.busy + lying <= SLOTS, f"CAP: {process.incarnation} has too much to do"

    def _compare(self, rows: Rows) -> None:
        """The model, row by row."""
        assert rows.tasks.keys() == self.model.tasks.keys(), "which tasks there are"
        for n, task in self.model.tasks.items():
            row = rows.tasks[n]
            if task.due_at_least is not None and row.due_at is not None:
                assert task.due_at is not None
                assert moment(task.due_at_least) <= row.due_at <= task.due_at
                task.due_at, task.due_at_least = row.due_at, None
            wanted = TaskRow(
                task.status,
                task.incarnation,
                task.dispatch_no,
                task.attempt,
                task.max_attempts,
                task.run,
                task.due_at,
                task.is_unwanted,
            )
            assert row == wanted, f"task {n} is {_apart(row, wanted)}"
        for number in self.model.homes.values():
            worker, found = self.model.workers[number], rows.workers[number]
            if worker.is_there:
                seen = found._replace(state=worker.state, beat_no=worker.beat_no, sent=worker.sent)
                assert found == seen, f"worker {number} is {_apart(found, seen)}"
            else:
                assert found.state == worker.state
        leads = (self.model.term, self.model.leader is None)
        assert (rows.term, rows.is_vacant) == leads, "who leads"


def _apart(row: Any, wanted: Any) -> dict[str, tuple[Any, Any]]:
    """Where a row and the model differ: what is there, and what ought to be."""
    pairs = zip(row._fields, row, wanted, strict=True)
    return {name: (is_there, ought) for name, is_there, ought in pairs if is_there != ought}

"""What must hold, looked at after each commit, at each start of a body, and in the end.

It knows the table of moves and the ledger of bodies, and nothing of how fcs comes to decide.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, NoReturn

from fcs.domain.ids import Incarnation, RunId, TaskId
from fcs.domain.settings import Settings
from fcs.domain.task import MOVES, Status
from proof.sim.bodies import Ledger, Start
from proof.sim.database.tables import HELD, Change, Tables, TaskRow, Transaction
from proof.sim.database.workers import THERE
from proof.sim.server import Server, Session

_INCLUDED: Final[Mapping[str, frozenset[str]]] = {
    "enrol": frozenset({"reap"}),
    "leave": frozenset({"retry", "finish", "reap"}),
}
"""Statements that are part of an act of several."""

_BY_STATEMENT: Final = {
    name: frozenset((move.before, move.after) for move in MOVES if move.statement == name)
    for name in {move.statement for move in MOVES}
}

_LEASE: Final = Settings().lease

_OWNERS: Final = frozenset({"succeed", "finish", "retry", "leave"})


class Violated(Exception):
    """Something that was promised does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


class Checks:
    """`server` is looked at directly, without a statement."""

    def __init__(self, server: Server, ledger: Ledger, tell: Callable[[str], None]) -> None:
        self._server = server
        self.is_clock_true = True
        """Whether no clock has been set so far."""
        self.trace = sha256()
        self._ledger = ledger
        self._tell = tell
        self._final: dict[TaskId, Status] = {}
        self._acknowledged: dict[TaskId, None] = {}
        self._begun_by: dict[RunId, int] = {}
        self._forgotten: set[RunId] = set()

    # After each commit.

    def on_commit(self, session: Session, transaction: Transaction, commit: int) -> None:
        """Look at what a commit has changed."""
        statement = transaction.statement
        self.trace.update(f"{commit} {statement} {transaction.now.timestamp():.6f}".encode())
        for change in transaction.changes:
            before, after = change
            assert after is not None, "nothing is deleted here"
            self._note(statement, change)
            if before is None or before.status is not after.status:
                self._mind_move(statement, change)
            if after.status is Status.RUNNING and before and before.status is not after.status:
                self._begun_by[after.run_id] = commit  # type: ignore[index]
                self._mind_begin(session, after)
            if after.status in HELD:
                self._mind_holder(transaction, after)
            if after.status.is_final:
                self._final[after.id] = after.status
        if statement == "reap":
            self._mind_silence(transaction)
        if statement == "dispatch":
            self._mind_dispatch(transaction)
        elif statement in _OWNERS:
            self._mind_end(session, transaction)
        elif statement == "has_testified":
            self._hear(session.who, commit)
        elif statement == "adopt":
            self._excuse()

    def _note(self, statement: str, change: Change) -> None:
        before, after = change
        assert after is not None
        self.trace.update(f"{after.id.int} {after.status} {after.dispatch_no}".encode())
        was = before.status if before else None
        if was is not after.status:
            self._tell(
                f"  {statement}: task {short(after.id)} {was or 'nothing'} -> {after.status}"
            )

    def _mind_move(self, statement: str, change: Change) -> None:
        before, after = change
        assert after is not None
        step = (before.status if before else None, after.status)
        if before and before.status.is_final:
            violated("FINAL", f"{statement} made a {step[0]} task {step[1]}: {short(after.id)}")
        if statement == "release" and before:
            self._mind_release(before)
        if after.status is Status.PENDING and after.cancel_requested_at:
            violated("TRUTH", f"{statement}: it runs again, though not wanted: {short(after.id)}")
        if not any(
            step in _BY_STATEMENT.get(name, ()) for name in _INCLUDED.get(statement, (statement,))
        ):
            violated("FINAL", f"no move of {statement}: {step[0]} -> {step[1]}")

    def _mind_release(self, before: TaskRow) -> None:
        start = before.run_id and self._ledger.by_run.get(before.run_id)
        if start:
            violated("ONCE", f"released, though its body had started: {short(before.id)}")

    def _mind_begin(self, session: Session, after: TaskRow) -> None:
        if session.who != after.incarnation:
            violated("OWNER", f"begun by another worker than it was sent to: {short(after.id)}")

    def _mind_holder(self, transaction: Transaction, row: TaskRow) -> None:
        assert row.incarnation is not None
        worker = transaction.worker(row.incarnation)
        if worker is None or worker.state not in THERE:
            violated("TRUTH", f"{row.status}, held by a worker that has ended: {short(row.id)}")
        if not transaction.is_open and transaction.statement in ("begin", "dispatch"):
            violated("HOLD", f"{transaction.statement} while on hold: {short(row.id)}")

    def _mind_silence(self, transaction: Transaction) -> None:
        """Whoever is called lost has been silent for a lease."""
        for before, _ in transaction.changes:
            worker = before and before.incarnation and transaction.worker(before.incarnation)
            if not worker:
                continue
            silent = (transaction.now - worker.beat_at).total_seconds()
            if silent < _LEASE and self.is_clock_true:
                violated("TRUTH", f"called lost {silent:.1f} s after it had beaten")

    def _mind_dispatch(self, transaction: Transaction) -> None:
        for before, after in transaction.changes:
            if before and after and before.due_at and before.due_at > transaction.now:
                violated("EARLY", f"handed out before it was due: {short(after.id)}")

    def _mind_end(self, session: Session, transaction: Transaction) -> None:
        """Whoever says how a run ended is who ran it, and says the truth."""
        for before, after in transaction.changes:
            if before is None or after is None or before.run_id is None:
                continue
            start = self._ledger.by_run.get(before.run_id)
            if transaction.statement == "leave" and (
                start is None or after.status is not Status.SUCCEEDED
            ):
                continue  # what it had begun and never started is interrupted as well
            if start is None:
                violated("TRUTH", f"{after.status}, but no body had started: {short(after.id)}")
            if start.incarnation != session.who:
                violated("OWNER", f"another worker ended this run: {short(after.id)}")
            if after.status is Status.SUCCEEDED and start.end != "returned":
                violated("TRUTH", f"succeeded, but the body {start.end}: {short(after.id)}")
            if after.status is Status.FAILED and start.end != "raised":
                violated("TRUTH", f"failed, but the body {start.end}: {short(after.id)}")

    # When the database has forgotten something.

    def on_reborn(self, last: int, is_failover: bool) -> None:
        """The database is as it was after that commit."""
        lost = [run_id for run_id, commit in self._begun_by.items() if commit > last]
        if is_failover:
            for run_id in lost:
                self._forgotten.add(run_id)
                if start := self._ledger.by_run.get(run_id):
                    start.is_forgotten = True
            for start in self._ledger.starts:
                if start.witnessed_by is not None and start.witnessed_by > last:
                    start.witnessed_by = None
        for run_id in lost:
            del self._begun_by[run_id]
        self._mind_memory(is_failover)

    def _mind_memory(self, is_failover: bool) -> None:
        tasks = self._tables().tasks
        for id, status in list(self._final.items()):
            if id in tasks and tasks[id].status is status:
                continue
            if not is_failover:
                violated("FINAL", f"a crash made a {status} task something else: {short(id)}")
            del self._final[id]
        for id in list(self._acknowledged):
            if id not in tasks:
                if not is_failover:
                    violated("ACK", f"a crash lost a task that was acknowledged: {short(id)}")
                del self._acknowledged[id]

    def _hear(self, who: object, commit: int) -> None:
        for start in self._ledger.starts:
            if start.is_forgotten and start.incarnation == who:
                start.witnessed_by = commit

    def _excuse(self) -> None:
        for start in self._ledger.starts:
            if start.is_forgotten and start.witnessed_by is None:
                start.is_excused = True

    # At other moments.

    def acknowledged(self, id: TaskId) -> None:
        """A client was told that its task is there."""
        self._acknowledged[id] = None
        if id not in self._tables().tasks:
            # Between answer and now a failover may have come.
            del self._acknowledged[id]

    def on_start(self, start: Start) -> None:
        """A body starts."""
        server = self._server
        self.trace.update(f"start {start.run_id.int} {start.at:.6f}".encode())
        self._tell(f"  body of task {short(start.task_id)} starts, attempt {start.attempt}")
        start.is_forgotten = start.run_id in self._forgotten
        row = self._tables().tasks.get(start.task_id)
        if row is None:
            return  # a failover took even its creation away
        self._mind_once(start, row)
        if row.scheduled_at and server.latest < row.scheduled_at:
            violated("EARLY", f"started before its time: {short(row.id)}")
        owns = row.status is Status.RUNNING and row.run_id == start.run_id
        if not owns and self.is_clock_true and not start.is_forgotten:
            violated("TRUTH", f"a body started whose row is {row.status}: {short(row.id)}")
        for worker in self._tables().workers.values():
            if worker.incarnation == start.incarnation:
                self._mind_slots(start.incarnation, worker.slots_total)

    def _mind_once(self, start: Start, row: TaskRow) -> None:
        starts = [
            one for one in self._ledger.by_task[start.task_id] if not one.is_excused or one is start
        ]
        if len(starts) > row.max_attempts:
            violated("ONCE", f"{len(starts)} bodies started of a task: {short(row.id)}")
        if sum(one.attempt == start.attempt for one in starts) > 1:
            violated("ONCE", f"attempt {start.attempt} started twice: {short(row.id)}")
        if sum(one.run_id == start.run_id for one in starts) > 1:
            violated("ONCE", f"one run started two bodies: {short(row.id)}")

    def _mind_slots(self, incarnation: Incarnation, total: int) -> None:
        if self._ledger.running[incarnation] > total:
            violated(
                "CAP", f"more bodies than slots: {self._ledger.running[incarnation]} > {total}"
            )

    def look(self) -> None:
        """Now and then, at everything."""
        tables = self._tables()
        there = {row.incarnation for row in tables.workers.values() if row.state in THERE}
        for row in tables.tasks.values():
            if row.incarnation is not None and row.incarnation not in there:
                violated("TRUTH", f"held by nobody who is there: {short(row.id)}")
        for id in self._acknowledged:
            if id not in tables.tasks:
                violated("ACK", f"an acknowledged task is gone: {short(id)}")

    def unfinished(self) -> list[TaskRow]:
        """What has not come to an end."""
        return [row for row in self._tables().tasks.values() if not row.status.is_final]

    def at_the_end(self) -> None:
        """All is quiet: nothing may be left over."""
        self.look()
        for row in self.unfinished():
            violated("LIVE", f"still {row.status} in the end: {short(row.id)}")
        for worker in self._tables().workers.values():
            if worker.state in THERE and (
                worker.tasks_sent != worker.tasks_taken or worker.slots_busy
            ):
                violated(
                    "CAP",
                    f"slots have leaked: busy {worker.slots_busy},"
                    f" sent {worker.tasks_sent}, taken {worker.tasks_taken}",
                )
        for row in self._tables().tasks.values():
            self._mind_outcome(row)

    def _mind_outcome(self, row: TaskRow) -> None:
        start = row.run_id and self._ledger.by_run.get(row.run_id)
        if row.status is Status.SUCCEEDED and (not start or start.end != "returned"):
            violated("TRUTH", f"succeeded without a body that returned: {short(row.id)}")

    def _tables(self) -> Tables:
        return self._server.tables


def violated(invariant: str, what: str) -> NoReturn:
    raise Violated(invariant, what)


def short(id: TaskId) -> int:
    """A task's number in this scene."""
    return id.int & 0xFFF

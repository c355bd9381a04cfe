"""The steps of a twin run: calls of statements drawn from a seed, fitting ones and stale ones."""

from collections.abc import Callable, Sequence
from random import Random
from uuid import UUID

from fcs.database import identity, leadership, runs, tasks, workers
from fcs.database.connect import Connection
from fcs.database.leadership import Candidate
from fcs.database.runs import Again, Beginning, Ending, Evidence, Receipt
from fcs.database.tasks import Overdue
from fcs.database.workers import Registration, Tenure
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.ids import Incarnation, NodeId, RunId, TaskId
from fcs.domain.lease import Suspect
from fcs.domain.settings import Settings
from fcs.domain.task import AttemptOutcome, NewTask, OnInterrupt, Status
from fcs.domain.topology import Mode, Part
from fcs.supervisor import upkeep
from fcs.worker.enrol import _attempt as enrol
from proof.sim.database import identity as fake_identity
from proof.sim.database import leadership as fake_leadership
from proof.sim.database import runs as fake_runs
from proof.sim.database import tasks as fake_tasks
from proof.sim.database import workers as fake_workers
from proof.sim.database.tables import Tables, Transaction
from proof.sim.drawing import OUCH, TASKS, TYPES, WORKERS, Step
from proof.sim.looking import Looking

NODES = 2
LEASE = Settings().lease
GONE = Evidence(AttemptOutcome.INTERRUPTED, None, "gone")


class Steps(Looking):
    """Draws steps by looking at the fake tables, so that most of them hit something."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self._next = 0xCC00 + WORKERS
        self._menu: list[tuple[int, Callable[[Tables], Step]]] = [
            (14, self._create),
            (20, self._dispatch),
            (20, self._begin),
            (12, self._finish),
            (8, self._retry),
            (5, self._release),
            (3, self._record_late),
            (3, self._testify),
            (4, self._hand_back),
            (1, self._refuse),
            (4, self._take_back),
            (4, self._cancel),
            (5, self._reap),
            (4, self._enrol),
            (3, self._leave),
            (6, self._beat),
            (1, self._drain),
            (4, self._settle_account),
            (5, self._survey),
            (4, self._lead),
            (6, self._read),
            (6, self._look),
            (3, self._change_home),
        ]

    def draw(self, tables: Tables) -> Step:
        """The next step. Without workers and tasks, or for long on hold, little could happen."""
        self._tables_seen = tables
        if len(tables.workers) < WORKERS:
            return self._enrol(tables)
        if len(tables.tasks) < TASKS // 2:
            return self._create(tables)
        if tables.identity.on_hold_since is not None and self._is(0.3):
            return self._change_home(tables)
        [(_, make)] = self._rng.choices(self._menu, [weight for weight, _ in self._menu])
        return make(tables)

    def _create(self, tables: Tables) -> Step:
        new = []
        for no in {self._rng.randrange(TASKS) for _ in range(self._rng.randint(1, 3))}:
            attempts = self._rng.choice((1, 1, 2, 3))
            new.append(
                NewTask(
                    TaskId(UUID(int=no + 1)),
                    self._rng.choice(TYPES),
                    b"{}",
                    queue=self._rng.choice(("default", "other")),
                    priority=self._rng.choice((0, 1)),
                    delay=self._rng.choice((None, None, 0.5, 20.0)),
                    max_attempts=attempts,
                    on_interrupt=OnInterrupt.RETRY
                    if attempts > 1 and self._is(0.6)
                    else OnInterrupt.INTERRUPT,
                    limit_key=self._rng.choice(("", "", "k")),
                )
            )
        return Step(
            "create", lambda db: tasks.create(db, new), lambda db: fake_tasks.create(db, new)
        )

    def _dispatch(self, tables: Tables) -> Step:
        lane, rng = Lane("default", "a", 0), self._rng
        some = [
            Assignment(Waiting(lane, row.created_at, row.id), self._incarnation())
            for row in self._some(tables, Status.PENDING)
        ]
        if not some:
            return self._create(tables)
        term = rng.choice((None, None, None, tables.leadership.term, tables.leadership.term + 1))
        is_quiet = self._is(0.3)
        return Step(
            "dispatch",
            lambda db: tasks.dispatch(db, some, term=term, is_quiet=is_quiet),
            lambda db: fake_tasks.dispatch(db, some, term=term, is_quiet=is_quiet),
        )

    def _begin(self, tables: Tables) -> Step:
        rows = self._some(tables, Status.DISPATCHED)
        incarnation = self._incarnation(rows[0] if rows else None)
        beginnings = []
        for row in rows:
            no = row.dispatch_no if self._is(0.9) else row.dispatch_no - 1
            run_id = RunId(UUID(int=self._rng.getrandbits(64)))
            if row.run_id and self._is(0.3):
                run_id = row.run_id
            self._runs.append((row.id, run_id))
            attempt = row.attempt + 1 if self._is(0.9) else row.attempt
            beginnings.append(Beginning(row.id, no, run_id, attempt))
        return Step(
            "begin",
            lambda db: runs.begin(db, incarnation, beginnings),
            lambda db: fake_runs.begin(db, incarnation, beginnings),
        )

    def _finish(self, tables: Tables) -> Step:
        endings = self._endings(tables)
        report, is_urgent = self._rng.choice(("", "report")), self._is(0.5)
        if self._is(0.5):
            plain = [Ending(end.task_id, end.run_id, Status.SUCCEEDED) for end in endings]
            return Step(
                "succeed",
                lambda db: runs.succeed(db, plain, report, is_urgent=is_urgent),
                lambda db: fake_runs.succeed(db, plain, report, is_urgent=is_urgent),
            )
        return Step(
            "finish",
            lambda db: runs.finish(db, endings, report, is_urgent=is_urgent),
            lambda db: fake_runs.finish(db, endings, report, is_urgent=is_urgent),
        )

    def _retry(self, tables: Tables) -> Step:
        agains = [
            Again(
                row.id,
                self._run_id(row),
                self._rng.choice((0.0, 2.5)),
                self._rng.choice((OUCH, GONE)),
                int(self._is(0.2)),
            )
            for row in self._some(tables, Status.RUNNING)
        ]
        return Step(
            "retry",
            lambda db: runs.retry(db, agains, "report"),
            lambda db: fake_runs.retry(db, agains, "report"),
        )

    def _release(self, tables: Tables) -> Step:
        pairs = [(row.id, self._run_id(row)) for row in self._some(tables, Status.RUNNING)]
        return Step(
            "release",
            lambda db: runs.release(db, pairs),
            lambda db: fake_runs.release(db, pairs),
        )

    def _record_late(self, tables: Tables) -> Step:
        endings = self._endings(tables)
        return Step(
            "record_late",
            lambda db: runs.record_late(db, endings),
            lambda db: fake_runs.record_late(db, endings),
        )

    def _testify(self, tables: Tables) -> Step:
        worker_id = self._worker_id()
        receipts = [
            Receipt(
                row.id,
                self._run_id(row) if self._is(0.6) else RunId(UUID(int=self._rng.getrandbits(64))),
                self._rng.randint(1, 3),
                self._rng.choice((0.25, 1.5, 8.0)),
                self._is(0.5),
            )
            for row in self._some(tables, Status.RUNNING, Status.PENDING, Status.DISPATCHED)
            for _ in range(self._rng.choice((1, 1, 2)))
        ]
        receipts = list({receipt.run_id: receipt for receipt in receipts}.values())
        return Step(
            "testify",
            lambda db: runs.testify(db, worker_id, receipts),
            lambda db: fake_runs.testify(db, worker_id, receipts),
        )

    def _hand_back(self, tables: Tables) -> Step:
        rows = self._some(tables, Status.DISPATCHED)
        incarnation = self._incarnation(rows[0] if rows else None)
        pairs = [(row.id, row.dispatch_no - int(self._is(0.1))) for row in rows]
        return Step(
            "hand_back",
            lambda db: tasks.hand_back(db, incarnation, pairs),
            lambda db: fake_tasks.hand_back(db, incarnation, pairs),
        )

    def _refuse(self, tables: Tables) -> Step:
        row = self._task(tables, Status.DISPATCHED)
        if row is None:
            return self._create(tables)
        incarnation, id, no = self._incarnation(row), row.id, row.dispatch_no
        return Step(
            "refuse",
            lambda db: tasks.refuse(db, incarnation, id, no, "no"),
            lambda db: fake_tasks.refuse(db, incarnation, id, no, "no"),
        )

    def _take_back(self, tables: Tables) -> Step:
        stale = [
            Overdue(row.id, self._incarnation(row), row.dispatch_no - int(self._is(0.1)), 99.0)
            for row in self._some(tables, Status.DISPATCHED)
        ]
        return Step(
            "take_back",
            lambda db: tasks.take_back(db, stale),
            lambda db: fake_tasks.take_back(db, stale),
        )

    def _cancel(self, tables: Tables) -> Step:
        ids = [row.id for row in self._some(tables, Status.PENDING, Status.RUNNING)]
        reason = self._rng.choice(("", "no need"))
        return Step(
            "cancel",
            lambda db: tasks.cancel(db, ids, reason=reason),
            lambda db: fake_tasks.cancel(db, ids, reason=reason),
        )

    # Workers.

    def _reap(self, tables: Tables) -> Step:
        incarnation = self._incarnation()
        row = next((row for row in tables.workers.values() if row.incarnation == incarnation), None)
        beat_no = (row.beat_no if row else 0) - int(self._is(0.2))
        suspect, settings = Suspect(incarnation, beat_no), Settings()
        reason = f"its worker was silent for longer than the lease of {LEASE:g} s"
        worker_id = row.id if row else self._worker_id()

        async def real(db: Connection) -> object:
            return _returned(await upkeep.reap(db, suspect, worker_id, settings))

        def fake(db: Transaction) -> object:
            moved = fake_workers.reap(db, suspect, reason=reason)
            return _returned(None if moved is None else moved.returned)

        return Step("reap", real, fake)

    def _enrol(self, tables: Tables) -> Step:
        worker_id = self._worker_id()
        row = tables.workers.get(worker_id)
        if row and self._is(0.25):
            incarnation = row.incarnation
        else:
            incarnation = Incarnation(UUID(int=self._next))
            self._next += 1
            self._incarnations = [*self._incarnations[-5:], incarnation]
        registration = Registration(
            worker_id, incarnation, self._rng.randint(1, 4), [], TYPES, "", 1, "1", None
        )
        return Step(
            "enrol",
            lambda db: enrol(db, registration, LEASE),
            lambda db: fake_workers.enrol(db, registration, lease=LEASE),
        )

    def _leave(self, tables: Tables) -> Step:
        """As the end of `fcs.worker.runtime.Worker._end`."""
        worker_id, pending = self._worker_id(), self._endings(tables)
        row = tables.workers.get(worker_id)
        incarnation = row.incarnation if row else self._incarnation()
        reason = "its worker was shut down before the body had ended"

        async def real(db: Connection) -> bool:
            async with db.transaction():
                held = await workers.lock_registration(db, worker_id)
                if held is None or held.incarnation != incarnation:
                    return False
                if held.state not in ("live", "draining"):
                    return False
                if pending:
                    await runs.finish(db, pending, "report")
                await tasks.reap(db, incarnation, reason=reason)
                await workers.end_worker(db, incarnation, state="gone")
                return True

        return Step(
            "leave",
            real,
            lambda db: fake_workers.leave(
                db, worker_id, incarnation, pending=pending, report="report"
            ),
        )

    def _beat(self, tables: Tables) -> Step:
        incarnation = self._incarnation()
        said = {"report_no": self._rng.randint(0, 9), "slots_busy": self._rng.randint(0, 2)}
        said["tasks_taken"] = self._rng.randint(0, 9)
        follows = self._rng.choice((None, Mode.HASH))
        if self._is(0.2):
            return Step(
                "has_testified",
                lambda db: workers.has_testified(db, incarnation),
                lambda db: fake_workers.has_testified(db, incarnation),
            )
        return Step(
            "beat",
            lambda db: workers.beat(db, incarnation, follows=follows, **said),
            lambda db: fake_workers.beat(db, incarnation, follows=follows, **said),
        )

    def _drain(self, tables: Tables) -> Step:
        incarnation = self._incarnation()
        return Step(
            "drain",
            lambda db: workers.drain(db, incarnation),
            lambda db: fake_workers.drain(db, incarnation),
        )

    def _settle_account(self, tables: Tables) -> Step:
        incarnation = self._incarnation()
        said = {
            "report_no": self._rng.randint(0, 9),
            "slots_busy": self._rng.randint(0, 4),
            "tasks_taken": self._rng.randint(0, 9),
        }
        row = next((row for row in tables.workers.values() if row.incarnation == incarnation), None)
        sent = (row.tasks_sent if row else 0) + int(self._is(0.2))
        return Step(
            "settle_account",
            lambda db: workers.settle_account(db, incarnation, tasks_sent=sent, **said),
            lambda db: fake_workers.settle_account(db, incarnation, tasks_sent=sent, **said),
        )

    def _survey(self, tables: Tables) -> Step:
        row = tables.leadership
        tenure = None
        if row.node is not None and self._is(0.7):
            tenure = Tenure(row.node, row.term - int(self._is(0.2)), 5.0)

        async def real(db: Connection) -> object:
            seen = await workers.survey(db, tenure)
            return _seen(seen)

        return Step("survey", real, lambda db: _seen(fake_workers.survey(db, tenure)))

    # Leading.

    def _lead(self, tables: Tables) -> Step:
        node = NodeId(UUID(int=0xEE00 + self._rng.randrange(NODES)))
        row, kind = tables.leadership, self._rng.random()
        if kind < 0.4:
            me, term = Candidate(node, Part.SUPERVISOR, "", 0), row.term + 1 - int(self._is(0.1))
            return Step(
                "bid",
                lambda db: leadership.bid(db, me, term=term, lease=5.0),
                lambda db: fake_leadership.bid(db, me, term=term, lease=5.0),
            )
        if kind < 0.6:
            term = row.term
            return Step(
                "resign",
                lambda db: leadership.resign(db, node, term=term),
                lambda db: fake_leadership.resign(db, node, term=term),
            )
        return Step("look", leadership.look, fake_leadership.look)

    # Which database it is.

    def _change_home(self, tables: Tables) -> Step:
        if tables.identity.on_hold_since is None and self._is(0.5):

            async def hold(db: Connection) -> bool:
                return await identity.hold(db, await identity.look(db), why="copied")

            return Step(
                "hold",
                hold,
                lambda db: fake_identity.hold(db, fake_identity.look(db), why="copied"),
            )
        if tables.identity.on_hold_since is None:

            async def record(db: Connection) -> bool:
                return await identity.record(db, await identity.look(db))

            return Step(
                "record", record, lambda db: fake_identity.record(db, fake_identity.look(db))
            )

        async def adopt(db: Connection) -> list[TaskId] | None:
            return await identity.adopt(db, await identity.look(db))

        return Step("adopt", adopt, lambda db: fake_identity.adopt(db, fake_identity.look(db)))


def _returned(tasks: Sequence[Waiting] | None) -> object:
    """What a reap has returned, but for when it falls due, which is drawn."""
    return None if tasks is None else [(task.id, task.lane) for task in tasks]


def _seen(seen: workers.Survey) -> object:
    """A survey, but for the time that the server has been up, which no frozen clock tells."""
    rows = sorted(
        (row._replace(queues=list(row.queues), types=list(row.types)) for row in seen.workers),
        key=lambda row: row.id,
    )
    return seen.now, seen.mode, seen.strategy, seen.is_renewed, rows

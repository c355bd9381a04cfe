"""The steps of a twin run that only read."""

from collections.abc import Sequence
from uuid import UUID

from fcs.database import backlog, glance, identity, queues, tasks, workers
from fcs.database.connect import Connection
from fcs.domain.facts import Lane, Place
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from proof.sim.database import backlog as fake_backlog
from proof.sim.database import identity as fake_identity
from proof.sim.database import tasks as fake_tasks
from proof.sim.database import workers as fake_workers
from proof.sim.database.tables import Tables
from proof.sim.drawing import TASKS, TYPES, Drawing, Step


class Looking(Drawing):
    """What supervisors and workers look at."""

    def _read(self, tables: Tables) -> Step:
        lanes = [
            (Lane(queue, ty, priority, key), self._rng.choice((None, self._place(tables))))
            for queue in ("default", "other")
            for ty in TYPES
            for priority in (0, 1)
            for key in ("", "k")
            if self._is(0.5)
        ]
        limit = self._rng.choice((1, 2, 50))
        mask = self._rng.getrandbits(4096).to_bytes(512, "big")
        bits = (lambda _queue, _ty: mask) if self._is(0.4) else None
        known = [lane for lane, _ in lanes]
        if self._is(0.4):
            return Step(
                "lanes",
                lambda db: backlog.lanes(db, limit=50, known=known),
                lambda db: fake_backlog.lanes(db, limit=50, known=known),
            )
        return Step(
            "read_on",
            lambda db: backlog.read_on(db, lanes, limit=limit, slot_bits=bits),
            lambda db: fake_backlog.read_on(db, lanes, limit=limit, slot_bits=bits),
        )

    def _place(self, tables: Tables) -> Place | None:
        row = self._task(tables, Status.PENDING)
        return Place(row.due_at, row.id) if row and row.due_at else None

    def _look(self, tables: Tables) -> Step:
        row = self._task(tables, Status.DISPATCHED)
        incarnation, seconds = self._incarnation(row), self._rng.choice((0.0, 3.0))
        ids = [TaskId(UUID(int=self._rng.randint(1, TASKS))) for _ in range(4)]
        unique = list(dict.fromkeys(ids))
        looks: Sequence[Step] = (
            Step(
                "fetch",
                lambda db: tasks.fetch(db, incarnation, unique, limit=2),
                lambda db: fake_tasks.fetch(db, incarnation, unique, limit=2),
            ),
            Step(
                "held",
                lambda db: tasks.held(db, incarnation, limit=9),
                lambda db: fake_tasks.held(db, incarnation, limit=9),
            ),
            Step(
                "overdue",
                lambda db: tasks.overdue(db, [incarnation], seconds=seconds, limit=99),
                lambda db: fake_tasks.overdue(db, [incarnation], seconds=seconds, limit=99),
            ),
            Step(
                "find",
                lambda db: backlog.find(db, unique),
                lambda db: fake_backlog.find(db, unique),
            ),
            Step("glance", glance.glance, fake_backlog.glance),
            Step("strangers", workers.strangers, fake_workers.strangers),
            Step("beats", _beats, lambda db: _moves(fake_workers.beats(db))),
            Step(
                "held_in",
                lambda db: queues.held_in(db, ["other"]),
                lambda db: fake_backlog.held_in(db, ["other"]),
            ),
            Step(
                "still_held",
                lambda db: queues.still_held(db, unique),
                lambda db: fake_backlog.still_held(db, unique),
            ),
            Step(
                "forget_ended",
                lambda db: workers.forget_ended(db, seconds=30.0),
                lambda db: fake_workers.forget_ended(db, seconds=30.0),
            ),
            Step(
                "witnesses",
                lambda db: identity.witnesses(db, patience=4.0),
                lambda db: fake_identity.witnesses(db, patience=4.0),
            ),
        )
        return self._rng.choice(looks)


async def _beats(db: Connection) -> object:
    return _moves(await workers.beats(db))


def _moves(seen: workers.Beats) -> object:
    """The same of the beats."""
    return seen.renewed_until, sorted(seen.beats)

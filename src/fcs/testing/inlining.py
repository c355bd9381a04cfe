"""Enqueueing that runs the body at once, in this process, without a database."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from random import Random
from typing import Any, Final

from msgspec import structs

from fcs.body.perform import InThread
from fcs.client.app import App
from fcs.client.ids import new_run_ids
from fcs.client.store import Store
from fcs.database.carrier import Carrier, SyncCarrier
from fcs.database.creation import Created, key_reused
from fcs.database.insights import ATTEMPTS_MAX
from fcs.domain.ids import TaskId
from fcs.domain.keys import fingerprint
from fcs.domain.outcome import Allowance, Failed, Snoozed, Succeeded, next_attempt_in
from fcs.domain.task import Attempt, AttemptOutcome, NewTask, Status, TaskView
from fcs.registry import Registry
from fcs.testing.performing import here, in_another_thread, performed
from fcs.testing.ran import Ran

_OUTCOMES: Final = {
    Succeeded: AttemptOutcome.SUCCEEDED,
    Failed: AttemptOutcome.FAILED,
    Snoozed: AttemptOutcome.SNOOZED,
}


class Inline(Store):
    """What takes an app's creates in the database's stead. `ran` are the runs, in their order."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(None)
        self.ran: list[Ran[Any]] = []
        self._registry = registry
        self._rng = Random()
        self._new: dict[TaskId, NewTask] = {}
        self._views: dict[TaskId, TaskView] = {}
        self._attempts: dict[TaskId, list[Attempt]] = {}
        self._keys: dict[str, tuple[str, list[TaskId]]] = {}

    @property
    def views(self) -> list[TaskView]:
        """The tasks that were created, the last one first."""
        return [*reversed(self._views.values())]

    async def create(self, new: Sequence[NewTask], on: Carrier | None = None) -> Created:
        return await self._create(new, in_another_thread)

    def create_sync(self, new: Sequence[NewTask], on: SyncCarrier | None = None) -> Created:
        return here(lambda in_thread: self._create(new, in_thread))

    async def create_parts(self, request: Iterable[Sequence[NewTask]]) -> Created:
        return await self.create([*chain.from_iterable(request)])

    def create_parts_sync(self, request: Iterable[Sequence[NewTask]]) -> Created:
        return self.create_sync([*chain.from_iterable(request)])

    async def find(self, id: TaskId) -> TaskView | None:
        return self._views.get(id)

    def find_sync(self, id: TaskId) -> TaskView | None:
        return self._views.get(id)

    async def attempts(self, id: TaskId, *, limit: int = ATTEMPTS_MAX) -> list[Attempt]:
        return self.attempts_sync(id, limit=limit)

    def attempts_sync(self, id: TaskId, *, limit: int = ATTEMPTS_MAX) -> list[Attempt]:
        return self._attempts.get(id, [])[-limit:]

    async def cancel(self, id: TaskId, reason: str) -> Status | None:
        return self.cancel_sync(id, reason)

    def cancel_sync(self, id: TaskId, reason: str) -> Status | None:
        view = self._views.get(id)
        if view is None:
            return None
        if view.status is Status.PENDING:
            self._views[id] = structs.replace(view, status=Status.CANCELLED, due_at=None)
        return view.status

    async def repeat(self, id: TaskId, new_id: TaskId) -> Status | None:
        return await self._repeat(id, new_id, lambda new: self._create([new], in_another_thread))

    def repeat_sync(self, id: TaskId, new_id: TaskId) -> Status | None:
        return here(
            lambda in_thread: self._repeat(id, new_id, lambda new: self._create([new], in_thread))
        )

    async def _repeat(
        self, id: TaskId, new_id: TaskId, create: Callable[[NewTask], Awaitable[Created]]
    ) -> Status | None:
        view = self._views.get(id)
        if view is not None and view.status.is_final:
            await create(structs.replace(self._new[id], id=new_id, key=None))
        return view.status if view else None

    async def _create(self, new: Sequence[NewTask], in_thread: InThread) -> Created:
        ids = [task.id for task in new]
        if new and (key := new[0].key) is not None:
            asked = fingerprint(new)
            before, first = self._keys.setdefault(key, (asked, ids))
            if asked != before:
                raise key_reused(new, first)
            if first is not ids:
                return Created(first, is_replay=True)
        for task in new:
            await self._run(task, in_thread)
        return Created(ids)

    async def _run(self, task: NewTask, in_thread: InThread) -> None:
        now = datetime.now(UTC)
        self._new[task.id] = task
        self._views[task.id] = _running(task, now)
        ran = await performed(self._registry, task, in_thread)
        self.ran.append(ran)
        self._views[task.id] = self._ended(self._views[task.id], ran)
        self._attempts[task.id] = [_attempt(ran, now)]

    def _ended(self, view: TaskView, ran: Ran[Any]) -> TaskView:
        """What the row would say."""
        allowance = Allowance(
            view.attempt, view.max_attempts, view.on_interrupt, self._registry.get(view.ty).backoff
        )
        error = None if ran.succeeded else _error(ran)
        delay = next_attempt_in(ran.outcome, allowance, self._rng)
        if delay is not None:
            due_at = datetime.now(UTC) + timedelta(seconds=delay)
            return structs.replace(view, status=Status.PENDING, error=error, due_at=due_at)
        if isinstance(ran.outcome, Succeeded):
            result = ran.outcome.result
            return structs.replace(view, status=Status.SUCCEEDED, result_text=result)
        return structs.replace(view, status=Status.FAILED, error=error)


@contextmanager
def inline(app: App) -> Iterator[Inline]:
    """While the block runs, enqueueing a task of the app runs its body at once, once.

    What the body raises is recorded, as a worker would, and does not come out of `enqueue`:
    look at `ran`, or at the task. Times, queues, timeouts and connections make no difference,
    and nothing runs by itself a second time.
    """
    store, app.store = app.store, Inline(app.registry)
    try:
        yield app.store
    finally:
        app.store = store


def _running(task: NewTask, now: datetime) -> TaskView:
    return TaskView(
        id=task.id,
        ty=task.ty,
        args_text=task.args.decode(),
        status=Status.RUNNING,
        worker_id=None,
        queue=task.queue,
        priority=task.priority,
        attempt=1,
        created_at=now,
        updated_at=now,
        scheduled_at=task.scheduled_at,
        started_at=now,
        error=None,
        max_attempts=task.max_attempts,
        timeout=task.timeout,
        on_interrupt=task.on_interrupt,
        limit_key=task.limit_key,
    )


def _error(ran: Ran[Any]) -> str:
    outcome = ran.outcome
    return outcome.error if isinstance(outcome, Failed) else str(outcome)


def _attempt(ran: Ran[Any], started_at: datetime) -> Attempt:
    failed = ran.outcome if isinstance(ran.outcome, Failed) else None
    return Attempt(
        attempt=ran.attempt,
        run_id=new_run_ids(1)[0],
        worker_id=None,
        outcome=_OUTCOMES.get(type(ran.outcome), AttemptOutcome.FAILED),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        error_type=failed.error_type if failed else None,
        error=failed.error if failed else None,
        trace=failed.trace if failed else None,
        logs=ran.logs,
    )

"""A task as its creator holds it: an id, how to wait for the end, and how to bring it about."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Generic, TypeVar, cast

from fcs.client.ids import new_task_id
from fcs.client.store import Store
from fcs.domain.durations import Duration, seconds_of
from fcs.domain.errors import TaskCancelled, TaskFailed, TaskNotFound, WaitTimeout, WrongStatus
from fcs.domain.ids import TaskId
from fcs.domain.task import Attempt, Status, TaskView
from fcs.registry import TaskType, read_json

R_co = TypeVar("R_co", covariant=True)

FIRST_LOOK = 0.02
LAST_LOOK = 0.5
"""Seconds between two looks at a task: they double from the first to the last."""


class Task(Generic[R_co]):
    """A created task, and `R_co` what its function returns.

    Created inside a transaction of yours, it is there once that commits.
    """

    def __init__(self, id: TaskId, store: Store, task_type: TaskType | None = None) -> None:
        self.id = id
        self._store = store
        self._type = task_type

    def __repr__(self) -> str:
        return f"Task({self.id})"

    async def view(self) -> TaskView:
        """The task as its row is now. Raises `TaskNotFound`."""
        return self._found(await self._store.find(self.id))

    def view_sync(self) -> TaskView:
        """The twin of `view` for code without an event loop."""
        return self._found(self._store.find_sync(self.id))

    async def wait(self, timeout: Duration | None = None) -> TaskView:
        """Wait until the task has succeeded, for at most `timeout` (seconds, or as "90s").

        Raises `TaskFailed` if it ended in any other way (`TaskCancelled` if it was cancelled),
        `WaitTimeout` if it has not ended, `TaskNotFound` if it is not there (any more).
        """
        looks = _Looks(self.id, timeout)
        while not (view := await self.view()).status.is_final:
            await asyncio.sleep(looks.pause(view.status))
        if view.status is not Status.SUCCEEDED:
            raise _failure(view, await self._store.attempts(self.id, limit=1))
        return view

    def wait_sync(self, timeout: Duration | None = None) -> TaskView:
        """The twin of `wait` for code without an event loop."""
        looks = _Looks(self.id, timeout)
        while not (view := self.view_sync()).status.is_final:
            time.sleep(looks.pause(view.status))
        if view.status is not Status.SUCCEEDED:
            raise _failure(view, self._store.attempts_sync(self.id, limit=1))
        return view

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Wait as `wait` does, and return what the function returned.

        It went through JSON and is read back as the function's return annotation says; where
        there is none, and for tasks from `App.find`, as plain JSON values.

        Raises as `wait` does, and `InvalidInput` when the result does not fit the annotation.
        """
        return self._read(await self.wait(timeout))

    def result_sync(self, timeout: Duration | None = None) -> R_co:
        """The twin of `result` for code without an event loop."""
        return self._read(self.wait_sync(timeout))

    async def attempts(self) -> list[Attempt]:
        """The runs so far, in their order: the last hundred, with the one that runs now."""
        return await self._store.attempts(self.id)

    def attempts_sync(self) -> list[Attempt]:
        """The twin of `attempts` for code without an event loop."""
        return self._store.attempts_sync(self.id)

    async def cancel(self, reason: str = "") -> Status:
        """Bring the task to an end; return the status in which it was found.

        Found `pending` or `dispatched` it is cancelled now and never starts. Found `running`,
        its body is asked to end; `wait` tells when it has. Found final, nothing happens.

        Raises `TaskNotFound`.
        """
        return self._status(await self._store.cancel(self.id, reason))

    def cancel_sync(self, reason: str = "") -> Status:
        """The twin of `cancel` for code without an event loop."""
        return self._status(self._store.cancel_sync(self.id, reason))

    async def retry(self) -> "Task[R_co]":
        """Run an ended task once more: as a new task, because a final status never changes.

        The new task has the type, the arguments and the options of this one, and is due now.

        Raises `WrongStatus` when this one has not ended, and `TaskNotFound`.
        """
        new_id = new_task_id()
        return self._copy(new_id, await self._store.repeat(self.id, new_id))

    def retry_sync(self) -> "Task[R_co]":
        """The twin of `retry` for code without an event loop."""
        new_id = new_task_id()
        return self._copy(new_id, self._store.repeat_sync(self.id, new_id))

    def _read(self, view: TaskView) -> R_co:
        text = view.result_text
        return cast(R_co, read_json(text) if self._type is None else self._type.read_result(text))

    def _copy(self, new_id: TaskId, found: Status | None) -> "Task[R_co]":
        status = self._status(found)
        if not status.is_final:
            raise WrongStatus(
                f"task {self.id} is {status}; only a task that has ended can be run once more",
                hint="Wait for its end, or cancel it first.",
            )
        return Task(new_id, self._store, self._type)

    def _status(self, found: Status | None) -> Status:
        if found is None:
            raise self._missing()
        return found

    def _found(self, view: TaskView | None) -> TaskView:
        if view is None:
            raise self._missing()
        return view

    def _missing(self) -> TaskNotFound:
        return TaskNotFound(
            f"there is no task {self.id}",
            hint="It was deleted, or the transaction that creates it has not committed.",
        )


class _Looks:
    """The pauses between looks, and when to give up."""

    def __init__(self, id: TaskId, timeout: Duration | None) -> None:
        seconds = seconds_of(timeout) if isinstance(timeout, str | timedelta) else timeout
        self._id, self._timeout = id, seconds
        self._give_up_at = None if seconds is None else time.monotonic() + seconds
        self._next = FIRST_LOOK

    def pause(self, status: Status) -> float:
        pause, self._next = self._next, min(LAST_LOOK, 2 * self._next)
        if self._give_up_at is None:
            return pause
        left = self._give_up_at - time.monotonic()
        if left <= 0:
            raise WaitTimeout(
                f"task {self._id} is {status} after {self._timeout:g} s",
                hint=f"Wait longer, or ask what it waits for:  fcs why {self._id}",
            )
        return min(pause, left)


def _failure(view: TaskView, latest: Sequence[Attempt]) -> TaskFailed:
    """What the waiting one is told, with what the last run left behind."""
    kind = TaskCancelled if view.status is Status.CANCELLED else TaskFailed
    last = latest[-1] if latest else None
    return kind(
        f"task {view.id} {view.status}: {view.error or 'no reason was given'}",
        error_type=last.error_type if last else None,
        trace=last.trace if last else None,
    )

"""A task as its creator holds it: an id, and how to wait for the end."""

import asyncio
import time

from fcs.client.store import Store
from fcs.domain.errors import TaskFailed, TaskNotFound, WaitTimeout
from fcs.domain.ids import TaskId
from fcs.domain.task import Status, TaskView

FIRST_LOOK = 0.02
LAST_LOOK = 0.5
"""Seconds between two looks at a task: they double from the first to the last."""


class Task:
    """A created task. Created inside a transaction of yours, it is there once that commits."""

    def __init__(self, id: TaskId, store: Store) -> None:
        self.id = id
        self._store = store

    def __repr__(self) -> str:
        return f"Task({self.id})"

    async def view(self) -> TaskView:
        """The task as its row is now. Raises `TaskNotFound`."""
        return self._found(await self._store.find(self.id))

    def view_sync(self) -> TaskView:
        """The twin of `view` for code without an event loop."""
        return self._found(self._store.find_sync(self.id))

    async def wait(self, timeout: float | None = None) -> TaskView:
        """Wait until the task has succeeded, for at most `timeout` seconds.

        Raises `TaskFailed` if it ended in any other way, `WaitTimeout` if it has not ended,
        `TaskNotFound` if it is not there (any more).
        """
        looks = _Looks(self.id, timeout)
        while not (view := await self.view()).status.is_final:
            await asyncio.sleep(looks.pause(view.status))
        return _succeeded(view)

    def wait_sync(self, timeout: float | None = None) -> TaskView:
        """The twin of `wait` for code without an event loop."""
        looks = _Looks(self.id, timeout)
        while not (view := self.view_sync()).status.is_final:
            time.sleep(looks.pause(view.status))
        return _succeeded(view)

    def _found(self, view: TaskView | None) -> TaskView:
        if view is None:
            raise TaskNotFound(
                f"there is no task {self.id}",
                hint="It was deleted, or the transaction that creates it has not committed.",
            )
        return view


class _Looks:
    """The pauses between looks, and when to give up."""

    def __init__(self, id: TaskId, timeout: float | None) -> None:
        self._id, self._timeout = id, timeout
        self._give_up_at = None if timeout is None else time.monotonic() + timeout
        self._next = FIRST_LOOK

    def pause(self, status: Status) -> float:
        pause, self._next = self._next, min(LAST_LOOK, 2 * self._next)
        if self._give_up_at is None:
            return pause
        left = self._give_up_at - time.monotonic()
        if left <= 0:
            raise WaitTimeout(
                f"task {self._id} is {status} after {self._timeout:g} s",
                hint="Wait longer, or see `fcs status`: a worker may be missing.",
            )
        return min(pause, left)


def _succeeded(view: TaskView) -> TaskView:
    if view.status is not Status.SUCCEEDED:
        raise TaskFailed(f"task {view.id} {view.status}: {view.error or 'no reason was given'}")
    return view

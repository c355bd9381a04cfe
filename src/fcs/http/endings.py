"""Waiting for the ends of tasks: one question for everybody who waits, a few times a second."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from fcs.domain.errors import DatabaseUnavailable, FcsError
from fcs.domain.ids import TaskId

LOOK = 0.1
"""Seconds between two looks."""


class Endings:
    """`still_open` tells which of some tasks are there and not final."""

    def __init__(self, still_open: Callable[[Sequence[TaskId]], Awaitable[set[TaskId]]]) -> None:
        self._still_open = still_open
        self._waiting: dict[TaskId, list[asyncio.Future[None]]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._is_closed = False

    async def wait(self, id: TaskId, seconds: float) -> None:
        """Return when the task has ended or is gone, or the time is over, or nobody waits more."""
        if self._is_closed:
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(id, []).append(ended)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_around())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await ended
        finally:
            self._forget(id, ended)

    def close(self) -> None:
        """Let everybody go, now and from now on."""
        self._is_closed = True
        self._release(list(self._waiting))

    async def _look_around(self) -> None:
        try:
            while self._waiting:
                ids = list(self._waiting)
                # While the database is away the waiting goes on, as long as it may.
                with suppress(DatabaseUnavailable):
                    still_open = await self._still_open(ids)
                    self._release([id for id in ids if id not in still_open])
                await asyncio.sleep(LOOK)
        except FcsError:
            pass  # each looks for himself now, and is told what is wrong
        finally:
            self._watch = None
            self._release(list(self._waiting))

    def _release(self, ids: Sequence[TaskId]) -> None:
        for id in ids:
            for ended in self._waiting.pop(id, []):
                if not ended.done():
                    ended.set_result(None)

    def _forget(self, id: TaskId, ended: asyncio.Future[None]) -> None:
        others = [other for other in self._waiting.get(id, []) if other is not ended]
        if others:
            self._waiting[id] = others
        else:
            self._waiting.pop(id, None)

"""How an app reaches the database: one writer for creates that meet, one line for questions."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from time import monotonic
from typing import Final, NamedTuple, TypeVar
from weakref import WeakSet

from fcs.database import bulk, creation, insights, tasks
from fcs.database.carrier import Carrier, SyncCarrier
from fcs.database.connect import Connection
from fcs.database.creation import Created
from fcs.database.insights import ATTEMPTS_MAX
from fcs.database.line import Line, SyncConnection, SyncLine
from fcs.database.writer import Writer
from fcs.domain.errors import InDoubt, InvalidSettings
from fcs.domain.ids import TaskId
from fcs.domain.task import Attempt, NewTask, Status, TaskView

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for which a create keeps at it while the database is away."""


class _Lines(NamedTuple):
    """What belongs to one event loop: no other can use its connections."""

    loop: asyncio.AbstractEventLoop
    url: str
    writer: Writer
    reader: Line


class Store:
    """Connections are made when first needed, and belong to the event loop that needs them."""

    def __init__(self, database: str | None) -> None:
        self._database = database
        self._start_over()
        _STORES.add(self)

    def _start_over(self) -> None:
        self._rng = Random()
        # Threads may each run an event loop at the same time.
        self._here = threading.local()
        self._sync = SyncLine(part="client", rng=self._rng)

    def url(self) -> str:
        """The database: as given, or `FCS_DATABASE`, or `DATABASE_URL`."""
        url = self._database or os.environ.get("FCS_DATABASE") or os.environ.get("DATABASE_URL")
        if not url:
            raise InvalidSettings(
                "no database was named",
                hint="Set FCS_DATABASE, or say App(database='postgres://…').",
            )
        return url

    async def create(self, new: Sequence[NewTask], on: Carrier | None = None) -> Created:
        """Create tasks, on the caller's connection where there is one."""
        if on is not None:
            return await creation.add(on, new)
        try:
            return await self._lines().writer.create(new)
        except InDoubt as error:
            raise _which(error, [task.id for task in new], key=new[0].key) from error

    async def create_parts(self, request: Iterable[Sequence[NewTask]]) -> Created:
        """As `create`, for tasks tied to nothing: each part is written while the next is packed."""
        try:
            return await self._lines().writer.create_parts(request)
        except InDoubt as error:
            raise _which(error, _ids_of(request)) from error

    async def find(self, id: TaskId) -> TaskView | None:
        return await self._ask(lambda db: insights.find_task(db, id))

    async def attempts(self, id: TaskId, *, limit: int = ATTEMPTS_MAX) -> list[Attempt]:
        return await self._ask(lambda db: insights.list_attempts(db, id, limit=limit))

    async def cancel(self, id: TaskId, reason: str) -> Status | None:
        return (await self._ask(lambda db: tasks.cancel(db, [id], reason=reason))).get(id)

    async def repeat(self, id: TaskId, new_id: TaskId) -> Status | None:
        try:
            return (await self._ask(lambda db: bulk.repeat(db, {id: new_id}))).get(id)
        except InDoubt as error:
            raise _which(error, [new_id]) from error

    def create_sync(self, new: Sequence[NewTask], on: SyncCarrier | None = None) -> Created:
        """The twin of `create` for code without an event loop."""
        if on is not None:
            return creation.add_sync(on, new)
        try:
            return self._ask_sync(lambda db: creation.add_sync(db, new))
        except InDoubt as error:
            raise _which(error, [task.id for task in new], key=new[0].key) from error

    def create_parts_sync(self, request: Iterable[Sequence[NewTask]]) -> Created:
        """The twin of `create_parts` for code without an event loop."""
        try:
            return self._ask_sync(lambda db: creation.add_parts_sync(db, request))
        except InDoubt as error:
            raise _which(error, _ids_of(request)) from error

    def find_sync(self, id: TaskId) -> TaskView | None:
        return self._ask_sync(lambda db: insights.find_task_sync(db, id))

    def attempts_sync(self, id: TaskId, *, limit: int = ATTEMPTS_MAX) -> list[Attempt]:
        return self._ask_sync(lambda db: insights.list_attempts_sync(db, id, limit=limit))

    def cancel_sync(self, id: TaskId, reason: str) -> Status | None:
        return self._ask_sync(lambda db: tasks.cancel_sync(db, [id], reason=reason)).get(id)

    def repeat_sync(self, id: TaskId, new_id: TaskId) -> Status | None:
        try:
            return self._ask_sync(lambda db: bulk.repeat_sync(db, {id: new_id})).get(id)
        except InDoubt as error:
            raise _which(error, [new_id]) from error

    def leave_to_parent(self) -> None:
        """In the child of a fork: everything that is open here is the parent's."""
        # Kept, because letting go of a connection closes it.
        _PARENTS.append((self._here, self._sync))
        self._start_over()

    async def close(self) -> None:
        """Close what this event loop uses, and what code without one uses."""
        lines: _Lines | None = getattr(self._here, "lines", None)
        if lines is not None:
            self._here.lines = None
            await lines.writer.close()
            await lines.reader.close()
        self._sync.close()

    async def _ask(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        give_up_at = monotonic() + PATIENCE
        return await self._lines().reader.carry_out(act, give_up=lambda: monotonic() >= give_up_at)

    def _ask_sync(self, act: Callable[[SyncConnection], T]) -> T:
        return self._sync.carry_out(self.url(), act, patience=PATIENCE)

    def _lines(self) -> _Lines:
        """The connections of the running event loop; those of one that has ended are let go."""
        loop = asyncio.get_running_loop()
        lines: _Lines | None = getattr(self._here, "lines", None)
        url = self.url()
        if lines is not None and lines.loop is loop and lines.url == url:
            return lines
        if lines is not None:
            lines.writer.abandon()
            lines.reader.abandon()
        self._here.lines = _Lines(
            loop,
            url,
            Writer(url, rng=self._rng, patience=PATIENCE),
            Line(url, part="client", rng=self._rng, keys_only=False),
        )
        return self._lines()


_STORES: Final[WeakSet[Store]] = WeakSet()
_PARENTS: Final[list[object]] = []


def _which(error: InDoubt, ids: Sequence[TaskId], *, key: str | None = None) -> InDoubt:
    """The same, with what may have been created: asked again, there would be two of each."""
    others = len(ids) - 1
    what = f"task {ids[0]} and {others:,} more were" if others else f"task {ids[0]} was"
    if key is not None:
        hint = "Ask again under the same key: what is there by then is found."
    else:
        hint = f"Look first, app.find({str(ids[0])!r}): asked again, there would be two."
    return InDoubt(f"{error}; it is not known whether {what} created", hint=hint)


def _ids_of(request: Iterable[Sequence[NewTask]]) -> list[TaskId]:
    return [task.id for part in request for task in part]


def _after_fork() -> None:
    for store in list(_STORES):
        store.leave_to_parent()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork)

"""The database as the HTTP door needs it: a few questions at a time, none asked for ever."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from time import monotonic
from typing import TypeVar
from uuid import UUID

from fcs.database import bulk, insights, tasks
from fcs.database.connect import Connection
from fcs.database.creation import Created
from fcs.database.explaining import explain_task
from fcs.database.insights import WorkerView
from fcs.database.line import is_passing
from fcs.database.lines import Lines
from fcs.database.sweep import Sweep
from fcs.database.tasks import Deletion
from fcs.database.writer import Writer
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.ids import TaskId
from fcs.domain.task import Attempt, NewTask, Status, TaskView
from fcs.domain.why import Why
from fcs.http.endings import Endings

_LINES = 3
_PATIENCE = 2.0
_ANSWER_MAX = 10.0

AGAIN = "Try again in a while."
IN_DOUBT = "It is not known whether the task was created."
LOOK_FIRST = (
    "With an Idempotency-Key the same request can be sent again until it is answered; without one,"
    " look first whether the task is there:  GET /tasks"
)
COPY_IN_DOUBT = "It is not known whether there is a new task."
LOOK_FOR_COPY = "Asked again, there may be two. Look first whether it is there:  GET /tasks"

T = TypeVar("T")


class Store:
    """Creates go through the process's one writer; questions share a few lines of their own.

    A broken line is dialled again for `_PATIENCE` seconds, and no question takes longer than
    `_ANSWER_MAX` in all: then it ends in `DatabaseUnavailable`.
    """

    def __init__(self, url: str, *, writer: Writer, rng: Random) -> None:
        self._writer = writer
        self._lines = Lines(url, part="http", rng=rng, count=_LINES, keys_only=False)
        self.endings = Endings(lambda ids: self.ask(lambda db: insights.still_open(db, ids)))

    async def create(self, new: Sequence[NewTask]) -> Created:
        """Return when the tasks are durable: all of them, or none."""
        try:
            return await self._writer.create(new)
        except Exception as error:
            raise _translated(error, IN_DOUBT, LOOK_FIRST) from error

    async def find_task(self, id: UUID) -> TaskView | None:
        return await self.ask(lambda db: insights.find_task(db, id))

    async def list_tasks(
        self,
        *,
        limit: int,
        before: UUID | None,
        status: Status | None,
        ty: str | None,
        queue: str | None,
    ) -> list[TaskView]:
        return await self.ask(
            lambda db: insights.list_tasks(
                db, limit=limit, before=before, status=status, ty=ty, queue=queue
            )
        )

    async def list_attempts(self, id: TaskId) -> list[Attempt]:
        return await self.ask(lambda db: insights.list_attempts(db, id))

    async def explain(self, id: TaskId) -> Why | None:
        return await self.ask(lambda db: explain_task(db, id))

    async def cancel(self, id: TaskId, reason: str) -> tuple[Status | None, TaskView | None]:
        """The status in which the task was found, and what it is now."""

        async def cancel(db: Connection) -> tuple[Status | None, TaskView | None]:
            found = await tasks.cancel(db, [id], reason=reason)
            return found.get(id), await insights.find_task(db, id)

        return await self.ask(cancel)

    async def repeat(self, id: TaskId, new_id: TaskId) -> tuple[Status | None, TaskView | None]:
        """The status in which the task was found, and the new task, if there is one."""

        async def repeat(db: Connection) -> tuple[Status | None, TaskView | None]:
            found = await bulk.repeat(db, {id: new_id})
            return found.get(id), await insights.find_task(db, new_id)

        return await self.ask(repeat, COPY_IN_DOUBT, LOOK_FOR_COPY)

    async def step(self, sweep: Sweep) -> None:
        await self.ask(sweep.step)

    async def delete(self, id: TaskId) -> Deletion | None:
        """Return how the task was found."""
        return (await self.ask(lambda db: tasks.delete(db, [id]))).get(id)

    async def list_workers(self) -> list[WorkerView]:
        return await self.ask(insights.list_workers)

    async def close(self) -> None:
        await self._lines.close()

    async def ask(
        self, act: Callable[[Connection], Awaitable[T]], doubt: str = "", hint: str = AGAIN
    ) -> T:
        """Carry out an act that may be sent twice. Raises `DatabaseUnavailable`, with what is in
        doubt then."""
        give_up_at = monotonic() + _PATIENCE
        try:
            async with asyncio.timeout(_ANSWER_MAX):
                return await self._lines.carry_out(act, give_up=lambda: monotonic() > give_up_at)
        except Exception as error:
            raise _translated(error, doubt, hint) from error


def _translated(error: Exception, doubt: str, hint: str) -> Exception:
    """Whoever asks over HTTP learns that the database is away, not where it is."""
    if not is_passing(error):
        return error
    return DatabaseUnavailable(f"The database did not answer. {doubt}".rstrip(), hint=hint)

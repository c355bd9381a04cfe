"""Creates that meet are written as one statement.

While one statement is on its way to Postgres, those who come in the meantime wait for the
next; a lone create goes out at once. Nobody is told before their task is durable.

Tasks that are tied to something go by themselves, and so do those that are written part by
part: whoever waits for a key that another transaction holds, or has much to write, must hold up
nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from random import Random
from time import monotonic
from typing import NamedTuple

from fcs.database import creation
from fcs.database.connect import Connection
from fcs.database.creation import Created
from fcs.database.direct import Direct
from fcs.database.line import Line, is_passing
from fcs.database.lines import Lines
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.task import NewTask

BATCH_MAX = 1_000
LINES_APART = 4


class _Waiter(NamedTuple):
    new: Sequence[NewTask]
    done: "asyncio.Future[None]"
    give_up_at: float


class Writer:
    """Writes new tasks over one line, and those that go by themselves over a few others.

    `patience` is for how many seconds it keeps at each.
    """

    def __init__(self, url: str, *, rng: Random, patience: float = 10.0) -> None:
        self._line = Line(url, part="create", rng=rng)
        self._lines_apart = Lines(url, part="create apart", rng=rng, count=LINES_APART)
        self._direct: Direct | None = None
        self._is_closed = False
        self._patience = patience
        self._waiting: list[_Waiter] = []
        self._flusher: asyncio.Task[None] | None = None

    async def create(self, new: Sequence[NewTask]) -> Created:
        """Add the tasks of a request, all or none; return when they are durable.

        An unknown answer is settled by sending the same ids again.

        Raises `DatabaseUnavailable` when the database stays away; the tasks may or may not be
        there then, and may be sent again with the same ids. Raises `KeyReused` and `KeyInFlight`
        as `creation.create_linked` does.
        """
        if creation.is_linked(new):
            return await self._apart(lambda db: creation.create_linked(db, new))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(new, done, monotonic() + self._patience))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_all())
        # A caller that goes away cancels this one; the batch goes on without it.
        await done
        return creation.as_asked(new)

    async def create_parts(self, request: Iterable[Sequence[NewTask]]) -> Created:
        """As `create`, for tasks that are tied to nothing and made ready part by part."""
        return await self._apart(lambda db: creation.add_parts(db, request))

    async def close(self) -> None:
        self._is_closed = True
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        _fail(self._waiting, _closed())
        self._waiting.clear()
        await self._line.close()
        await self._lines_apart.close()

    def abandon(self) -> None:
        """Let go of the connection of an event loop that will not run any more."""
        self._line.abandon()
        self._lines_apart.abandon()

    async def _apart(self, act: Callable[[Connection], Awaitable[Created]]) -> Created:
        give_up_at = monotonic() + self._patience
        return await self._lines_apart.carry_out(
            act, give_up=lambda: self._is_closed or monotonic() >= give_up_at
        )

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                try:
                    await self._flush(batch)
                finally:
                    # Cancelled half-way: whoever has no answer by now gets this one.
                    _fail(batch, _closed())
        finally:
            self._flusher = None

    def _next_batch(self) -> list[_Waiter]:
        count, size = 0, 0
        for waiter in self._waiting:
            size += len(waiter.new)
            count += 1
            if size >= BATCH_MAX:
                break
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _flush(self, batch: list[_Waiter]) -> None:
        try:
            await self._write(batch)
        except Exception as error:  # noqa: BLE001 - each waiter is told
            if len(batch) == 1 or is_passing(error):
                _fail(batch, error)
                return
            # One of them cannot be written: let each answer for itself.
            for waiter in batch:
                await self._flush([waiter])
        else:
            for waiter in batch:
                if not waiter.done.done():
                    waiter.done.set_result(None)

    async def _write(self, batch: list[_Waiter]) -> None:
        new = [task for waiter in batch for task in waiter.new]
        # The first has waited longest. What follows in later batches has its own time.
        give_up_at = batch[0].give_up_at

        async def act(db: Connection) -> int:
            if self._direct is None or self._direct.db is not db:
                self._direct = Direct(db)
            return await creation.add_untied(self._direct, new)

        await self._line.carry_out(act, give_up=lambda: monotonic() >= give_up_at)


def _fail(batch: list[_Waiter], error: Exception) -> None:
    for waiter in batch:
        if not waiter.done.done():
            waiter.done.set_exception(error)
            # A waiter that went away collects nothing, and that is nobody's mistake.
            waiter.done.exception()


def _closed() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "this process is shutting down; it is not known whether the task was created",
        hint="Look for the task by its id, or create it again with the same id.",
    )

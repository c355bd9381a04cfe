"""A few lines to Postgres, for acts that need not wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from fcs.database.connect import Connection
from fcs.database.line import Line

T = TypeVar("T")


class Lines:
    """Each act has a line for itself; those for which there is none wait.

    A line is dialled when it is first needed, and the last one used is the next.
    """

    def __init__(
        self, url: str, *, part: str, rng: Random, count: int, keys_only: bool = True
    ) -> None:
        self._lines = [Line(url, part=part, rng=rng, keys_only=keys_only) for _ in range(count)]
        self._idle: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        for line in self._lines:
            self._idle.put_nowait(line)

    async def carry_out(
        self,
        act: Callable[[Connection], Awaitable[T]],
        *,
        give_up: Callable[[], bool] | None = None,
    ) -> T:
        """Carry out an act on one of the lines, as `Line` does."""
        line = await self._idle.get()
        try:
            return await line.carry_out(act, give_up=give_up)
        finally:
            self._idle.put_nowait(line)

    async def close(self) -> None:
        for line in self._lines:
            await line.close()

    def abandon(self) -> None:
        """Close the connections of an event loop that will not run any more."""
        for line in self._lines:
            line.abandon()

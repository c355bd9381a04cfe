"""The pool of a worker's children: started before they are needed, kept, replaced when spent."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final

from fcs.body import Context
from fcs.body.pipe import Go
from fcs.domain.backoff import full_jitter, is_worth_a_line
from fcs.domain.outcome import Outcome
from fcs.worker.children.child import Child, ChildNotStarted
from fcs.worker.children.keeper import Keeper
from fcs.worker.children.spawn import Recipe

log = logging.getLogger(__name__)

AT_ONCE_MAX: Final = max(2, os.cpu_count() or 1)
"""Children that start at the same time: importing an application is work."""


class Pool:
    """At most `most` children. There are as many as were ever needed at once, and one to spare."""

    def __init__(
        self,
        recipe: Recipe,
        types: Sequence[str],
        most: int,
        *,
        rng: Random,
    ) -> None:
        self._recipe, self._types, self._most = recipe, types, most
        self._rng = rng
        self.on_ready: Callable[[], None] = lambda: None
        """Called when there is one more to take."""
        self._wanted = 1
        self._starting = 0
        self._tries = 0
        self._ready: list[Child] = []
        self._busy: set[Child] = set()
        self._short = asyncio.Event()
        self._keeper: Keeper | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """How many children there are."""
        return len(self._ready) + len(self._busy)

    async def open(self) -> None:
        """Start the first child. Raises `ChildNotStarted`: it is better to know now."""
        if os.name != "posix":
            raise ChildNotStarted(
                'isolation="process" needs a POSIX system, and this is none',
                hint="Run this worker on Linux, macOS or a BSD, or leave the isolation out.",
            )
        self._keeper = await Keeper.start(self._recipe.environment)
        try:
            self._add(await self._start())
        except BaseException:
            await self.close()
            raise

    async def run(self) -> None:
        """Keep as many children as are wanted, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._short.wait()
                    self._short.clear()
                    while self._lacks_one() and self._starting < AT_ONCE_MAX:
                        self._starting += 1
                        group.create_task(self._start_another())
        finally:
            await self.close()

    def want(self, tasks: int) -> None:
        """So many tasks wait for a child."""
        self._wanted = max(self._wanted, min(self._most, len(self._busy) + tasks))
        self._short.set()

    def take(self) -> Child | None:
        """A child that is ready for a run, for the caller alone; `None` if there is none."""
        while self._ready:
            child = self._ready.pop()
            if child.is_fit:
                self._busy.add(child)
                self.want(1)
                return child
            # It has just died, and is mourned by nobody else once it is out of the line.
            self._see_off(child)
        return None

    def put_back(self, child: Child) -> None:
        """A child that was taken, and is free again."""
        if child not in self._busy:
            return  # It was seen off in the middle of its run.
        self._busy.discard(child)
        if child.is_fit:
            self._ready.append(child)
            self.on_ready()
        else:
            self._see_off(child)

    async def perform(
        self, child: Child, go: Go, context: Context, *, cpu_max: float | None
    ) -> Outcome:
        """Run a body in a child that was taken; the child goes back, or is replaced.

        Raises `NotGone` if the body was not started.
        """
        try:
            return await child.perform(go, context, cpu_max=cpu_max)
        finally:
            self.put_back(child)

    async def close(self) -> None:
        """End all children."""
        for child in self._ready:
            self._see_off(child)
        for child in self._busy:
            child.kill()
            self._see_off(child)
        self._ready.clear()
        self._busy.clear()
        while self._endings:
            await asyncio.wait(self._endings)
        if self._keeper is not None:
            await self._keeper.close()
            self._keeper = None

    def _lacks_one(self) -> bool:
        return self.size + self._starting < self._wanted

    async def _start_another(self) -> None:
        try:
            self._add(await self._start())
            self._tries = 0
        except ChildNotStarted as error:
            self._tries += 1
            if is_worth_a_line(self._tries):
                log.warning("child not started, trying again: %s %s", error, error.hint)
            await asyncio.sleep(full_jitter(self._tries, self._rng))
        finally:
            self._starting -= 1
            self._short.set()

    async def _start(self) -> Child:
        assert self._keeper is not None
        child = await Child.start(self._recipe, self._keeper, self._types)
        log.info("child ready: pid=%d", child.pid)
        return child

    def _add(self, child: Child) -> None:
        self._ready.append(child)
        self._remember(self._mind(child))
        self.on_ready()

    async def _mind(self, child: Child) -> None:
        """Replace a child that ends while nobody uses it."""
        await child.gone()
        if child in self._ready:
            self._ready.remove(child)
            self._see_off(child)

    def _see_off(self, child: Child) -> None:
        if child.is_fit:
            log.info("child no longer needed: pid=%d", child.pid)
        else:
            log.info("child replaced: pid=%d reason=%s", child.pid, child.spent or "it ended")
        self._remember(child.close())
        self._short.set()

    def _remember(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

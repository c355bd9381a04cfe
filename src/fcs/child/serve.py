"""Running bodies in a child, one at a time, as the worker says."""

import asyncio
import contextvars
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import Any, Final, NamedTuple

from msgspec import structs

from fcs.body import Context, Resources, perform
from fcs.body.context import Progress
from fcs.body.perform import Answer
from fcs.body.pipe import Asked, Ended, Go, Moved, Started
from fcs.child.leftovers import leftovers
from fcs.child.limits import limited, memory_used
from fcs.child.line import Line
from fcs.child.logs import LineHandler
from fcs.domain.outcome import Failed, Outcome
from fcs.domain.text import safe_text
from fcs.registry import Registry, TaskType

MOVE_SECONDS: Final = 0.1
"""How often progress is passed on; the last one always is."""

_threads: Final = ThreadPoolExecutor(1, thread_name_prefix="fcs-body")


class Bounds(NamedTuple):
    """After so many runs, or so many bytes more than at the start, a child is spent."""

    runs: int
    growth: int


def serve(registry: Registry, line: Line, handler: LineHandler, bounds: Bounds) -> None:
    """Run bodies until the worker closes the line. When it does so in the middle of a body, it
    has died, and this process goes with it, and all that the body has started."""
    # The thread of plain bodies is there before any of them is limited: its stack counts, too.
    _threads.submit(threading.get_ident).result()
    asyncio.run(Server(registry, line, handler, bounds).run())


class Server:
    def __init__(
        self, registry: Registry, line: Line, handler: LineHandler, bounds: Bounds
    ) -> None:
        self._registry, self._line, self._handler, self._bounds = registry, line, handler, bounds
        self._resources = Resources(registry)
        self._inbox: asyncio.Queue[Running | None] = asyncio.Queue()
        self._running: Running | None = None
        self._runs = 0
        self._memory_at_first = memory_used()

    async def run(self) -> None:
        # A thread of its own: a body may block the event loop, and must hear that it is asked.
        hear = threading.Thread(target=self._hear, args=[asyncio.get_running_loop()], daemon=True)
        hear.start()
        while running := await self._inbox.get():
            outcome = await running.perform()
            self._runs += 1
            self._close_books(running)
            self._running = None
            self._line.send(Ended(outcome, self._spent()))
        await self._resources.close()

    def _hear(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._listen(loop)
        except BaseException:  # noqa: BLE001 - a child that hears nothing is of no use
            traceback.print_exc()
            os._exit(1)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for message in self._line.messages():
            if isinstance(message, Go):
                self._line.send(Started())
                self._handler.open_books()
                task_type = self._registry.get(message.ty)
                self._running = Running(message, task_type, self._line, loop, self._resources)
                loop.call_soon_threadsafe(self._inbox.put_nowait, self._running)
            elif self._running is not None:
                self._running.ask(message)
        if self._running is not None:
            os.killpg(0, signal.SIGKILL)
        loop.call_soon_threadsafe(self._inbox.put_nowait, None)

    def _close_books(self, running: "Running") -> None:
        """Everything that the worker is to know of this run, before it hears of the end."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the body may have put anything there
                stream.flush()
        running.pass_on()
        self._handler.close_books()

    def _spent(self) -> str:
        if self._runs >= self._bounds.runs:
            return f"it has had its {self._runs} runs"
        if (grown := self._grown()) > self._bounds.growth:
            return f"its memory has grown by {grown >> 20} MiB"
        if leftovers():
            return "its body left processes behind"
        return ""

    def _grown(self) -> int:
        return memory_used() - self._memory_at_first


class Running:
    """One run."""

    def __init__(
        self,
        go: Go,
        task_type: TaskType,
        line: Line,
        loop: asyncio.AbstractEventLoop,
        resources: Resources,
    ) -> None:
        self._go, self._task_type, self._line, self._loop = go, task_type, line, loop
        self._resources = resources
        self._context = Context(
            id=go.id,
            run_id=go.run_id,
            ty=go.ty,
            attempt=go.attempt,
            max_attempts=go.max_attempts,
            timeout=go.timeout,
            on_progress=self._move,
        )
        self._task: asyncio.Task[Any] | None = None
        self._progress: Progress | None = None
        self._moved_at = 0.0

    async def perform(self) -> Outcome:
        """Run the body within its limits."""
        task = asyncio.create_task(self._perform())
        await asyncio.wait([task])
        outcome = _outcome_of(task)
        limit = self._task_type.memory_max
        if limit and isinstance(outcome, Failed) and outcome.error_type == "MemoryError":
            error = f"{outcome.error} (its memory_max is {limit:,} bytes)"
            return structs.replace(outcome, error=error)
        return outcome

    def ask(self, asked: Asked) -> None:
        """Called in another thread than the body's, or so one hopes."""
        if self._context.ask(asked.why):
            self._loop.call_soon_threadsafe(self._cancel)

    def pass_on(self) -> None:
        """Send the last progress, if it has not been sent."""
        if self._progress is not None:
            self._line.send(Moved(self._progress))
            self._progress = None

    async def _perform(self) -> Outcome:
        self._task = asyncio.current_task()
        if self._context.cancelled:
            self._cancel()
        kwargs = self._task_type.bind(self._go.args_text.encode())
        with limited(memory_max=self._task_type.memory_max, cpu_max=self._task_type.cpu_max):
            outcome = await perform(
                self._task_type, kwargs, self._context, self._in_thread, self._resources
            )
        self._line.require()
        return outcome

    async def _in_thread(self, function: Callable[[], Answer]) -> Answer:
        """A plain body runs beside the event loop, as it would in a worker."""

        def call() -> Answer:
            answer = function()
            self._line.require()
            return answer

        context = contextvars.copy_context()
        return await self._loop.run_in_executor(_threads, context.run, call)

    def _cancel(self) -> None:
        # A thread has no place where it could be cancelled: the worker kills the process.
        if self._task is not None and self._task_type.is_async:
            self._task.cancel(str(self._context.asked))

    def _move(self, context: Context, progress: Progress) -> None:
        self._progress = progress
        if monotonic() >= self._moved_at + MOVE_SECONDS:
            self._moved_at = monotonic()
            self.pass_on()


def _outcome_of(task: asyncio.Task[Outcome]) -> Outcome:
    try:
        return task.result()
    except BaseException as error:  # noqa: BLE001 - no memory was left to make an outcome of it
        return Failed(safe_text(error), safe_text(type(error).__name__))

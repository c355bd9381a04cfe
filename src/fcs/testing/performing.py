"""Performing a body here and now, as a worker would."""

import asyncio
import contextvars
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar

from fcs.body import Context, Resources, perform
from fcs.body.context import Progress
from fcs.body.logs import keep_journals
from fcs.body.perform import Answer, InThread
from fcs.domain.ids import RunId
from fcs.domain.task import NewTask
from fcs.registry import Registry
from fcs.testing.ran import Ran, ran

T = TypeVar("T")

# A signal that comes just before a wait begins is heard when that ends, and not sooner.
_EAR: Final = 0.2


async def performed(
    registry: Registry, task: NewTask, in_thread: InThread, *, attempt: int = 1
) -> Ran[Any]:
    """Bind the arguments, perform the body, and say how it ended. Resources are left again.

    A cancelled body has an outcome as well, but who was cancelled is the test.
    """
    keep_journals()
    cancelled_before = _cancels()
    task_type = registry.get(task.ty)
    moves: list[Progress] = []
    context = Context(
        id=task.id,
        run_id=RunId(uuid.uuid4()),
        ty=task.ty,
        attempt=attempt,
        max_attempts=task.max_attempts,
        timeout=task.timeout,
        on_progress=lambda _, progress: moves.append(progress),
    )
    resources = Resources(registry)
    try:
        kwargs = task_type.bind(task.args)
        outcome = await perform(task_type, kwargs, context, in_thread, resources)
    finally:
        await resources.close()
    if _cancels() > cancelled_before:
        raise asyncio.CancelledError
    return ran(context, task_type, task.args, outcome, moves[-1] if moves else None)


async def in_another_thread(function: Callable[[], Answer]) -> Answer:
    """Where plain functions run that are called from an event loop."""
    return await asyncio.to_thread(function)


def here(act: Callable[[InThread], Awaitable[T]]) -> T:
    """Carry out an async act whose plain functions run in this very thread.

    The event loop runs in a thread beside, so that the functions find none in their own: what
    holds on to a thread, as connections of some frameworks do, works as in any plain function.
    Ctrl-C cancels the act, and is raised when that has ended.
    """
    return _Beside(act).serve()


class _Beside(Generic[T]):
    """An act on an event loop in another thread, and its calls for the thread that waits for it."""

    def __init__(self, act: Callable[[InThread], Awaitable[T]]) -> None:
        self._act = act
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None
        self._interrupt: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = Thread(target=context.run, args=(self._run,), name="fcs-testing")

    def serve(self) -> T:
        """Make the calls in this thread until the act has ended.

        After Ctrl-C as well: what is being cancelled might wait for an answer for ever.
        """
        self._calls.put(self._thread.start)
        while True:
            try:
                # Between two calls Ctrl-C has to be caught as well, hence a loop within the other.
                while (call := self._next_call()) is not None:
                    call()
                break
            except BaseException as error:  # noqa: BLE001 - it is raised in the end
                self._interrupt = error
                self._cancel()
        if self._interrupt is not None:
            raise self._interrupt
        self._thread.join()
        return self._done.result()

    def _next_call(self) -> Callable[[], None] | None:
        while True:
            with suppress(Empty):
                return self._calls.get(timeout=_EAR)

    def _cancel(self) -> None:
        if self._task is not None:
            _tell(self._task.get_loop(), self._task.cancel)
        # Ctrl-C may have come after the last word, or the first, was taken and before it was read.
        if self._done.done() or self._thread.ident is None:
            self._calls.put(None)

    def _run(self) -> None:
        try:
            self._done.set_result(asyncio.run(self._carry_out()))
        except BaseException as error:  # noqa: BLE001 - it is raised where one waits for the act
            self._done.set_exception(error)
        finally:
            self._calls.put(None)

    async def _carry_out(self) -> T:
        self._task = asyncio.current_task()
        if self._interrupt is not None:
            raise asyncio.CancelledError
        return await self._act(self._in_that_thread)

    async def _in_that_thread(self, function: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        context = contextvars.copy_context()

        def settle(given: Answer) -> None:
            if not answer.done():  # nobody waits for it any more, if the act was cancelled
                answer.set_result(given)

        def call() -> None:
            interrupt = self._interrupt
            given = context.run(function) if interrupt is None else (None, interrupt)
            _tell(loop, settle, given)
            if interrupt is None and isinstance(given[1], KeyboardInterrupt):
                raise given[1]

        self._calls.put(call)
        return await answer


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop has ended, and nobody is there to be told
        loop.call_soon_threadsafe(call, *args)


def _cancels() -> int:
    """How often this asyncio task was cancelled."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0

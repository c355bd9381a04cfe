"""Performing a body here and now, as a worker would."""

import asyncio
import contextvars
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from fcs.body import Context, Resources, perform
from fcs.body.context import Progress
from fcs.body.logs import keep_journals
from fcs.body.perform import Answer, InThread
from fcs.domain.ids import RunId
from fcs.domain.task import NewTask
from fcs.registry import Registry
from fcs.testing.ran import Ran, ran

T = TypeVar("T")


async def performed(
    registry: Registry, task: NewTask, in_thread: InThread, *, attempt: int = 1
) -> Ran[Any]:
    """Bind the arguments, perform the body, and say how it ended. Resources are left again."""
    keep_journals()
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
    return ran(context, task_type, task.args, outcome, moves[-1] if moves else None)


async def in_another_thread(function: Callable[[], Answer]) -> Answer:
    """Where plain functions run that are called from an event loop."""
    return await asyncio.to_thread(function)


def here(act: Callable[[InThread], Awaitable[T]]) -> T:
    """Carry out an async act whose plain functions run in this very thread.

    The event loop runs in a thread beside, so that the functions find none in their own: what
    holds on to a thread, as connections of some frameworks do, works as in any plain function.
    """
    calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def in_this_thread(function: Callable[[], Answer]) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            loop.call_soon_threadsafe(answer.set_result, context.run(function))

        calls.put(call)
        return await answer

    async def carry_out() -> T:
        try:
            return await act(in_this_thread)
        finally:
            calls.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="fcs-testing") as beside:
        context = contextvars.copy_context()
        done = beside.submit(context.run, asyncio.run, carry_out())
        while call := calls.get():
            call()
        return done.result()

"""What a day looks like: tasks of several queues and priorities are created while others run."""

import asyncio
from typing import Any

from fcs.client.app import App
from fcs.client.handler import Handler
from fcs.node.bench import cluster, measures
from fcs.node.bench.app import failing, noop

QUEUES = ("mail", "images", "reports", "default")
PRIORITIES = (0, 0, 0, 5, -5)
FAILING_EVERY = 50
DELAYED_EVERY = 10
DELAY = 0.5
CALLERS = 32

# Those that fail would fill the screen: that is what they are for.
QUIET = {"FCS_LOG_LEVEL": "error"}


async def mixed_rate(
    url: str, count: int, *, workers: int, slots: int, progress: measures.Progress
) -> float:
    """Tasks per second, from the first begin to the last end; so many are created meanwhile."""
    app = App(database=url)
    handlers = (app.task(noop.task_type.function), app.task(failing.task_type.function))
    try:
        async with (
            cluster.workers(url, count=workers, slots=slots, also=QUIET),
            cluster.supervisor(url),
        ):
            creating = asyncio.create_task(_create(handlers, count))
            try:
                seconds = await measures.drained(
                    url, count, failing=_failing(count), progress=progress
                )
            finally:
                creating.cancel()
                await asyncio.wait([creating])
                if not creating.cancelled():
                    creating.result()
            return count / seconds
    finally:
        await app.close()


async def _create(handlers: tuple[Handler[[], Any, Any], ...], count: int) -> None:
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            succeeding, broken = handlers
            handler = broken if _fails(number) else succeeding
            await handler.using(
                queue=QUEUES[number % len(QUEUES)],
                priority=PRIORITIES[number % len(PRIORITIES)],
                delay=DELAY if number % DELAYED_EVERY == 0 else None,
            ).enqueue()

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(caller())


def _fails(number: int) -> bool:
    return number % FAILING_EVERY == FAILING_EVERY - 1


def _failing(count: int) -> int:
    return sum(map(_fails, range(count)))

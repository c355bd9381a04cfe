"""A worker beside a test, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from fcs.client.app import App
from fcs.testing.ran import Ran
from fcs.testing.serve import serving


@contextmanager
def working(app: App) -> Iterator[list[Ran[Any]]]:
    """A supervisor and a worker while the block runs; yields what has run so far.

    Works for code with and without an event loop. At the end the worker drains.
    """
    stop = threading.Event()
    started: Future[list[Ran[Any]]] = Future()

    async def serve() -> None:
        try:
            async with serving(app.store.url(), app.registry) as ran:
                started.set_result(ran)
                await asyncio.to_thread(stop.wait)
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    with ThreadPoolExecutor(1, thread_name_prefix="fcs-testing") as beside:
        served = beside.submit(lambda: asyncio.run(serve()))
        try:
            yield started.result()
        finally:
            stop.set()
        served.result()

"""A part in a thread and an event loop of its own, beside those that run people's code.

A body that blocks the loop of its worker must not keep the supervisor beside it from its work.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

LAST_MOMENT = 3.0
"""Seconds that a part gets to end when it is cancelled; its thread does not hold up the process."""


async def aside(part: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Run a part until it ends, and raise what it raises. Cancelling this cancels the part."""
    thread = _Aside(part, name)
    try:
        await asyncio.shield(thread.ended)
    finally:
        if not thread.ended.done():
            thread.cancel()
            await asyncio.wait([thread.ended], timeout=LAST_MOMENT)


def tell(loop: asyncio.AbstractEventLoop, act: Callable[..., object], *values: object) -> None:
    """Carry something out in another thread's loop, if that still runs."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(act, *values)


class _Aside:
    def __init__(self, part: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._part = part
        self._home = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._home.create_future()
        self._began = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        threading.Thread(target=self._run, name=f"fcs-{name}", daemon=True).start()

    def cancel(self) -> None:
        self._began.wait()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=type(self._home)) as runner:
                self._loop = runner.get_loop()
                runner.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as caught:  # noqa: BLE001 - it is raised at home
            error = caught
        finally:
            self._began.set()
            with suppress(RuntimeError):  # nobody is there any more
                self._home.call_soon_threadsafe(self._end, error)

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        self._began.set()
        await self._part()

    def _end(self, error: BaseException | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

"""Runs bodies: async ones on the event loop, plain ones in threads; each ends in an outcome."""

import asyncio
import contextvars
import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from fcs.database.tasks import Ending
from fcs.domain.ids import RunId, TaskId
from fcs.domain.task import Status
from fcs.domain.text import safe_text
from fcs.registry import TaskType

log = logging.getLogger(__name__)


class Run(NamedTuple):
    """One execution of a task, ready to start."""

    task_id: TaskId
    run_id: RunId
    task_type: TaskType
    kwargs: Mapping[str, Any]


class Executor:
    """Runs bodies and hands each ending to `ended`, in the event loop's thread."""

    def __init__(self, slots: int, ended: Callable[[Ending], None]) -> None:
        self._ended = ended
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="fcs-body")
        self._running: dict[RunId, asyncio.Task[None]] = {}
        self._interrupting = False

    @property
    def runs(self) -> set[RunId]:
        """The runs whose bodies have not ended."""
        return set(self._running)

    def start(self, run: Run) -> None:
        """Start a body that was just begun."""
        task = asyncio.create_task(
            self._run(run), name=f"task={run.task_id} type={run.task_type.name}"
        )
        self._running[run.run_id] = task

    async def wait(self) -> None:
        """Wait until no body runs."""
        while self._running:
            await asyncio.wait(self._running.values())

    def interrupt(self) -> None:
        """Ask the bodies to stop. A thread cannot be asked; it goes when the process goes."""
        self._interrupting = True
        for task in self._running.values():
            log.warning("body interrupted by shutdown: %s", task.get_name())
            task.cancel("the worker is shutting down")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, run: Run) -> None:
        # A body may raise anything, SystemExit included; all of it is an outcome.
        error: BaseException | None
        try:
            if run.task_type.is_async:
                error = _unawaited(await run.task_type.function(**run.kwargs))
            else:
                error = await self._in_thread(run)
        except BaseException as raised:  # noqa: BLE001
            error = raised
        finally:
            self._running.pop(run.run_id, None)
        self._ended(self._ending(run, error))

    async def _in_thread(self, run: Run) -> BaseException | None:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        call = _Call(context, run.task_type.function, run.kwargs)
        return await loop.run_in_executor(self._threads, call)

    def _ending(self, run: Run, error: BaseException | None) -> Ending:
        if error is None:
            return Ending(run.task_id, run.run_id, Status.SUCCEEDED, None)
        if self._interrupting and isinstance(error, asyncio.CancelledError):
            reason = "its worker was shut down before the body had ended"
            return Ending(run.task_id, run.run_id, Status.INTERRUPTED, reason)
        return _failed(run, error)


class _Call:
    """A body in its thread. What it raises is handed over as a value: `SystemExit` as such
    would end the pool's thread, and `StopIteration` cannot travel through a future."""

    def __init__(
        self,
        context: contextvars.Context,
        function: Callable[..., Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._context, self._function, self._kwargs = context, function, kwargs

    def __call__(self) -> BaseException | None:
        try:
            return _unawaited(self._context.run(self._function, **self._kwargs))
        except BaseException as error:  # noqa: BLE001
            return error


def _unawaited(result: object) -> TypeError | None:
    """What is wrong with a body that ends by returning a coroutine: the work has not been done."""
    if not inspect.iscoroutine(result):
        return None
    result.close()
    return TypeError(
        f"it returned the coroutine {result.__qualname__}, which nobody awaits, so that never ran;"
        " make the task of an `async def` that awaits it"
    )


def _failed(run: Run, error: BaseException) -> Ending:
    message = safe_text(error)
    log.warning(
        "task failed: task=%s type=%s error=%s\n%s",
        run.task_id,
        run.task_type.name,
        message,
        _trace(error),
    )
    return Ending(run.task_id, run.run_id, Status.FAILED, message)


def _trace(error: BaseException) -> str:
    try:
        return safe_text("".join(traceback.format_tb(error.__traceback__)))
    except Exception:  # noqa: BLE001 - source files may be unreadable; a log line is not worth more
        return "(no traceback)"

"""Runs bodies: on the event loop, in threads, in child processes; each ends in an outcome."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec

from fcs.body import Ask, Context, Resources, perform
from fcs.body.perform import Answer, NotGone, trace_of
from fcs.body.pipe import Go
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Allowance, Failed, Outcome
from fcs.domain.text import name_of, safe_text
from fcs.registry import TaskType
from fcs.worker.children.child import Child
from fcs.worker.children.pool import Pool

log = logging.getLogger(__name__)

SHUTDOWN_GRACE = 0.5
"""Seconds from the asking to the killing of a child when its worker goes."""


class Run(msgspec.Struct, eq=False):
    """One execution of a task, ready to start."""

    context: Context
    task_type: TaskType
    args_text: str
    kwargs: Mapping[str, Any]
    allowance: Allowance
    child: Child | None = None
    """The process that waits for this run, where it is to have one."""
    task: "asyncio.Task[None] | None" = None
    alarm: asyncio.TimerHandle | None = None
    is_running: bool = False

    def __str__(self) -> str:
        return f"task={self.context.id} type={self.task_type.name}"


class Executor:
    """Runs bodies and hands each outcome to `ended`, in the event loop's thread."""

    def __init__(
        self,
        slots: int,
        pool: Pool | None,
        resources: Resources,
        *,
        ended: Callable[[Run, Outcome], None],
        not_started: Callable[[Run], None],
    ) -> None:
        self._pool, self._resources = pool, resources
        self._ended, self._not_started = ended, not_started
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="fcs-body")
        self._running: set[Run] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def runs(self) -> set[RunId]:
        """The runs whose bodies have not ended."""
        return {run.context.run_id for run in self._running}

    def has_any(self, task_ids: Iterable[TaskId]) -> bool:
        """Whether the body of one of these tasks runs here."""
        running = {run.context.id for run in self._running}
        return not running.isdisjoint(task_ids)

    def start(self, run: Run) -> None:
        """Start a body that was just begun."""
        self._running.add(run)
        run.task = self._loop.create_task(self._run(run))
        if run.context.timeout is not None:
            run.alarm = self._loop.call_later(run.context.timeout, self._ask, run, Ask.TIMEOUT)

    def cancel(self, task_ids: set[TaskId]) -> None:
        """Ask the bodies of these tasks to end."""
        for run in list(self._running):
            if run.context.id in task_ids:
                self._ask(run, Ask.CANCEL)

    async def wait(self) -> None:
        """Wait until no body runs."""
        while self._running:
            await asyncio.wait([run.task for run in self._running if run.task])

    def interrupt(self) -> None:
        """Ask all bodies to end, because this process goes. A thread that does not listen goes
        when the process goes."""
        for run in list(self._running):
            self._ask(run, Ask.SHUTDOWN)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, run: Run, why: Ask) -> None:
        if not run.context.ask(why):
            return
        log.warning("body asked to end: %s reason=%s", run, why)
        if run.child is not None:
            run.child.ask(why, grace=SHUTDOWN_GRACE if why is Ask.SHUTDOWN else None)
        # A thread has no place where it could be cancelled from outside: it can only be asked.
        elif run.task_type.is_async and run.is_running and run.task is not None:
            run.task.cancel(str(why))

    async def _run(self, run: Run) -> None:
        # Cancelled before this line, it would end without a word.
        run.is_running = True
        if run.context.cancelled and run.child is None and run.task_type.is_async:
            assert run.task is not None
            run.task.cancel(str(run.context.asked))
        outcome: Outcome | None = None
        try:
            if run.child is None:
                outcome = await perform(
                    run.task_type, run.kwargs, run.context, self._in_thread, self._resources
                )
            else:
                outcome = await self._perform_in(run.child, run)
        except NotGone as error:
            log.warning("body not started, it is given back: %s reason=%s", run, error)
        except Exception as error:
            # A fault of ours. Whether the body has started is not known: it must not start again.
            log.exception("run ended by a fault of fcs: %s", run)
            what = f"a fault of fcs ended the run: {safe_text(error)}"
            outcome = Failed(what, name_of(type(error)), trace_of(error), may_retry=False)
        finally:
            if run.alarm is not None:
                run.alarm.cancel()
            # In one step with what follows: a begun run that nobody knows of is given back, and
            # its body would start again.
            self._running.discard(run)
        if outcome is None:
            self._not_started(run)
        else:
            self._ended(run, outcome)

    async def _perform_in(self, child: Child, run: Run) -> Outcome:
        assert self._pool is not None
        context = run.context
        go = Go(
            id=context.id,
            run_id=context.run_id,
            ty=context.ty,
            args_text=run.args_text,
            attempt=context.attempt,
            max_attempts=context.max_attempts,
            timeout=context.timeout,
        )
        return await self._pool.perform(child, go, context, cpu_max=run.task_type.cpu_max)

    async def _in_thread(self, function: Callable[[], Answer]) -> Answer:
        call = _Call(contextvars.copy_context(), function)
        try:
            self._threads.submit(call)
        except RuntimeError as error:
            # There can be no thread more, but the pool has kept the call for those that are there.
            if call.answer.cancel():
                raise NotGone(f"no thread for it: {error}") from error
        return await asyncio.wrap_future(call.answer)


class _Call:
    """What a thread is to call, unless its answer is cancelled first: one of both wins."""

    def __init__(self, context: contextvars.Context, function: Callable[[], Answer]) -> None:
        self.answer = Future[Answer]()
        self._context, self._function = context, function

    def __call__(self) -> None:
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self._context.run(self._function))
        except BaseException as error:  # noqa: BLE001 - who waits for the answer would do so for ever
            self.answer.set_exception(error)

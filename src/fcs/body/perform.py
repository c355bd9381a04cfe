"""Performing a body: whatever it does, an outcome comes out."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeAlias

from msgspec import structs

from fcs.body.asks import Cancelled, GiveUp, Retry, Snooze
from fcs.body.context import CURRENT, Ask, Context
from fcs.body.resources import Resources
from fcs.domain.errors import FcsError
from fcs.domain.outcome import Failed, Interrupted, Outcome, Snoozed, Stopped, Succeeded
from fcs.domain.task import StopLevel
from fcs.domain.text import name_of, safe_text
from fcs.registry import TaskType
from fcs.registry.surroundings import Middleware

SHUT_DOWN: Final = "its worker was shut down before the body had ended"

_SUCCEEDED: Final = Succeeded()

Answer: TypeAlias = tuple[Any, BaseException | None]
"""What a function returned, or what it raised: as a value, because `StopIteration` cannot travel
through a future, and `SystemExit` would end the thread."""

Entered: TypeAlias = AbstractAsyncContextManager[Any]

InThread: TypeAlias = Callable[[Callable[[], Answer]], Awaitable[Answer]]
"""Calls a plain function somewhere where it may block. Raises `NotGone` if it never will."""


class NotGone(Exception):
    """A body was not started, and that is certain."""


async def perform(
    task_type: TaskType,
    kwargs: Mapping[str, Any],
    context: Context,
    in_thread: InThread,
    resources: Resources,
) -> Outcome:
    """Run a body to its end, inside the middleware. Raises `NotGone` if there was no thread for it,
    and nothing else but what ends the process."""
    token = CURRENT.set(context)
    entered: list[Entered] = []
    before, error, not_gone = "", None, None
    try:
        if task_type.injected:
            before = f"what it is given ({', '.join(task_type.injected)})"
            kwargs = {**kwargs, **await resources.give(task_type, context)}
        for middleware in resources.middleware:
            before = f"the middleware {middleware.name!r}"
            entered.append(await _enter(middleware, context))
        before = ""
        if task_type.is_async:
            result = await task_type.function(**kwargs)
        else:
            try:
                result, error = await in_thread(lambda: _answer(task_type.function, kwargs))
            except NotGone as raised:
                result, error, not_gone = None, raised, raised
    # A body may raise anything, SystemExit included; all of it is an outcome.
    except BaseException as raised:  # noqa: BLE001
        result, error = None, raised
    try:
        for manager in reversed(entered):
            error = await _leave(manager, error)
    finally:
        CURRENT.reset(token)
    if not_gone is not None:
        raise not_gone
    if error is None:
        return _SUCCEEDED if result is None else _returned(task_type, result)
    outcome = _raised(task_type, error, context)
    return _never_reached(outcome, before) if before else outcome


async def _enter(middleware: Middleware, context: Context) -> Entered:
    manager: Entered = middleware.enter(context)
    await manager.__aenter__()
    return manager


async def _leave(manager: Entered, error: BaseException | None) -> BaseException | None:
    """Leave a middleware, which may put another error in the place of the body's, or of none.

    It cannot make a failed body succeed: an error that it swallows stays the outcome.
    """
    try:
        if error is None:
            await manager.__aexit__(None, None, None)
        else:
            await manager.__aexit__(type(error), error, error.__traceback__)
    except BaseException as raised:  # noqa: BLE001 - as what a body raises
        return raised
    return error


def _never_reached(outcome: Outcome, before: str) -> Outcome:
    """The outcome where the body was not started, because of what comes before it."""
    if isinstance(outcome, Failed) and outcome.error_type not in ("Retry", "GiveUp", "Timeout"):
        message = f"never reached the body, because of {before}: {outcome.error}"
        return structs.replace(outcome, error=message)
    return outcome


def _answer(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> Answer:
    try:
        return function(**kwargs), None
    except BaseException as error:  # noqa: BLE001 - it is handed over as a value
        return None, error


def _returned(task_type: TaskType, result: Any) -> Outcome:
    if inspect.iscoroutine(result):
        result.close()
        return Failed(
            f"TypeError: it returned the coroutine {result.__qualname__}, which nobody awaits, so"
            " that never ran; make the task of an `async def` that awaits it",
            "TypeError",
            may_retry=False,
        )
    try:
        return Succeeded(task_type.write_result(result))
    except FcsError as error:
        # Its effects are there, so it must not run again.
        return Failed(
            f"the body returned, but its result cannot be kept: {safe_text(str(error))}",
            type(error).__name__,
            may_retry=False,
        )


def _raised(task_type: TaskType, error: BaseException, context: Context) -> Outcome:
    if isinstance(error, Cancelled | asyncio.CancelledError) and context.asked is not None:
        level = StopLevel.FLAG if isinstance(error, Cancelled) else StopLevel.CANCEL
        return asked_to_end(context, level, trace_of(error))
    match error:
        case Snooze():
            return Snoozed(error.delay, safe_text(str(error)))
        case Retry():
            message = safe_text(str(error)) or "the body asked for another attempt"
            return Failed(message, "Retry", trace_of(error), delay=error.delay)
        case GiveUp():
            message = safe_text(str(error)) or "the body gave up"
            return Failed(message, "GiveUp", trace_of(error), may_retry=False)
    return Failed(
        safe_text(error),
        name_of(type(error)),
        trace_of(error),
        may_retry=not isinstance(error, task_type.give_up_on),
    )


def asked_to_end(context: Context, level: StopLevel, trace: str | None = None) -> Outcome:
    """The outcome of a body that was asked to end, and did."""
    match context.asked:
        case Ask.TIMEOUT:
            return Failed(
                f"timed out after {context.timeout:g} s ({_WORDS[level]})", "Timeout", trace
            )
        case Ask.SHUTDOWN:
            return Interrupted(SHUT_DOWN)
    return Stopped(level)


_WORDS: Final = {
    StopLevel.FLAG: "the body left when asked",
    StopLevel.CANCEL: "the body was cancelled",
    StopLevel.KILL: "its process was killed",
}


def trace_of(error: BaseException) -> str | None:
    """The traceback as safe text: the last 16 KiB, where it went wrong."""
    try:
        lines = traceback.format_tb(error.__traceback__)
        kept: list[str] = []
        room = 15_000
        for line in reversed(lines):
            room -= len(line.encode("utf-8", "replace"))
            if room < 0:
                break
            kept.insert(0, line)
        return safe_text("".join(kept)) or None
    # Source files may be unreadable; a trace is not worth more.
    except Exception:  # noqa: BLE001
        return None

"""The options of a task type, checked where they come in."""

from collections.abc import Collection
from enum import StrEnum
from math import inf
from typing import Final, TypedDict

from msgspec.structs import astuple

from fcs.domain.durations import SECONDS_MAX, Duration, seconds_of
from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.given import misfit, require, whole_number
from fcs.domain.outcome import ATTEMPTS_MAX, Backoff
from fcs.domain.task import OnInterrupt
from fcs.registry.problems import near_match

TIMEOUT_MIN: Final = 0.001

_ATTEMPTS: Final = f"Choose 1 (run at most once) to {ATTEMPTS_MAX}."
_MEMORY: Final = "It is in bytes: 512 * 1024 * 1024 are 512 MiB."
_BACKOFF: Final = "Write backoff=fcs.Backoff(first=2, cap=600); its times are in seconds."

ErrorTypes = type[BaseException] | tuple[type[BaseException], ...]


class Isolation(StrEnum):
    """Where bodies of a type run."""

    LOOP = "loop"
    """On the worker's event loop: `async def`."""
    THREAD = "thread"
    """In a thread of the worker: plain `def`."""
    PROCESS = "process"
    """In a child process."""


class TaskOptions(TypedDict, total=False):
    """What `@app.task(...)` knows.

    `name` is the function's own unless given. `max_attempts` is how many times the body may be
    started, `backoff` how long to wait in between; errors of the types `give_up_on` are not worth
    another attempt. `on_interrupt="retry"` starts another attempt also when a worker died in the
    middle of the body, who knows where. `timeout` is for each run.

    `limit_by` names a parameter: tasks with the same value of it share the limits that their queue
    has for each key.

    `isolation="process"` runs the body in a child process, where it may use `memory_max` bytes
    beyond what the process has at the start, and `cpu_max` of processor time.
    """

    name: str | None
    queue: str
    priority: int
    max_attempts: int
    backoff: Backoff
    give_up_on: ErrorTypes
    timeout: Duration | None
    on_interrupt: str
    limit_by: str | None
    isolation: str | None
    memory_max: int | None
    cpu_max: Duration | None


def check_names(options: Collection[str]) -> None:
    """Raise `InvalidInput` if one of the options is not known: it would ask for nothing."""
    known = [*TaskOptions.__annotations__]
    for name in options:
        if name not in known:
            raise _invalid(
                f"/{name}",
                f"there is no option {name!r}",
                near_match(name, known) or f"There are {', '.join(known)}.",
            )


def check_attempts(attempts: int) -> int:
    """Return a number of attempts, or raise `InvalidInput`."""
    attempts = whole_number("max_attempts", attempts, hint=_ATTEMPTS)
    if 1 <= attempts <= ATTEMPTS_MAX:
        return attempts
    raise _invalid(
        "/max_attempts",
        f"the number of attempts {str(attempts)[:20]} is out of range",
        _ATTEMPTS,
    )


def check_timeout(timeout: Duration | None) -> float | None:
    """Return a timeout in seconds, or raise `InvalidInput`."""
    if timeout is None:
        return None
    seconds = seconds_of(timeout, option="timeout")
    if seconds >= TIMEOUT_MIN:
        return seconds
    raise _invalid(
        "/timeout", "the timeout must be a millisecond or more", "Leave it out for none."
    )


def check_on_interrupt(word: str) -> OnInterrupt:
    """Return what to do when a worker dies, or raise `InvalidInput`."""
    try:
        return OnInterrupt(word)
    except ValueError:
        raise _invalid(
            "/on_interrupt",
            f"{str(word)[:50]!r} is no answer to an interrupt",
            'Say "interrupt" (the default) or "retry".',
        ) from None


def check_isolation(word: str | None, *, is_async: bool) -> Isolation:
    """Return where bodies of a function run, or raise `InvalidInput`."""
    own = Isolation.LOOP if is_async else Isolation.THREAD
    if word is None or word == own:
        return own
    if word == Isolation.PROCESS:
        return Isolation.PROCESS
    kind = "an async function" if is_async else "a plain function"
    raise _invalid(
        "/isolation",
        f"{str(word)[:50]!r} is no isolation that {kind} can have",
        f'Say "process" for a child process, or leave it out for "{own}".',
    )


def check_memory(memory_max: int | None, isolation: Isolation) -> int | None:
    """Return a limit of memory in bytes, or raise `InvalidInput`."""
    if memory_max is None:
        return None
    _require_a_process("memory_max", isolation)
    memory_max = whole_number("memory_max", memory_max, hint=_MEMORY)
    if memory_max > 0:
        return memory_max
    raise _invalid("/memory_max", "a memory_max must be more than nothing", _MEMORY)


def check_cpu(cpu_max: Duration | None, isolation: Isolation) -> float | None:
    """Return a limit of processor time in seconds, or raise `InvalidInput`."""
    if cpu_max is None:
        return None
    _require_a_process("cpu_max", isolation)
    seconds = seconds_of(cpu_max, option="cpu_max")
    if seconds > 0:
        return seconds
    raise _invalid(
        "/cpu_max", "a cpu_max must be longer than nothing", "Leave it out for no limit."
    )


def _require_a_process(option: str, isolation: Isolation) -> None:
    if isolation is not Isolation.PROCESS:
        raise _invalid(
            f"/{option}",
            f"only a process of its own can be limited, and {option} was given",
            'Add isolation="process".',
        )


def check_backoff(backoff: Backoff) -> Backoff:
    """Return a backoff, or raise `InvalidInput`."""
    require("backoff", backoff, Backoff, wanted="a Backoff", hint=_BACKOFF)
    if not all(isinstance(part, int | float) for part in astuple(backoff)):
        raise misfit("backoff", backoff, wanted="made of numbers", hint=_BACKOFF)
    if 0 <= backoff.first < inf and 1 <= backoff.factor < inf and 0 <= backoff.cap <= SECONDS_MAX:
        return backoff
    raise _invalid(
        "/backoff",
        f"{backoff} makes no sense",
        "No time may be negative, the factor at least 1, the cap a thousand years at the most.",
    )


def _invalid(pointer: str, message: str, hint: str) -> InvalidInput:
    text = f"{message[0].upper()}{message[1:]}."
    return InvalidInput(text, hint=hint, problems=[Problem(pointer, message)])

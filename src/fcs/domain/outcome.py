"""How a body ended, and what that makes of its task.

An outcome is a plain record, so that it can come from a thread, from the event loop, or over a
pipe from another process.
"""

from random import Random
from typing import Final, TypeAlias

import msgspec

from fcs.domain.task import OnInterrupt, StopLevel

ATTEMPTS_MAX: Final = 10_000
"""However a task is made, and however often it snoozes."""


class Succeeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """The body returned. `result` is JSON; `None` where it returned nothing."""

    result: str | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The body raised. `delay` is in seconds, where the body itself asked for another attempt
    at a certain time."""

    error: str
    error_type: str
    trace: str | None = None
    may_retry: bool = True
    delay: float | None = None


class Snoozed(msgspec.Struct, frozen=True, tag="snoozed"):
    """The body asked to be run again in `delay` seconds; the attempt does not count."""

    delay: float
    reason: str = ""


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """The body ended because somebody had cancelled its task."""

    level: StopLevel


class Interrupted(msgspec.Struct, frozen=True, tag="interrupted"):
    """The body was cut short by what happened around it."""

    reason: str


Outcome: TypeAlias = Succeeded | Failed | Snoozed | Stopped | Interrupted


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before the next attempt: exponential, capped, with full jitter.

    Before attempt n + 1 anything from nothing to `first * factor ** (n - 1)` seconds, and never
    more than `cap`. Full jitter after "Exponential Backoff And Jitter" (M. Brooker, 2015).
    """

    first: float = 2.0
    factor: float = 2.0
    cap: float = 600.0

    def ceiling(self, attempt: int) -> float:
        """The longest wait after the attempt of that number, in seconds."""
        try:
            return min(self.cap, self.first * float(self.factor) ** (attempt - 1))
        except OverflowError:
            return self.cap if self.first else 0.0

    def pause(self, attempt: int, rng: Random) -> float:
        """Seconds to wait after the attempt of that number (counted from 1) has failed."""
        return rng.random() * self.ceiling(attempt)


USUAL_BACKOFF: Final = Backoff()


class Allowance(msgspec.Struct, frozen=True):
    """What a run may still do: the number of its attempt, and how many there may be."""

    attempt: int
    max_attempts: int
    on_interrupt: OnInterrupt = OnInterrupt.INTERRUPT
    backoff: Backoff = USUAL_BACKOFF


def more_attempts(outcome: Outcome, allowance: Allowance) -> int:
    """How many attempts the task gets in addition, because the run shall not count."""
    return int(isinstance(outcome, Snoozed) and allowance.max_attempts < ATTEMPTS_MAX)


def next_attempt_in(outcome: Outcome, allowance: Allowance, rng: Random) -> float | None:
    """In how many seconds the task is to run again; `None` when this was the last run."""
    if isinstance(outcome, Snoozed):
        return outcome.delay if allowance.attempt < ATTEMPTS_MAX else None
    if allowance.attempt >= allowance.max_attempts:
        return None
    match outcome:
        case Failed(may_retry=True, delay=None):
            return allowance.backoff.pause(allowance.attempt, rng)
        case Failed(may_retry=True, delay=delay):
            return delay
        case Interrupted() if allowance.on_interrupt is OnInterrupt.RETRY:
            return allowance.backoff.pause(allowance.attempt, rng)
    return None

"""From the outcome of a body to what is written down about its run."""

import logging
from contextlib import suppress
from random import Random

from fcs.database.runs import SUCCEEDED, Again, Ending, Evidence
from fcs.domain.outcome import (
    ATTEMPTS_MAX,
    Failed,
    Interrupted,
    Outcome,
    Snoozed,
    Stopped,
    Succeeded,
    more_attempts,
    next_attempt_in,
)
from fcs.domain.task import AttemptOutcome, Status, StopLevel
from fcs.domain.text import safe_text
from fcs.worker.executor import Run

log = logging.getLogger(__name__)

_STOPPED = {
    StopLevel.FLAG: "cancelled; the body left when asked",
    StopLevel.CANCEL: "cancelled; the async body was cancelled where it awaited",
    StopLevel.KILL: "cancelled; its process was killed",
}


def ending_of(run: Run, outcome: Outcome, rng: Random) -> Ending | Again:
    """What the database is to be told."""
    context = run.context
    logs = context.kept()
    if isinstance(outcome, Succeeded) and logs is None:
        return Ending(context.id, context.run_id, SUCCEEDED, None, outcome.result)
    delay = next_attempt_in(outcome, run.allowance, rng)
    if isinstance(outcome, Snoozed) and delay is None:
        outcome = _overslept(outcome)
    evidence = _evidence(outcome, logs)
    _log(run, outcome)
    if delay is not None and evidence is not None:
        more = more_attempts(outcome, run.allowance)
        return Again(context.id, context.run_id, delay, evidence, more)
    return Ending(
        context.id,
        context.run_id,
        _status(outcome),
        evidence.error if evidence else None,
        outcome.result if isinstance(outcome, Succeeded) else None,
        outcome.level if isinstance(outcome, Stopped) else None,
        evidence,
    )


def untold(run: Run, error: Exception) -> Ending:
    """What the database is told of a run whose outcome could not be put into words."""
    # A filter or handler of the application may be what has raised.
    with suppress(Exception):
        log.error("outcome cannot be told: %s", run, exc_info=error)
    what = f"a fault of fcs: how the body ended cannot be told: {safe_text(error)}"
    return Ending(run.context.id, run.context.run_id, Status.FAILED, what)


def _overslept(snoozed: Snoozed) -> Failed:
    reason = snoozed.reason or "the body asked for another time"
    last = f"it was the last of {ATTEMPTS_MAX:,} attempts, and no task can have more"
    return Failed(f"{reason}; {last}", "Snooze", may_retry=False)


def _status(outcome: Outcome) -> Status:
    match outcome:
        case Succeeded():
            return SUCCEEDED
        case Stopped():
            return Status.CANCELLED
        case Interrupted():
            return Status.INTERRUPTED
    return Status.FAILED


def _evidence(outcome: Outcome, logs: str | None) -> Evidence | None:
    match outcome:
        case Succeeded():
            return Evidence(AttemptOutcome.SUCCEEDED, logs=logs) if logs else None
        case Failed():
            return Evidence(
                AttemptOutcome.FAILED, outcome.error_type, outcome.error, outcome.trace, logs
            )
        case Snoozed():
            return Evidence(AttemptOutcome.SNOOZED, None, outcome.reason or None, None, logs)
        case Stopped():
            return Evidence(AttemptOutcome.CANCELLED, None, _STOPPED[outcome.level], None, logs)
        case Interrupted():
            return Evidence(AttemptOutcome.INTERRUPTED, None, outcome.reason, None, logs)


def _log(run: Run, outcome: Outcome) -> None:
    if isinstance(outcome, Failed):
        log.warning(
            "task failed: %s attempt=%d/%d error=%s\n%s",
            run,
            run.allowance.attempt,
            run.allowance.max_attempts,
            outcome.error,
            outcome.trace or "(no traceback)",
        )

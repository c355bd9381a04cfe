"""What must hold: the words of the promise, as questions to a state or to a move."""

from typing import Final

from fcs.domain.task import Actor, Move, Status
from proof.model.moves import Terms
from proof.model.state import NO_RUN, RAISED, RETURNED, WAS_STARTED, Offer, Run, Task

ONCE: Final = "ONCE"
FINAL: Final = "FINAL"
OWNER: Final = "OWNER"
TRUTH: Final = "TRUTH"
LIVE: Final = "LIVE"


def once(task: Task, id: int, terms: Terms) -> str:
    """Whether a body may start, that has just started: the run of this number."""
    run = task.runs[id]
    others = [
        other for no, other in enumerate(task.runs) if no != id and other.phase in WAS_STARTED
    ]
    if run.attempt > terms.max_attempts:
        return f"{ONCE}: more attempts than the task may have"
    if any(other.attempt == run.attempt for other in others):
        return f"{ONCE}: the body has started twice for one attempt"
    if not terms.retry_interrupted and not all(_has_failed(other) for other in others):
        return f"{ONCE}: an interrupted body starts again, though nobody asked for that"
    return ""


def _has_failed(run: Run) -> bool:
    """Whether it is known how the run ended, and that another attempt may follow."""
    return run.phase == RAISED


def wrong_by(move: Move, before: Task, after: Task, offer: Offer) -> str:
    """What a move breaks."""
    if before.status is not None and before.status.is_final and after.status is not before.status:
        return f"{FINAL}: {before.status} has become {after.status or 'nothing'}"
    is_owners = move.actor is Actor.OWNER
    if is_owners and (before.status is not Status.RUNNING or before.run != offer.run):
        return f"{OWNER}: somebody has ended a run that was not its own"
    if after.status is Status.SUCCEEDED and not _is_at(after, RETURNED):
        return f"{TRUTH}: the task has succeeded, but its body has not returned"
    if after.status is Status.FAILED and not (after.run == NO_RUN or _is_at(after, RAISED)):
        return f"{TRUTH}: the task has failed, but its body has not"
    return ""


def _is_at(task: Task, phase: int) -> bool:
    return task.run != NO_RUN and task.runs[task.run].phase == phase

"""One task, a primary, and a standby for which commits wait: what an unknown begin is worth.

A commit can be seen before it is safe, when the wait for the standby is cut short; then nobody is
answered, or with a warning, which counts as no answer. If the primary is lost just then, the
standby takes over with the row as it was before.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from fcs.domain.task import Status
from proof.model.cluster import stuck
from proof.model.life import Lapse, Life, Scope, with_phase
from proof.model.state import (
    BURIED,
    DEAD,
    FENCED,
    HEARD,
    IS_ALIVE,
    LIVE,
    UNHEARD,
    UNKNOWN,
    Label,
    Row,
    Task,
    Workers,
    row_of,
    with_row,
)

_HAPPENS_TO_WORKERS: Final = {
    LIVE: (("crash", DEAD, False), ("suspect", FENCED, True)),
    DEAD: (("reap", BURIED, True),),
    FENCED: (("crash", BURIED, False),),
}


class State(NamedTuple):
    workers: Workers
    task: Task
    kept: Row
    """The row as the standby has it."""
    has_failed_over: bool = False


class Standby:
    """The model."""

    def __init__(self, scope: Scope) -> None:
        self._life = Life(scope)
        self._scope = scope
        self._reads = Lapse.READ_CONFIRM in scope.lapses

    def start(self) -> State:
        return State((LIVE,) * self._scope.workers, Task(), row_of(Task()))

    def steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        yield from self._on_the_primary(state)
        yield from self._confirmations(state)
        yield from self._to_the_workers(state)
        if state.kept != row_of(state.task):
            yield Label("replicate"), state._replace(kept=row_of(state.task)), ""
            if not state.has_failed_over:
                back = with_row(state.task, state.kept)
                yield Label("fail over"), state._replace(task=back, has_failed_over=True), ""

    def wrong(self, state: State) -> str:
        """Whether the task is stuck, now that nothing happens to the servers any more."""
        if self._life.is_settled(state.task, state.workers) or DEAD in state.workers:
            return ""
        run = state.task.runs[state.task.run] if state.task.status is Status.RUNNING else None
        if run and run.phase == UNKNOWN and IS_ALIVE[state.workers[run.worker]]:
            return ""  # its worker asks until it is answered
        if self._life.fair_steps(state.task, state.workers):
            return ""
        return stuck(state.task, self._scope)

    def _on_the_primary(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for label, after, wrong in self._life.steps(state.task, state.workers):
            if row_of(after) == row_of(state.task):
                yield label, state._replace(task=after), wrong
            else:
                yield label, state._replace(task=after, kept=row_of(after)), wrong
                verb = f"{label.verb}, unsafe"
                seen = _unanswered(after, label)
                yield label._replace(verb=verb), state._replace(task=seen), wrong

    def _confirmations(self, state: State) -> Iterator[tuple[Label, State, str]]:
        """A worker without an answer to its begin asks again: by the same begin, which writes."""
        task = state.task
        if task.status is not Status.RUNNING:
            return
        run = task.runs[task.run]
        if run.phase == UNKNOWN and IS_ALIVE[state.workers[run.worker]]:
            known = with_phase(task, task.run, HEARD)
            kept = state.kept if self._reads else row_of(task)
            verb = "read" if self._reads else "confirm"
            label = Label(verb, run.worker, task.run, run.no)
            yield label, state._replace(task=known, kept=kept), ""

    def _to_the_workers(self, state: State) -> Iterator[tuple[Label, State, str]]:
        """They die, and are ended; a reaper waits for the standby."""
        for process, condition in enumerate(state.workers):
            for verb, after, moves in _HAPPENS_TO_WORKERS.get(condition, ()):
                workers = (*state.workers[:process], after, *state.workers[process + 1 :])
                task, wrong = self._life.reap(state.task, process) if moves else (state.task, "")
                kept = row_of(task) if moves else state.kept
                yield (
                    Label(verb, process),
                    state._replace(workers=workers, task=task, kept=kept),
                    wrong,
                )


def _unanswered(task: Task, label: Label) -> Task:
    """The same, where nobody is told that a begin went through."""
    if label.verb in ("begin", "begin again") and task.runs[label.run].phase == UNHEARD:
        return with_phase(task, label.run, UNKNOWN)
    return task

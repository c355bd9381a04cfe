"""One task, a primary, and a standby that nobody waits for: a database that forgets what it said.

The standby has the row as it was at some moment, and is promoted. From then on the cluster is on
hold. Workers that are there tell what they have started; somebody adopts the database; each worker
tells once more before it begins anything. What a worker has started that was gone, or could not be
heard before the adoption, nobody can know; all else must be as if nothing had been forgotten.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

from fcs.domain.task import Status
from proof.model.cluster import stuck
from proof.model.life import Lapse, Life, Scope, with_phase
from proof.model.promise import once
from proof.model.state import (
    BODY_IS_OVER,
    BURIED,
    DEAD,
    FENCED,
    GIVEN_UP,
    HEARD,
    IS_ALIVE,
    IS_LISTED,
    LIVE,
    NO_RUN,
    NOBODY,
    RETURNED,
    UNHEARD,
    UNKNOWN,
    WAS_STARTED,
    Label,
    Row,
    Run,
    Task,
    Workers,
    row_of,
    with_row,
)

BEFORE: Final = "before"
ON_HOLD: Final = "on hold"
ADOPTED: Final = "adopted"

OF_BODIES: Final = frozenset({"go", "give up", "return", "raise", "cut"})
ENDS: Final = frozenset({"succeed", "fail", "retry", "interrupt", "stop"})
"""What is written of runs at any time, wherever the outbox is led."""

KEEPING: Final = frozenset({"fail", "retry", "interrupt", "stop"})
"""Ends that leave a row behind in the table of attempts."""

_LEADS_BACK: Final = {FENCED: LIVE, BURIED: DEAD}
_HAPPENS: Final = {
    LIVE: (("crash", DEAD, False), ("suspect", FENCED, True)),
    DEAD: (("reap", BURIED, True),),
    FENCED: (("crash", BURIED, False),),
}


class Kept(NamedTuple):
    """What the standby has: the row, the attempts, whose rows are live."""

    row: Row
    attempts: frozenset[int]
    listed: tuple[bool, ...]


class State(NamedTuple):
    workers: Workers
    task: Task
    attempts: frozenset[int]
    """Runs of which a row is kept, so that they count."""
    kept: Kept | None = None
    """`None` as long as the standby hears everything, and once it has been promoted."""
    era: str = BEFORE
    witnesses: frozenset[int] = frozenset()
    """Processes that have told on hold what they had started."""
    entered: frozenset[int] = frozenset()
    """Processes that may begin, now that the database was adopted."""


class Forget:
    """The model."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._terms = scope, scope.terms
        self._life = Life(scope)

    def start(self) -> State:
        workers = (LIVE,) * self._scope.workers
        return State(workers, Task(), frozenset())

    def steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for label, after, wrong in self._life.steps(state.task, state.workers):
            if self._may_happen(state, label):
                kept = state.attempts | ({label.run} if label.verb in KEEPING else frozenset())
                judged = self._judged(state, label, after) if label.verb == "go" else wrong
                yield label, state._replace(task=after, attempts=kept), judged
        yield from self._to_the_workers(state)
        if state.era == BEFORE:
            yield from self._to_the_servers(state)
        else:
            yield from self._afterwards(state)

    def wrong(self, state: State) -> str:
        """Whether the task is stuck, once everybody has turned to the new server."""
        are_all_there = DEAD not in state.workers and all(
            process in state.entered
            for process, condition in enumerate(state.workers)
            if condition == LIVE
        )
        if state.era != ADOPTED or not are_all_there:
            return ""
        if self._life.is_settled(state.task, state.workers) or any(self._confirmations(state)):
            return ""
        fair = self._life.fair_steps(state.task, state.workers)
        if any(self._may_happen(state, label) for label, _, _ in fair):
            return ""
        return stuck(state.task, self._scope)

    def _may_happen(self, state: State, label: Label) -> bool:
        """Whether a statement finds its way, and is let in."""
        if state.era == BEFORE or label.who == NOBODY:
            return True
        if not IS_ALIVE[state.workers[label.who]] and label.verb not in ("dispatch", "take back"):
            return False
        if label.verb in OF_BODIES or label.verb in ENDS:
            return True
        if label.verb == "hear":
            return True  # of the one that was, until its worker turns to this one
        if state.era == ON_HOLD:
            return False
        return label.verb in ("dispatch", "take back") or label.who in state.entered

    def _judged(self, state: State, label: Label, after: Task) -> str:
        """Whether a body may start: of what was forgotten, only what was told counts."""
        if state.era == BEFORE:
            return once(after, label.run, self._terms)
        if label.who not in state.witnesses:
            return ""
        heard = [
            run if run.worker in state.witnesses else run._replace(phase=GIVEN_UP)
            for run in after.runs
        ]
        return once(after._replace(runs=tuple(heard)), label.run, self._terms)

    def _to_the_workers(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for process, condition in enumerate(state.workers):
            for verb, after, moves in _HAPPENS.get(condition, ()):
                if moves and state.era == ON_HOLD:
                    continue
                workers = (*state.workers[:process], after, *state.workers[process + 1 :])
                task, wrong = self._life.reap(state.task, process) if moves else (state.task, "")
                run = state.task.run if task.status is not state.task.status else NO_RUN
                attempts = state.attempts | ({run} - {NO_RUN})
                changed = state._replace(workers=workers, task=task, attempts=attempts)
                yield Label(verb, process), changed, wrong

    def _to_the_servers(self, state: State) -> Iterator[tuple[Label, State, str]]:
        """At some moment the standby hears the last of it, and at a later one it is promoted."""
        if state.kept is None:
            listed = tuple(IS_LISTED[condition] for condition in state.workers)
            kept = Kept(row_of(state.task), state.attempts, listed)
            yield Label("cut off"), state._replace(kept=kept), ""
        else:
            yield Label("forget"), self._promoted(state, state.kept), ""

    def _promoted(self, state: State, kept: Kept) -> State:
        workers = tuple(
            _LEADS_BACK.get(condition, condition) if was_listed else condition
            for condition, was_listed in zip(state.workers, kept.listed, strict=True)
        )
        return State(workers, with_row(state.task, kept.row), kept.attempts, era=ON_HOLD)

    def _afterwards(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for process, condition in enumerate(state.workers):
            told = state.witnesses if state.era == ON_HOLD else state.entered
            if condition == LIVE and process not in told and not _hears(state.task, process):
                yield from self._testimonies(state, process)
        if state.era == ON_HOLD:
            yield Label("adopt"), self._adopted(state), ""
        else:
            yield from self._confirmations(state)

    def _confirmations(self, state: State) -> Iterator[tuple[Label, State, str]]:
        """A begin that was sent once more finds that it has gone through."""
        if state.task.status is not Status.RUNNING or state.task.run == NO_RUN:
            return
        run = state.task.runs[state.task.run]
        is_there = IS_ALIVE[state.workers[run.worker]] and run.worker in state.entered
        if run.phase == UNKNOWN and is_there:
            known = with_phase(state.task, state.task.run, HEARD)
            label = Label("confirm", run.worker, state.task.run, run.no)
            yield label, state._replace(task=known), ""

    def _testimonies(self, state: State, process: int) -> Iterator[tuple[Label, State, str]]:
        """What a worker tells, however many of its ends it takes for written."""
        mine = [
            (id, run)
            for id, run in enumerate(state.task.runs)
            if run.worker == process and run.phase in WAS_STARTED
        ]
        choices = [(False, True) if run.phase in BODY_IS_OVER else (False,) for _, run in mine]
        for are_over in product(*choices):
            receipts = [(id, over) for (id, _), over in zip(mine, are_over, strict=True)]
            after = self._testified(_turned(state, process, mine), receipts)
            yield Label("testify", process, no=sum(are_over)), self._as_told(after, process), ""

    def _as_told(self, state: State, process: int) -> State:
        if state.era == ON_HOLD:
            return state._replace(witnesses=state.witnesses | {process})
        return state._replace(entered=state.entered | {process})

    def _testified(self, state: State, receipts: Sequence[tuple[int, bool]]) -> State:
        """The statement of that name."""
        task = state.task
        if task.status is None or task.status.is_final:
            return state
        is_believed = task.status is Status.RUNNING and not self._may_be_over(state, receipts)
        is_own = task.run in dict(receipts)
        forgotten = [
            id
            for id, _ in receipts
            if id not in state.attempts
            and (not is_believed or (is_own and task.runs[id].attempt > task.attempt))
        ]
        if not forgotten:
            return state
        attempts = [min(task.runs[id].attempt, self._terms.max_attempts) for id in forgotten]
        attempt = max(task.attempt, *attempts)
        after = self._ended(task, attempt, forgotten[-1])
        return state._replace(task=after, attempts=state.attempts | set(forgotten))

    def _may_be_over(self, state: State, receipts: Sequence[tuple[int, bool]]) -> bool:
        """Whether a run that the row takes for running may be over, by what a worker tells."""
        is_ignored = Lapse.WITNESS_UNHEARD in self._scope.lapses or state.era != ON_HOLD
        told = dict(receipts)
        return told.get(state.task.run, bool(told) and not is_ignored)

    def _adopted(self, state: State) -> State:
        """The statement of that name: what was handed to one who has not told may have begun."""
        task = state.task
        if task.status is Status.DISPATCHED and task.holder not in state.witnesses:
            task = self._ended(task, task.attempt + 1, NO_RUN)
        return state._replace(task=task, era=ADOPTED)

    def _ended(self, task: Task, attempt: int, run: int) -> Task:
        may_retry = (
            self._terms.retry_interrupted and attempt < self._terms.max_attempts and not task.asked
        )
        if may_retry:
            return task._replace(status=Status.PENDING, holder=NOBODY, run=NO_RUN, attempt=attempt)
        return task._replace(status=Status.INTERRUPTED, holder=NOBODY, run=run, attempt=attempt)


def _hears(task: Task, process: int) -> bool:
    """Whether a worker is between the answer to a begin and the start of the body."""
    return any(run.worker == process and run.phase == HEARD for run in task.runs)


def _turned(state: State, process: int, mine: list[tuple[int, Run]]) -> State:
    """A worker turns to the new server: answers of the old one are lost, successes told again."""
    task = state.task
    for id, run in enumerate(task.runs):
        if run.worker == process and run.phase == UNHEARD:
            task = with_phase(task, id, UNKNOWN)
    for id, run in mine:
        if run.phase == RETURNED and (task.status, task.run) == (Status.RUNNING, id):
            task = task._replace(status=Status.SUCCEEDED, holder=NOBODY)
    return state._replace(task=task)

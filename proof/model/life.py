"""Everything that may happen to one task, in the worst of environments.

Hints are not in the model, because the worst of them are: whoever was ever told of a dispatch may
try to begin it at any time, once or again, also when it is long gone. A statement that was sent may
be carried out at any time later, whatever became of its sender, and again if it was sent twice.
Whoever leads is not in it either: anybody may dispatch anything to anybody, at any time, as any
number of leaders with old plans would.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from fcs.domain.outcome import Allowance, Failed, Interrupted, Outcome, next_attempt_in
from fcs.domain.task import MOVES, Move, OnInterrupt, Status
from proof.model.moves import Table, Terms
from proof.model.promise import once, wrong_by
from proof.model.state import (
    BODY_IS_OVER,
    CUT,
    GIVEN_UP,
    HEARD,
    IS_ALIVE,
    IS_LISTED,
    LIVE,
    NO_RUN,
    NOBODY,
    RAISED,
    RETURNED,
    ROBBED,
    STARTED,
    UNBORN,
    UNHEARD,
    UNKNOWN,
    Label,
    Offer,
    Run,
    Step,
    Task,
    Told,
    Workers,
)


class Lapse(StrEnum):
    """Mistakes that are no line of a statement, and that a model is told to make."""

    RELEASE_STARTED = "give a run back although its body was told to go"
    REAP_UNLOCKED = "move a worker's tasks without holding its row"
    HINTS_ONLY = "never look for what no hint tells of"
    READ_CONFIRM = "confirm an unknown begin by reading"
    WITNESS_UNHEARD = "take the row's word against that of a worker that knows of a later run"


@dataclass(frozen=True, slots=True)
class Scope:
    """How large a model is, and what is asked of its tasks."""

    workers: int = 2
    lives: int = 1
    """How often each worker is started: each life is an incarnation."""
    tasks: int = 1
    dispatches: int = 2
    max_attempts: int = 1
    retry_interrupted: bool = False
    clients: bool = False
    """Whether somebody may cancel and delete."""
    leaving: bool = False
    """Whether workers may end bodies that run."""
    moves: Sequence[Move] = MOVES
    lapses: frozenset[Lapse] = frozenset()
    hints_go_astray: bool = True
    """Whether workers may read what was dispatched to others, where nothing keeps them from it."""
    one_identity: bool = False
    """Whether a worker's lives bear the same name: its id, and no incarnation."""
    remembers: bool = False
    """Whether the model remembers what every dispatch said, also where that cannot matter."""

    @property
    def processes(self) -> int:
        return self.workers * self.lives

    @property
    def terms(self) -> Terms:
        whole = range(self.processes)
        identity = tuple(
            process // self.lives if self.one_identity else process for process in whole
        )
        return Terms(self.max_attempts, self.retry_interrupted, identity)


TOLD_BY_NUMBER: Final = ("begin", "hand back", "refuse", "take back")
"""Acts on what was dispatched. They show the number that was read."""

_FAIR: Final = frozenset(
    {"hear", "go", "return", "raise", "succeed", "fail", "retry", "interrupt", "stop", "release"}
)
"""What a process that is alive does sooner or later, if it still can."""


class Life:
    """What happens to one task, given how the workers are."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._terms = scope, scope.terms
        self._table = Table(scope.moves, self._terms)
        # Numbers only grow, so an old one that is compared never fits again.
        self._remembers = scope.remembers or not all(
            self._table.compares(act, "dispatch_no") for act in TOLD_BY_NUMBER
        )
        self._runs_again = [
            _runs_again(outcome, attempt, self._terms)
            for outcome in (Failed("", ""), Interrupted(""))
            for attempt in range(self._terms.max_attempts + 2)
        ]

    # What may happen.

    def steps(self, task: Task, workers: Workers) -> list[Step]:
        """Whatever may come next, and what would be wrong with it."""
        return [
            step
            for part in (self._dispatches, self._answers, self._owners, self._clients)
            for step in part(task, workers)
            if step[1] != task or step[2]
        ]

    def fair_steps(self, task: Task, workers: Workers) -> list[Step]:
        """What is bound to happen some time, unless something else does first."""
        return [step for step in self.steps(task, workers) if self._is_fair(step[0], workers)]

    def is_settled(self, task: Task, workers: Workers) -> bool:
        """Whether a task is over; or waits, and only the model's size keeps it from going on."""
        if task.status is None or task.status.is_final:
            return True
        is_out_of_scope = task.no >= self._scope.dispatches or LIVE not in workers
        return task.status is Status.PENDING and is_out_of_scope

    def reap(self, task: Task, holder: int) -> tuple[Task, str]:
        """What becomes of a task when a process is ended by somebody else."""
        made = self._made(task, "reap", Offer(holder=holder))
        return made or (task, "")

    def _is_fair(self, label: Label, workers: Workers) -> bool:
        if Lapse.HINTS_ONLY in self._scope.lapses and label.verb in ("begin", "take back"):
            return False
        match label.verb:
            case "dispatch":
                return workers[label.who] == LIVE
            case "begin":
                return workers[label.who] in (LIVE, ROBBED)
            case "take back":
                return IS_LISTED[workers[label.who]]
        return label.verb in _FAIR and IS_ALIVE[workers[label.who]]

    def _made(self, task: Task, act: str, offer: Offer) -> tuple[Task, str] | None:
        carried_out = self._table.carry_out(act, task, offer)
        if carried_out is None:
            return None
        after, move = carried_out
        return after, wrong_by(move, task, after, offer)

    # Between a supervisor and a worker.

    def _dispatches(self, task: Task, workers: Workers) -> Iterator[Step]:
        if task.no < self._scope.dispatches:
            for process, condition in enumerate(workers):
                # The statement locks the worker's row, and asks it.
                if IS_LISTED[condition]:
                    yield from self._dispatch(task, process)
        for act in TOLD_BY_NUMBER:
            for offer in self._tellings(task, act, workers):
                yield from self._answer(task, act, offer, workers)
        yield from self._begin_again(task)

    def _dispatch(self, task: Task, process: int) -> Iterator[Step]:
        if made := self._made(task, "dispatch", Offer(holder=process)):
            after, wrong = made
            told = Told(process, after.no, after.attempt + 1)
            if self._remembers and told not in task.told:
                after = after._replace(told=(*task.told, told))
            yield Label("dispatch", process, no=after.no), after, wrong

    def _tellings(self, task: Task, act: str, workers: Workers) -> Iterator[Offer]:
        """Who may have read what of this task. What was sent to a process only that one can use,
        unless the statement would take it from anybody."""
        told = task.told
        if not self._remembers:
            told = (Told(task.holder, task.no, task.attempt + 1),)
        of_anybody = self._scope.hints_go_astray and not self._table.compares(act, "incarnation")
        for addressee, no, attempt in told:
            for process, condition in enumerate(workers):
                if condition != UNBORN and (of_anybody or self._are_same(process, addressee)):
                    yield Offer(process, no, attempt=attempt)

    def _are_same(self, one: int, other: int) -> bool:
        return other != NOBODY and self._terms.identity[one] == self._terms.identity[other]

    def _answer(self, task: Task, act: str, offer: Offer, workers: Workers) -> Iterator[Step]:
        if act == "take back" and not IS_LISTED[workers[offer.holder]]:
            return  # supervisors look at those who are there
        if act == "begin":
            offer = offer._replace(run=len(task.runs))
        if made := self._made(task, act, offer):
            after, wrong = made
            if act == "begin":
                run = Run(offer.holder, offer.no, offer.attempt, UNHEARD)
                after = after._replace(runs=(*task.runs, run))
            yield Label(act, offer.holder, offer.run, offer.no), after, wrong

    def _begin_again(self, task: Task) -> Iterator[Step]:
        """A begin is sent until there is an answer, so it may be carried out once more."""
        for id, run in enumerate(task.runs):
            offer = Offer(run.worker, run.no, id, run.attempt)
            if made := self._made(task, "begin", offer):
                yield Label("begin again", run.worker, id, run.no), *made

    # From the answer to the end of the body: what the worker does.

    def _answers(self, task: Task, workers: Workers) -> Iterator[Step]:
        for id, run in enumerate(task.runs):
            if IS_ALIVE[workers[run.worker]]:
                for verb, phase in self._next(run.phase):
                    after = with_phase(task, id, phase)
                    wrong = once(after, id, self._terms) if phase == STARTED else ""
                    yield Label(verb, run.worker, id, run.attempt), after, wrong

    def _next(self, phase: int) -> Iterator[tuple[str, int]]:
        if phase == UNHEARD:
            yield "hear", HEARD
        if phase == HEARD:
            yield "go", STARTED
        if phase in (UNHEARD, HEARD, UNKNOWN):
            yield "give up", GIVEN_UP
        if phase == STARTED:
            yield "return", RETURNED
            yield "raise", RAISED
            if self._scope.leaving:
                yield "cut", CUT

    # What is written of a run afterwards.

    def _owners(self, task: Task, workers: Workers) -> Iterator[Step]:
        for id, run in enumerate(task.runs):
            for act in self._acts_of(run, task):
                if made := self._made(task, act, Offer(run.worker, run.no, id)):
                    yield Label(act, run.worker, id), *made
        if task.status is Status.RUNNING and task.run != NO_RUN:
            yield from self._audit(task, workers)

    def _acts_of(self, run: Run, task: Task) -> Iterator[str]:
        if run.phase == RETURNED:
            yield "succeed"
        elif run.phase == RAISED:
            yield "fail"
        elif run.phase == CUT:
            yield "stop" if task.asked else "interrupt"
        elif run.phase == GIVEN_UP or (
            run.phase == STARTED and Lapse.RELEASE_STARTED in self._scope.lapses
        ):
            yield "release"
        if run.phase in BODY_IS_OVER and self._may_run_again(run):
            yield "retry"

    def _may_run_again(self, run: Run) -> bool:
        known = len(self._runs_again) // 2
        start = {RAISED: 0, CUT: known}.get(run.phase)
        return start is not None and self._runs_again[start + min(run.attempt, known - 1)]

    def _audit(self, task: Task, workers: Workers) -> Iterator[Step]:
        """A worker looks at the rows that bear its name, and gives back runs that it knows not."""
        for process, condition in enumerate(workers):
            is_its = IS_ALIVE[condition] and self._are_same(process, task.holder)
            if not is_its or task.runs[task.run].worker == process:
                continue
            if made := self._made(task, "release", Offer(process, run=task.run)):
                yield Label("release unknown", process, task.run), *made

    # What clients do.

    def _clients(self, task: Task, _: Workers) -> Iterator[Step]:
        # What is over may be deleted as well; nothing could come of it, so it stays.
        if not self._scope.clients or task.status is None or task.status.is_final:
            return
        for act in ("cancel", "delete"):
            if made := self._made(task, act, Offer()):
                yield Label(act), *made
        if task.status is Status.RUNNING and not task.asked:
            yield Label("ask"), task._replace(asked=True), ""


def with_phase(task: Task, id: int, phase: int) -> Task:
    """The same task, with one run farther on."""
    run = task.runs[id]._replace(phase=phase)
    return task._replace(runs=(*task.runs[:id], run, *task.runs[id + 1 :]))


def _runs_again(outcome: Outcome, attempt: int, terms: Terms) -> bool:
    """What the product's own rule says after an attempt."""
    on_interrupt = OnInterrupt.RETRY if terms.retry_interrupted else OnInterrupt.INTERRUPT
    allowance = Allowance(attempt, terms.max_attempts, on_interrupt)
    return next_attempt_in(outcome, allowance, Random(0)) is not None

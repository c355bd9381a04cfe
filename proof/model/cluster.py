"""A few workers and a few tasks together, as a model to be searched.

Tasks have nothing to do with each other but for the workers that hold them. So what may happen to
a task is worked out once for each condition of the workers, and a state of the whole is a number:
the condition of the workers, and the number under which each task's state is known.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

from proof.model.life import Lapse, Life, Scope
from proof.model.promise import LIVE as STUCK
from proof.model.state import (
    BURIED,
    CONDITIONS,
    DEAD,
    FENCED,
    LIVE,
    NOBODY,
    ROBBED,
    ROBBED_DEAD,
    UNBORN,
    Label,
    Task,
    Workers,
)

TASK_BITS = 21
TASKS_MAX = 1 << TASK_BITS
"""So many states of single tasks can be told apart."""

Happened = tuple[int, Label]
"""Which task something happened to, -1 if to a worker, and what."""

LocalStep = tuple[Happened, int, str]
GlobalStep = tuple[Label, int, int]
"""What happens to a worker, the condition of all afterwards, and whose tasks are moved."""


class Cluster:
    """The model. Where `is_folded`, states that differ in nothing but the names of workers and
    tasks count as one; then labels are not to be read as a story.
    """

    def __init__(self, scope: Scope, *, is_folded: bool = False) -> None:
        self._scope = scope
        self._life = Life(scope)
        self._base: int = CONDITIONS**scope.processes
        self._tasks: list[Task] = []
        self._ids: dict[Task, int] = {}
        self._orders = _orders(scope) if is_folded else []
        self._is_folded = is_folded and (scope.tasks > 1 or scope.workers > 1)
        self._images: list[list[int]] = [[] for _ in self._orders]
        self._known_least: dict[int, tuple[int, Sequence[list[int]]]] = {}
        self._known_steps: dict[int, tuple[LocalStep, ...]] = {}
        self._known_reaps: dict[tuple[int, int], tuple[int, str]] = {}
        self._known_events: dict[int, tuple[GlobalStep, ...]] = {}
        self._known_verdicts: dict[int, bool] = {}

    def start(self) -> int:
        workers = tuple(
            LIVE if process % self._scope.lives == 0 else UNBORN
            for process in range(self._scope.processes)
        )
        task = self._id_of(Task())
        return self._packed(_encoded(workers), [task] * self._scope.tasks)

    def steps(self, state: int) -> Iterator[tuple[Happened, int, str]]:
        workers, tasks = self._unpacked(state)
        for position, task in enumerate(tasks):
            for happened, after, wrong in self._local(workers, task, position):
                changed = tasks[:]
                changed[position] = after
                yield happened, self._packed(workers, changed), wrong
        for label, after_workers, moved in self._events(workers):
            changed, wrong = (tasks, "") if moved == NOBODY else self._reaped(tasks, moved)
            yield (-1, label), self._packed(after_workers, changed), wrong

    def wrong(self, state: int) -> str:
        """Whether a task is stuck: it is not over, and nothing that is bound to happen helps it."""
        workers, tasks = self._unpacked(state)
        for task in tasks:
            if not self._may_go_on(workers, task):
                return stuck(self._tasks[task], self._scope)
        return ""

    def fair_steps(self, state: int) -> Iterator[int]:
        """What is bound to come."""
        workers, tasks = self._unpacked(state)
        conditions = self._decoded(workers)
        for position, task in enumerate(tasks):
            for _, after, _ in self._life.fair_steps(self._tasks[task], conditions):
                changed = tasks[:]
                changed[position] = self._id_of(after)
                yield self._packed(workers, changed)
        for label, after_workers, moved in self._events(workers):
            if self._is_bound_to_happen(label, conditions):
                changed = tasks if moved == NOBODY else self._reaped(tasks, moved)[0]
                yield self._packed(after_workers, changed)

    def is_good(self, state: int) -> bool:
        """Whether every task has come to where it should."""
        workers, tasks = self._unpacked(state)
        conditions = self._decoded(workers)
        return all(self._life.is_settled(self._tasks[task], conditions) for task in tasks)

    def told(self, state: int) -> tuple[Workers, list[Task]]:
        """A state, to be looked at."""
        workers, tasks = self._unpacked(state)
        return self._decoded(workers), [self._tasks[task] for task in tasks]

    # What may happen, worked out once.

    def _local(self, workers: int, task: int, position: int) -> tuple[LocalStep, ...]:
        key = (task * self._base + workers) * self._scope.tasks + position
        known = self._known_steps.get(key)
        if known is None:
            steps = self._life.steps(self._tasks[task], self._decoded(workers))
            known = self._known_steps[key] = tuple(
                ((position, label), self._id_of(after), wrong) for label, after, wrong in steps
            )
        return known

    def _may_go_on(self, workers: int, task: int) -> bool:
        key = task * self._base + workers
        known = self._known_verdicts.get(key)
        if known is None:
            conditions, row = self._decoded(workers), self._tasks[task]
            known = self._known_verdicts[key] = (
                self._life.is_settled(row, conditions)
                or any(
                    self._is_bound_to_happen(label, conditions)
                    for label, _, _ in self._events(workers)
                )
                or bool(self._life.fair_steps(row, conditions))
            )
        return known

    def _reaped(self, tasks: Sequence[int], holder: int) -> tuple[list[int], str]:
        after: list[int] = []
        wrong = ""
        for task in tasks:
            known = self._known_reaps.get((task, holder))
            if known is None:
                row, what = self._life.reap(self._tasks[task], holder)
                known = self._known_reaps[task, holder] = (self._id_of(row), what)
            after.append(known[0])
            wrong = wrong or known[1]
        return after, wrong

    def _events(self, workers: int) -> tuple[GlobalStep, ...]:
        known = self._known_events.get(workers)
        if known is None:
            known = self._known_events[workers] = tuple(self._happenings(self._decoded(workers)))
        return known

    def _happenings(self, workers: Workers) -> Iterator[GlobalStep]:
        """What may happen to each process: it dies, it is ended, it is started."""
        is_locked = Lapse.REAP_UNLOCKED not in self._scope.lapses
        for process, condition in enumerate(workers):
            for verb, after, moves in _fates(condition, is_locked=is_locked):
                changed = (*workers[:process], after, *workers[process + 1 :])
                moved = process if moves else NOBODY
                yield Label(verb, process), _encoded(changed), moved
            if condition == UNBORN and workers[process - 1] in (FENCED, BURIED):
                changed = (*workers[:process], LIVE, *workers[process + 1 :])
                yield Label("start", process), _encoded(changed), NOBODY

    def _is_bound_to_happen(self, label: Label, workers: Workers) -> bool:
        """The dead are found in the end, and somebody starts their workers anew."""
        if label.verb in ("start", "end"):
            return True
        return label.verb in ("reap", "move") and workers[label.who] == DEAD

    # States as numbers.

    def _id_of(self, task: Task) -> int:
        known = self._ids.get(task)
        if known is None:
            known = self._ids[task] = len(self._tasks)
            assert known < TASKS_MAX, "too many states of one task to be told apart"
            self._tasks.append(task)
            if self._is_folded:
                # Images of images are images of the first one, so this comes to an end.
                images = [self._id_of(_renamed(task, order)) for order in self._orders]
                for table, image in zip(self._images, images, strict=True):
                    table.extend([-1] * (known + 1 - len(table)))
                    table[known] = image
        return known

    def _packed(self, workers: int, tasks: Sequence[int]) -> int:
        """The state's number; of those that count as one, the least."""
        if not self._is_folded:
            return self._joined(tasks) * self._base + workers
        image, tables = self._least(workers)
        joined = [self._joined(sorted([table[task] for task in tasks])) for table in tables]
        return min(joined) * self._base + image

    def _joined(self, tasks: Sequence[int]) -> int:
        joined = 0
        for task in tasks:
            joined = joined << TASK_BITS | task
        return joined

    def _least(self, workers: int) -> tuple[int, Sequence[list[int]]]:
        """The least that the workers' condition can be called, and how tasks are called then."""
        known = self._known_least.get(workers)
        if known is None:
            conditions = self._decoded(workers)
            images = [_encoded(_reordered(conditions, order)) for order in self._orders]
            least = min(images)
            tables = [
                table for table, image in zip(self._images, images, strict=True) if image == least
            ]
            known = self._known_least[workers] = (least, tables)
        return known

    def _unpacked(self, state: int) -> tuple[int, list[int]]:
        joined, workers = divmod(state, self._base)
        tasks: list[int] = []
        for _ in range(self._scope.tasks):
            tasks.append(joined & (TASKS_MAX - 1))
            joined >>= TASK_BITS
        tasks.reverse()
        return workers, tasks

    def _decoded(self, workers: int) -> Workers:
        found: list[int] = []
        for _ in range(self._scope.processes):
            workers, condition = divmod(workers, CONDITIONS)
            found.append(condition)
        return tuple(found)


def stuck(task: Task, scope: Scope) -> str:
    """What is wrong where nothing more happens."""
    held = f", held by worker {task.holder // scope.lives + 1}" if task.holder != NOBODY else ""
    return f"{STUCK}: the task stays {task.status}{held}, and nothing bound to happen changes that"


def _fates(condition: int, *, is_locked: bool) -> Iterator[tuple[str, int, bool]]:
    """What may become of a process in some condition, and whether its tasks are moved with that."""
    if condition == LIVE:
        yield "crash", DEAD, False
        yield ("suspect", FENCED, True) if is_locked else ("move suspected", ROBBED, True)
    elif condition == DEAD:
        yield ("reap", BURIED, True) if is_locked else ("move", ROBBED_DEAD, True)
    elif condition == FENCED:
        yield "crash", BURIED, False
    elif condition == ROBBED:
        yield "crash", ROBBED_DEAD, False
        yield "end", FENCED, False
    elif condition == ROBBED_DEAD:
        yield "end", BURIED, False


def _encoded(workers: Workers) -> int:
    code = 0
    for condition in reversed(workers):
        code = code * CONDITIONS + condition
    return code


def _reordered(workers: Workers, order: Sequence[int]) -> Workers:
    conditions = dict(zip(order, workers, strict=True))
    return tuple(conditions[process] for process in range(len(workers)))


def _orders(scope: Scope) -> list[tuple[int, ...]]:
    """All ways to rename the workers, each with all its lives; the first one changes nothing."""
    return [
        tuple(
            order[process // scope.lives] * scope.lives + process % scope.lives
            for process in range(scope.processes)
        )
        for order in permutations(range(scope.workers))
    ]


def _renamed(task: Task, order: Sequence[int]) -> Task:
    return task._replace(
        holder=NOBODY if task.holder == NOBODY else order[task.holder],
        runs=tuple(run._replace(worker=order[run.worker]) for run in task.runs),
        told=tuple(told._replace(worker=order[told.worker]) for told in task.told),
    )

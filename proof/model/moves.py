"""The product's table of moves, carried out on the rows of the model.

What a move compares before it sets anything, from which status to which it leads, and who may make
it: all of that is read from `fcs.domain.task.MOVES`, and nowhere said again. A move or a column
that the model does not know stops it, so that nobody takes an old model for a proof of a new table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from fcs.domain.task import MOVES, Actor, Move, Status
from proof.model.state import NO_RUN, NOBODY, Offer, Task

SET_ASIDE: Final[Mapping[str, str]] = {
    "create": "tasks are there from the beginning, and pending",
    "repeat": "tasks are there from the beginning, and pending",
    "create plain": "tasks are there from the beginning, and pending",
    "create alike": "tasks are there from the beginning, and pending",
    "create linked": "tasks are there from the beginning, and pending",
    "settle": "no task needs another one",
    "testify": "only a database that forgets is told; `forget.py` has it in its own words",
    "testify and retry": "only a database that forgets is told; so `forget.py` has it",
    "adopt": "only a database that forgets is adopted; so `forget.py` has it",
    "adopt and retry": "only a database that forgets is adopted; so `forget.py` has it",
    "prune": "a row that is over stays: nobody could do anything with it afterwards",
}
"""Moves without a part in the model, and what it takes for granted instead."""

ALIKE: Final[Mapping[str, str]] = {"succeed with a result": "succeed"}
"""Moves that differ from another one in nothing but what the model has not: results."""

ACTS: Final[Mapping[str, tuple[Actor, tuple[str, ...]]]] = {
    "dispatch": (Actor.SUPERVISOR, ("dispatch",)),
    "take back": (Actor.SUPERVISOR, ("take back",)),
    "begin": (Actor.WORKER, ("begin",)),
    "hand back": (Actor.WORKER, ("hand back",)),
    "refuse": (Actor.WORKER, ("refuse",)),
    "succeed": (Actor.OWNER, ("succeed",)),
    "fail": (Actor.OWNER, ("fail",)),
    "interrupt": (Actor.OWNER, ("interrupt",)),
    "stop": (Actor.OWNER, ("stop",)),
    "retry": (Actor.OWNER, ("retry",)),
    "release": (Actor.OWNER, ("release", "release unwanted")),
    "reap": (Actor.REAPER, ("reap", "reap and retry")),
    "cancel": (Actor.CLIENT, ("cancel",)),
    "delete": (Actor.CLIENT, ("delete",)),
}
"""What somebody sets out to do: who may, and the moves of which one comes of it."""


class TableChanged(Exception):
    """The table has something that the model does not know, or lacks something that it needs."""


class Terms(NamedTuple):
    """What the tasks of a model have asked for, and who counts as the same worker."""

    max_attempts: int = 1
    retry_interrupted: bool = False
    identity: tuple[int, ...] = tuple(range(16))
    """By process: what the column `incarnation` holds for it."""


Comparison = Callable[[Task, Offer, Terms], bool]


def _holds(task: Task, offer: Offer, terms: Terms) -> bool:
    return (
        task.holder != NOBODY
        and offer.holder != NOBODY
        and terms.identity[task.holder] == terms.identity[offer.holder]
    )


COMPARISONS: Final[Mapping[str, Comparison | None]] = {
    "id": None,  # each row is looked at by itself
    "status": None,  # the move is looked up by it
    "due_at": None,  # everything is due
    "incarnation": _holds,
    "dispatch_no": lambda task, offer, _: task.no == offer.no,
    "attempt": lambda task, offer, _: task.attempt + 1 == offer.attempt,
    "run_id": lambda task, offer, _: task.run == offer.run != NO_RUN,
    "max_attempts": lambda task, _, terms: task.attempt < terms.max_attempts,
    "cancel_requested_at": lambda task, _, __: task.asked,
    "retry_interrupted": lambda _, __, terms: terms.retry_interrupted,
}

SWEEPING: Final = frozenset({"reap"})
"""Acts that find their rows without an id."""


class _Compiled(NamedTuple):
    move: Move
    comparisons: tuple[Comparison, ...]


class Table:
    """Carries moves out."""

    def __init__(self, moves: Sequence[Move], terms: Terms) -> None:
        self._terms = terms
        _make_sure_that_all_are_known(moves)
        self._acts = {
            act: {status: _at(status, act, names, moves) for status in (None, *Status)}
            for act, (_, names) in ACTS.items()
        }
        self._fences = {
            act: frozenset[str].intersection(
                *(frozenset(move.fence) for move in moves if move.name in names)
            )
            for act, (_, names) in ACTS.items()
        }

    def compares(self, act: str, column: str) -> bool:
        """Whether an act looks at a column, whatever comes of it."""
        return column in self._fences[act]

    def carry_out(self, act: str, task: Task, offer: Offer) -> tuple[Task, Move] | None:
        """The row after an act, and the move that was made; `None` if it changed nothing."""
        for compiled in self._acts[act][task.status]:
            for compare in compiled.comparisons:
                if not compare(task, offer, self._terms):
                    break
            else:
                if not _is_unwanted(task, compiled.move):
                    return _moved(task, compiled.move, offer), compiled.move
        return None


def _is_unwanted(task: Task, move: Move) -> bool:
    """Nothing that somebody wants to end runs again."""
    return task.asked and move.before is Status.RUNNING and move.after is Status.PENDING


def _moved(task: Task, move: Move, offer: Offer) -> Task:
    """What a statement writes. It follows from where the move leads to."""
    if move.after is Status.DISPATCHED:
        return task._replace(status=move.after, holder=offer.holder, no=task.no + 1)
    if move.after is Status.RUNNING:
        return task._replace(status=move.after, run=offer.run, attempt=task.attempt + 1)
    if move.after is Status.PENDING or move.statement == "release":
        attempt = task.attempt - (move.statement == "release")
        return task._replace(status=move.after, holder=NOBODY, run=NO_RUN, attempt=attempt)
    return task._replace(status=move.after, holder=NOBODY)


def _at(
    status: Status | None, act: str, names: Sequence[str], moves: Sequence[Move]
) -> tuple[_Compiled, ...]:
    """The moves of an act from a status: those that ask for more come first."""
    fitting = [
        move
        for move in moves
        if move.name in names
        # What does not look at the status takes any row that is there.
        and (move.before is status or ("status" not in move.fence and status is not None))
    ]
    fitting.sort(key=lambda move: -len(move.fence))
    return tuple(_Compiled(move, tuple(_comparisons(act, move))) for move in fitting)


def _comparisons(act: str, move: Move) -> list[Comparison]:
    if "id" not in move.fence and act not in SWEEPING:
        raise TableChanged(f"{move.name}: without an id it takes rows that nobody meant")
    if unknown := set(move.fence) - set(COMPARISONS):
        raise TableChanged(f"{move.name}: nobody told the model what to compare of {unknown}")
    found = [COMPARISONS[column] for column in move.fence]
    return [compare for compare in found if compare]


def _make_sure_that_all_are_known(moves: Sequence[Move]) -> None:
    names = {move.name for move in moves}
    needed = {name for _, names in ACTS.values() for name in names}
    if missing := needed - names:
        raise TableChanged(f"the table has no such moves any more: {', '.join(sorted(missing))}")
    if strange := names - needed - set(SET_ASIDE) - set(ALIKE):
        raise TableChanged(f"the model knows no such moves: {', '.join(sorted(strange))}")
    for actor, names_of_act in ACTS.values():
        for move in moves:
            if move.name in names_of_act and move.actor is not actor:
                raise TableChanged(f"{move.name}: {move.actor} may do so now, and not {actor}")
    for name, like in ALIKE.items():
        if _shapes(moves, name) != _shapes(moves, like):
            raise TableChanged(f"{name} is not like {like} any more")


def _shapes(moves: Sequence[Move], name: str) -> set[Move]:
    return {replace(move, name="", statement="") for move in moves if move.name == name}


def without(column: str, *names: str, moves: Sequence[Move] = MOVES) -> tuple[Move, ...]:
    """The table with moves that do not look at a column: what a forgotten line would make of it."""
    changed = tuple(
        replace(move, fence=tuple(other for other in move.fence if other != column))
        if move.name in names
        else move
        for move in moves
    )
    assert changed != tuple(moves), f"none of {names} compares {column}"
    return changed

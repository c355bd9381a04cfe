"""That something good comes in the end: searched from every state that faults can lead to.

From some moment on there are no more faults, and whatever is bound to happen does, in the worst of
orders. A state is saved if it is good, or if something is bound to happen in it and whatever that
is leads to a state that is saved. One that is not saved can wait for ever: it has come to a
standstill, or goes round in a circle in which nothing good happens.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, TypeVar

from proof.model.checker import Counterexample, L_co, S

L = TypeVar("L")


class FairModel(Protocol[S, L_co]):
    """What can be asked whether good things come."""

    def start(self) -> S: ...

    def steps(self, state: S) -> Iterable[tuple[L_co, S, str]]: ...

    def fair_steps(self, state: S) -> Iterable[S]:
        """What is bound to happen, one thing or another of it."""
        ...

    def is_good(self, state: S) -> bool: ...


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was found: all states, and the nearest one of those that may wait for ever."""

    states: int
    transitions: int
    depth: int
    seconds: float
    counterexample: Counterexample[Any, Any] | None


def look_ahead(model: FairModel[S, L], *, wrong: str) -> Outlook:
    """Whether good things come from every state, and if not, the shortest way to one from which
    they may not."""
    began = perf_counter()
    reached, transitions, depth = _explore(model)
    lost = _lost(model, reached)
    first = next((state for state in reached if state in lost), None)
    found = None if first is None else _way(reached, first, wrong)
    return Outlook(len(reached), transitions, depth, perf_counter() - began, found)


def _explore(model: FairModel[S, L]) -> tuple[dict[S, tuple[S, L] | None], int, int]:
    """Every state, the nearest ones first, with where it was first reached from, and how."""
    start = model.start()
    reached: dict[S, tuple[S, L] | None] = {start: None}
    layer, transitions, depth = [start], 0, 0
    while layer:
        ahead: list[S] = []
        for state in layer:
            for label, after, _ in model.steps(state):
                transitions += 1
                if after not in reached:
                    reached[after] = (state, label)
                    ahead.append(after)
        layer = ahead
        depth += bool(ahead)
    return reached, transitions, depth


def _lost(model: FairModel[S, L], reached: Iterable[S]) -> set[S]:
    """Those from which nothing good need come."""
    before: defaultdict[S, list[S]] = defaultdict(list)
    ways_left: dict[S, int] = {}
    saved: list[S] = []
    for state in reached:
        if model.is_good(state):
            saved.append(state)
            continue
        ways = set(model.fair_steps(state))
        ways_left[state] = len(ways)
        for way in ways:
            before[way].append(state)
    lost = set(ways_left)
    while saved:
        for state in before[saved.pop()]:
            ways_left[state] -= 1
            if not ways_left[state]:
                lost.remove(state)
                saved.append(state)
    return lost


def _way(reached: dict[S, tuple[S, L] | None], end: S, wrong: str) -> Counterexample[S, L]:
    steps: list[L] = []
    states = [end]
    while (origin := reached[states[-1]]) is not None:
        states.append(origin[0])
        steps.append(origin[1])
    return Counterexample(steps[::-1], states[::-1], wrong)

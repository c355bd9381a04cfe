"""Explicit-state search: every state that can be reached, the nearest ones first.

A state is any immutable value; of large models it is a number into which all is packed. Each is
kept, with the one from which it was first reached, so that nothing is overlooked and a
counterexample is a shortest one. What happened on the way is not kept: whoever wants to know walks
once more from the start.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
L = TypeVar("L")
L_co = TypeVar("L_co", covariant=True)


class Model(Protocol[S, L_co]):
    """What can be searched."""

    def start(self) -> S: ...

    def steps(self, state: S) -> Iterable[tuple[L_co, S, str]]:
        """Whatever can happen in a state: its name, what comes of it, and what is wrong with it,
        "" if nothing is."""
        ...

    def wrong(self, state: S) -> str:
        """What is wrong with a state, "" if nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Counterexample(Generic[S, L]):
    """A shortest way to something that must not be: what happened, and what is wrong then."""

    steps: list[L]
    states: list[S]
    """One more than there are steps: the first is the start."""
    wrong: str


@dataclass(frozen=True, slots=True)
class Result(Generic[S, L]):
    """What a search has seen. It has seen everything if there is no counterexample."""

    states: int
    transitions: int
    depth: int
    seconds: float
    counterexample: Counterexample[S, L] | None


def search(
    model: Model[S, L], *, until: Callable[[str], bool] = bool, states_max: int | None = None
) -> Result[S, L]:
    """Visit every state, or all up to the first thing wrong that `until` takes for an answer."""
    began = perf_counter()
    start = model.start()
    layer = [start]
    parents: dict[S, S | None] = {start: None}
    transitions = depth = 0
    found: Counterexample[S, L] | None = None
    while layer and found is None:
        ahead: list[S] = []
        for state in layer:
            if until(wrong := model.wrong(state)):
                found = _retrace(model, parents, state, wrong)
                break
            for label, after, wrong in model.steps(state):
                transitions += 1
                if wrong and until(wrong):
                    found = _retrace(model, parents, state, wrong, (label, after))
                    break
                if after not in parents:
                    parents[after] = state
                    ahead.append(after)
            if found:
                break
        if states_max is not None and len(parents) > states_max:
            raise TooManyStates(f"more than {states_max:,} states")
        layer = ahead
        depth += bool(ahead)
    return Result(len(parents), transitions, depth, perf_counter() - began, found)


class TooManyStates(Exception):
    """A configuration is larger than it is meant to be."""


def _retrace(
    model: Model[S, L],
    parents: dict[S, S | None],
    end: S,
    wrong: str,
    last: tuple[L, S] | None = None,
) -> Counterexample[S, L]:
    """The way from the start to a state, and what happened on it."""
    states = [end]
    while (parent := parents[states[-1]]) is not None:
        states.append(parent)
    states.reverse()
    steps = [_step_between(model, *pair) for pair in pairwise(states)]
    if last:
        steps.append(last[0])
        states.append(last[1])
    return Counterexample(steps, states, wrong)


def _step_between(model: Model[S, L], state: S, after: S) -> L:
    return next(label for label, reached, _ in model.steps(state) if reached == after)

"""Hash mode: that every dead worker is reaped, whatever the others believe of each other.

Time goes in steps of one lease of silence. At each, every worker that works judges by the product's
own rule, with any view of who is alive: it may take the dead for living, and the living for dead.
Others beat, but do nothing: a loop of theirs hangs. Worst of all is chosen for the dead.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from typing import Final, NamedTuple
from uuid import UUID

from fcs.domain.ids import Incarnation
from fcs.domain.ring import WIDEN_LEASES, may_reap
from proof.model.promise import LIVE as STUCK
from proof.model.state import Label

WORKS: Final = 0
HANGS: Final = 1
"""It beats, and so is alive to others, but it reaps nobody."""
IS_DEAD: Final = 2
REAPED: Final = 3

Judge = Callable[[int, int, frozenset[int], int], bool]
"""Whether a worker is to reap another, given whom it takes for living, and for how long the other
has been silent, in leases."""


class State(NamedTuple):
    workers: tuple[int, ...]
    silence: int = 0
    """For how many leases the dead have been silent."""


def _incarnation(worker: int) -> Incarnation:
    return Incarnation(UUID(int=worker + 1))


def by_the_product(me: int, suspect: int, alive: frozenset[int], silence: int) -> bool:
    """The product's own judgement."""
    others = [_incarnation(worker) for worker in alive]
    return may_reap(_incarnation(me), _incarnation(suspect), others, silent_leases=float(silence))


def without_widening(me: int, suspect: int, alive: frozenset[int], _: int) -> bool:
    """The next one on the ring, and nobody else, however long that takes."""
    return by_the_product(me, suspect, alive, 1)


class Ring:
    """The model: any of `size` workers may die or hang before it starts, but for one."""

    def __init__(self, size: int = 5, judge: Judge = by_the_product) -> None:
        self._size = size
        self._judge = judge
        self._views = [
            frozenset(view) for n in range(size + 1) for view in combinations(range(size), n)
        ]
        # By then every worker may reap every other one.
        self._silence_max = 1 + WIDEN_LEASES * size.bit_length()
        self._agrees = cache(self._certainly_reaps)

    def start(self) -> State:
        return State(())

    def steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        if not state.workers:
            for workers in product((WORKS, HANGS, IS_DEAD), repeat=self._size):
                if WORKS in workers and IS_DEAD in workers:
                    yield Label("begin with"), State(workers), ""
            return
        if state.silence < self._silence_max:
            longer = state._replace(silence=state.silence + 1)
            yield Label("wait", no=longer.silence), longer, ""
        for suspect, condition in enumerate(state.workers):
            if condition == IS_DEAD and state.silence:
                for me in self._possible_reapers(state, suspect):
                    after = list(state.workers)
                    after[suspect] = REAPED
                    yield Label("reap", me, suspect), state._replace(workers=tuple(after)), ""

    def wrong(self, state: State) -> str:
        """Whether somebody stays dead although everything has been waited for."""
        if state.silence < self._silence_max:
            return ""
        for suspect, condition in enumerate(state.workers):
            working = [w for w, other in enumerate(state.workers) if other == WORKS]
            if condition == IS_DEAD and not any(self._agrees(me, suspect) for me in working):
                return f"{STUCK}: worker {suspect + 1} is dead, and everybody leaves it to another"
        return ""

    def _possible_reapers(self, state: State, suspect: int) -> list[int]:
        return [
            me
            for me, condition in enumerate(state.workers)
            if condition == WORKS
            and any(self._judge(me, suspect, view, state.silence) for view in self._views)
        ]

    def _certainly_reaps(self, me: int, suspect: int) -> bool:
        """Whether a worker reaps another in the end, whatever it believes of the others."""
        return all(self._judge(me, suspect, view, self._silence_max) for view in self._views)


CONDITIONS: Final[Mapping[int, str]] = {WORKS: "works", HANGS: "hangs", IS_DEAD: "is dead"}

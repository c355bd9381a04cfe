"""How a supervisor finds what waits: notifications that may be lost, and looks at the table.

A create takes its id when it starts, and can be seen when it commits; the order of the two is not
the same. Several are under way at once.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from proof.model.promise import LIVE as STUCK
from proof.model.state import Label

UNBORN: Final = 0
UNDER_WAY: Final = 1
"""The create has its id, and has read whether the supervisor sleeps."""
COMMITTED: Final = 2


class Mistake(StrEnum):
    """Ways to look that miss something."""

    CURSOR = "look only at ids above the highest one that was seen"
    SCAN_FIRST = "look before listening, and never again"
    NO_SECOND_LOOK = "lie down and be rung only by those who have read that one sleeps"


class Create(NamedTuple):
    """One create, and whether the supervisor has found its task."""

    phase: int = UNBORN
    will_ring: bool = True
    is_rung: bool = False
    is_found: bool = False


class State(NamedTuple):
    creates: tuple[Create, ...]
    cursor: int = 0
    looks: int = 0
    """Looks that were taken, as far as that matters."""
    is_listening: bool = False
    sleeps: bool = False


class Scan:
    """The model of a supervisor that has to find all tasks."""

    def __init__(self, creates: int = 2, mistake: Mistake | None = None) -> None:
        self._creates = creates
        self._mistake = mistake

    def start(self) -> State:
        return State((Create(),) * self._creates)

    def steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        yield from self._client_steps(state)
        for label, after in self._supervisor_steps(state):
            if after != state:
                yield label, after, ""

    def wrong(self, state: State) -> str:
        """Whether a task waits for ever: all is quiet, and whoever looks finds nothing new."""
        are_all_there = all(create.phase == COMMITTED for create in state.creates)
        if not are_all_there or all(create.is_found for create in state.creates):
            return ""
        if any(after != state for _, after in self._supervisor_steps(state)):
            return ""
        return f"{STUCK}: a task waits, and nobody will ever look at it"

    def _client_steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for no, create in enumerate(state.creates):
            if create.phase == UNBORN and all(
                before.phase != UNBORN for before in state.creates[:no]
            ):
                will_ring = self._mistake is not Mistake.NO_SECOND_LOOK or state.sleeps
                begun = create._replace(phase=UNDER_WAY, will_ring=will_ring)
                yield Label("create", no=no + 1), _with(state, no, begun), ""
            if create.phase == UNDER_WAY:
                done = create._replace(phase=COMMITTED)
                yield Label("commit", no=no + 1), _with(state, no, done), ""
                if create.will_ring and state.is_listening:
                    rung = done._replace(is_rung=True)
                    yield Label("commit and ring", no=no + 1), _with(state, no, rung), ""

    def _supervisor_steps(self, state: State) -> Iterator[tuple[Label, State]]:
        if not state.is_listening:
            if self._mistake is not Mistake.SCAN_FIRST or state.looks:
                yield Label("listen"), state._replace(is_listening=True)
            else:
                yield Label("look"), self._looked(state)
        else:
            yield from self._hearing(state)
            if self._may_look(state):
                yield Label("look"), self._looked(state)
        if self._mistake is Mistake.NO_SECOND_LOOK and state.looks and not state.sleeps:
            yield Label("lie down"), state._replace(sleeps=True)

    def _hearing(self, state: State) -> Iterator[tuple[Label, State]]:
        for no, create in enumerate(state.creates):
            if create.is_rung and not create.is_found:
                found = create._replace(is_found=True)
                yield Label("hear of", no=no + 1), _with(state, no, found)

    def _may_look(self, state: State) -> bool:
        if self._mistake is Mistake.NO_SECOND_LOOK:
            return not state.sleeps
        return self._mistake is not Mistake.SCAN_FIRST

    def _looked(self, state: State) -> State:
        creates = list(state.creates)
        cursor = state.cursor
        for no, create in enumerate(state.creates):
            is_in_view = self._mistake is not Mistake.CURSOR or no + 1 > state.cursor
            if create.phase == COMMITTED and is_in_view:
                creates[no] = create._replace(is_found=True)
                cursor = no + 1 if self._mistake is Mistake.CURSOR else 0
        return state._replace(creates=tuple(creates), cursor=cursor, looks=1)


def _with(state: State, no: int, create: Create) -> State:
    creates = (*state.creates[:no], create, *state.creates[no + 1 :])
    return state._replace(creates=creates)

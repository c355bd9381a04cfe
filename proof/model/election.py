"""Who leads: candidates that judge by the product's own `Leadership`, one row, and time.

A candidate may be stopped, go on, die, or not hear the answer to what it sent. Chance is the worst
there is: each time a candidate draws, it draws nothing or everything. Time is counted in 25ths of a
lease, as finely as the product's shares of it, and passes when everybody has done what is due.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

from fcs.domain.ids import NodeId
from fcs.domain.leadership import Act, Leadership, LeaseSeen, Step
from proof.model.state import NOBODY, Label

LEASE: Final = 25
MARGIN: Final = 5
NOW: Final = 1_000.0
"""States know how long ago something was, not when."""
TERM: Final = 10
"""Likewise the term of the row."""
LONG_AGO: Final = -LEASE
"""Whatever is past for so long is past for ever."""
OLD: Final = -2
"""How many terms ago is long ago."""

AWAKE: Final = "awake"
STOPPED: Final = "stopped"
GONE: Final = "gone"

Memory = tuple[tuple[str, Any], ...]


class State(NamedTuple):
    conditions: tuple[str, ...]
    memories: tuple[Memory, ...]
    holder: int = NOBODY
    expires_in: int = LONG_AGO
    is_holder_gone: bool = False
    faults: int = 0


class _Drawn(Random):
    """Chance that always says the same."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self._value = value

    def random(self) -> float:
        return self._value


class Election:
    """The model. `lease` is what the row grants, in ticks, where that is not what the candidates
    believe. If `expires` is false the row is a lock, which its holder keeps until its connection is
    gone.
    """

    def __init__(
        self, candidates: int = 2, faults_max: int = 3, *, lease: int = LEASE, expires: bool = True
    ) -> None:
        self._candidates, self._faults_max = candidates, faults_max
        self._lease, self._expires = lease, expires

    def start(self) -> State:
        memories = tuple(_frozen(_candidate(node), term=TERM) for node in range(self._candidates))
        return State((AWAKE,) * self._candidates, memories)

    def steps(self, state: State) -> Iterator[tuple[Label, State, str]]:
        for label, after in (*self._acts(state), *self._waits(state), *self._faults(state)):
            yield label, after, self._wrong(after)

    def wrong(self, _: State) -> str:
        return ""

    def fair_steps(self, state: State) -> Iterator[State]:
        """Whoever is awake does what is due, and then time passes."""
        yield from (after for _, after in (*self._acts(state), *self._waits(state)))

    def is_good(self, state: State) -> bool:
        """Whether somebody leads, or nobody is awake who could."""
        return AWAKE not in state.conditions or any(
            _thawed(memory, node).leads(NOW)
            for node, memory in enumerate(state.memories)
            if state.conditions[node] == AWAKE
        )

    def _wrong(self, state: State) -> str:
        leaders = sum(
            _thawed(memory, node).leads(NOW)
            for node, memory in enumerate(state.memories)
            if state.conditions[node] != GONE
        )
        return "LEAD: two lead at once" if leaders > 1 else ""

    # What candidates do.

    def _acts(self, state: State) -> Iterator[tuple[Label, State]]:
        for node in self._due(state):
            for drawn in (0.0, 1.0):
                yield self._act(state, node, drawn, is_heard=True)

    def _due(self, state: State) -> list[int]:
        """Those awake who have something to do now."""
        return [node for node in self._awake(state) if self._next(state, node) <= 0]

    def _awake(self, state: State) -> list[int]:
        return [node for node, what in enumerate(state.conditions) if what == AWAKE]

    def _next(self, state: State, node: int) -> float:
        """In what time a candidate wants to do something."""
        step = _thawed(state.memories[node], node).decide(NOW)
        return step.at - NOW if step.act in (Act.LOOK, Act.LEAD) else 0

    def _act(self, state: State, node: int, drawn: float, *, is_heard: bool) -> tuple[Label, State]:
        leadership = _thawed(state.memories[node], node, drawn)
        step = leadership.decide(NOW)
        label = Label(step.act.value, node)
        match step.act:
            case Act.LOOK if is_heard:
                leadership.looked(self._seen(state), asked_at=NOW, answered_at=NOW)
            case Act.BID:
                return label, self._bid(state, node, leadership, step, is_heard=is_heard)
            case Act.LEAD:
                return label, self._renewed(state, node, leadership, step, is_heard=is_heard)
        return label, _with(state, node, leadership)

    def _seen(self, state: State) -> LeaseSeen:
        holder = None if state.holder == NOBODY else _name(state.holder)
        return LeaseSeen(TERM, holder, float(state.expires_in), state.is_holder_gone)

    def _bid(
        self, state: State, node: int, leadership: Leadership, step: Step, *, is_heard: bool
    ) -> State:
        if step.term != TERM + 1 or not self._seen(state).is_vacant:
            if is_heard:
                leadership.beaten(NOW)
            return _with(state, node, leadership)
        if is_heard:
            leadership.won(step.term, asked_at=NOW)
        taken = state._replace(holder=node, expires_in=self._lease, is_holder_gone=False)
        return _next_term(_with(taken, node, leadership, term=TERM + 1), but=node)

    def _renewed(
        self, state: State, node: int, leadership: Leadership, step: Step, *, is_heard: bool
    ) -> State:
        is_ours = step.term == TERM and state.holder == node
        after = state._replace(expires_in=self._lease) if is_ours else state
        if not is_heard:
            # Its connections are gone, by which others see that it leads.
            leadership.resigned(NOW)
            after = after._replace(is_holder_gone=is_ours or after.is_holder_gone)
        elif is_ours:
            leadership.renewed(asked_at=NOW)
        else:
            leadership.refused(NOW)
        return _with(after, node, leadership)

    # Time, and what may go wrong.

    def _waits(self, state: State) -> Iterator[tuple[Label, State]]:
        """Time passes until somebody has something to do; nobody is late who could be in time."""
        awake = self._awake(state)
        if self._due(state):
            return
        until = min([self._next(state, node) for node in awake], default=MARGIN)
        ticks = max(1, round(until))
        memories = tuple(_later(memory, ticks) for memory in state.memories)
        passes = self._expires or state.holder == NOBODY
        expires_in = max(LONG_AGO, state.expires_in - ticks) if passes else self._lease
        yield Label("wait", no=ticks), state._replace(memories=memories, expires_in=expires_in)

    def _faults(self, state: State) -> Iterator[tuple[Label, State]]:
        if state.faults == self._faults_max:
            return
        worse = state._replace(faults=state.faults + 1)
        for node, condition in enumerate(state.conditions):
            if condition == AWAKE:
                yield Label("stop", node), _as(worse, node, STOPPED)
                yield Label("die", node), self._dead(worse, node)
            elif condition == STOPPED:
                yield Label("wake", node), _as(state, node, AWAKE)
            else:
                fresh = _with(state, node, _candidate(node))
                yield Label("start", node), _as(fresh, node, AWAKE)
        for node in self._due(state):
            label, after = self._act(worse, node, 0.0, is_heard=False)
            yield label._replace(verb=f"{label.verb}, unheard"), after

    def _dead(self, state: State, node: int) -> State:
        is_holder = state.holder == node
        after = _as(_with(state, node, _candidate(node)), node, GONE)
        # Its next start is another node: the row names one that never comes back.
        return after._replace(
            holder=self._candidates if is_holder else state.holder,
            is_holder_gone=is_holder or state.is_holder_gone,
        )


def _name(node: int) -> NodeId:
    return NodeId(UUID(int=node + 1))


def _candidate(node: int, drawn: float = 0.0) -> Leadership:
    return Leadership(_name(node), lease=float(LEASE), margin=float(MARGIN), rng=_Drawn(drawn))


def _as(state: State, node: int, condition: str) -> State:
    conditions = (*state.conditions[:node], condition, *state.conditions[node + 1 :])
    return state._replace(conditions=conditions)


# What a candidate remembers, as a value. Moments are floats and terms are whole numbers there; both
# are kept as how long ago they are, so that the same situation later is the same state.

_SAME: Final = frozenset({"_me", "_lease", "_margin", "_rng"})


def _frozen(leadership: Leadership, *, term: int) -> Memory:
    return tuple(
        (name, _ago(value, term)) for name, value in vars(leadership).items() if name not in _SAME
    )


def _ago(value: object, term: int) -> Any:
    match value:
        case bool() | None:
            return value
        case float():
            return ("at", max(LONG_AGO, round(value - NOW)))
        case int():
            assert value - term in range(-term, 2), "a moment that is no float, or a strange term"
            return ("term", max(OLD, value - term))
    assert is_dataclass(value), "a candidate remembers something that the model does not know"
    kept = tuple(_ago(getattr(value, field.name), term) for field in fields(value))
    return (type(value), kept)


def _thawed(memory: Memory, node: int, drawn: float = 0.0) -> Leadership:
    leadership = _candidate(node, drawn)
    vars(leadership).update({name: _again(value) for name, value in memory})
    return leadership


def _again(value: Any) -> Any:
    match value:
        case ("at", ticks):
            return NOW + ticks
        case ("term", terms):
            return TERM + terms
        case (kind, kept):
            return kind(*map(_again, kept))
    return value


def _with(state: State, node: int, leadership: Leadership, *, term: int = TERM) -> State:
    memory = _frozen(leadership, term=term)
    memories = (*state.memories[:node], memory, *state.memories[node + 1 :])
    return state._replace(memories=memories)


def _later(memory: Memory, ticks: int) -> Memory:
    return tuple((name, _shifted(value, "at", ticks, LONG_AGO)) for name, value in memory)


def _next_term(state: State, *, but: int) -> State:
    """What the others remember is one term older now."""
    memories = tuple(
        memory
        if node == but
        else tuple((name, _shifted(value, "term", 1, OLD)) for name, value in memory)
        for node, memory in enumerate(state.memories)
    )
    return state._replace(memories=memories)


def _shifted(value: Any, kind: str, by: int, least: int) -> Any:
    match value:
        case (str(what), int(number)):
            return (what, max(least, number - by)) if what == kind else value
        case (type() as record, tuple(kept)):
            return (record, tuple(_shifted(part, kind, by, least) for part in kept))
    return value

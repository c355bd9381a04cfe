"""The model moves tasks as the product's table says, and not as somebody remembers it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from fcs.domain.task import MOVES, Actor, Move, Status
from proof.model.checker import TooManyStates
from proof.model.cluster import Cluster
from proof.model.life import Scope
from proof.model.moves import ACTS, ALIKE, SET_ASIDE, TableChanged, without
from proof.model.state import Task, Workers

SCOPES: Final = (
    Scope(dispatches=1, clients=True, leaving=True, retry_interrupted=True),
    Scope(max_attempts=2, remembers=True),
    Scope(max_attempts=3, retry_interrupted=True, leaving=True, clients=True),
)
NOT_SEEN: Final = {
    ("begin", "attempt"),  # only after a failover, which `Standby` has
    ("dispatch", "due_at"),  # everything is due in the model
    ("reap and retry", "status"),  # what is dispatched goes back all the same
    ("retry", "max_attempts"),  # workers count as well, and do not ask for more
}
"""Columns that make no difference in the model."""

STATES_MAX: Final = 40_000
"""More than any of them has with the table as it is."""

Signature = tuple[frozenset[tuple[Workers, Task]], int, str]

MODELLED: Final = [move for move in MOVES if move.name not in SET_ASIDE and move.name not in ALIKE]
REACHED: Final = [
    move for move in MODELLED if move.name != "delete" or move.before not in set(Status) - {
        Status.PENDING, Status.DISPATCHED,
    }
]  # fmt: skip


def signature(scope: Scope, moves: Sequence[Move]) -> Signature:
    """What a model comes to with a table: its states and steps, up to the first thing wrong."""
    cluster = Cluster(replace(scope, moves=tuple(moves)))
    # The nearest first: where a table lets tasks run for ever, what lies far is dear to look at.
    seen, ahead = {cluster.start()}, deque([cluster.start()])
    steps = 0
    wrong = ""
    while ahead and not wrong:
        if len(seen) > STATES_MAX:
            raise TooManyStates
        wrong = cluster.wrong(state := ahead.popleft())
        for _, after, broken in cluster.steps(state):
            steps += 1
            wrong = wrong or broken
            if after not in seen:
                seen.add(after)
                ahead.append(after)
    told = [cluster.told(state) for state in seen]
    return frozenset((workers, task) for workers, [task] in told), steps, wrong


USUAL: Final = {scope: signature(scope, MOVES) for scope in SCOPES}


def is_noticed(moves: Sequence[Move]) -> bool:
    """Whether the model differs with another table, or refuses it."""
    try:  # the quick ones first
        return any(signature(scope, moves) != USUAL[scope] for scope in SCOPES)
    except (TableChanged, TooManyStates):
        return True


def test_nothing_is_wrong_with_the_table_as_it_is() -> None:
    assert [wrong for _, _, wrong in USUAL.values()] == [""] * len(SCOPES)


@pytest.mark.parametrize(
    ("name", "column"),
    sorted({(move.name, column) for move in MODELLED for column in move.fence} - NOT_SEEN),
)
def test_a_column_that_is_compared_no_more_is_noticed(name: str, column: str) -> None:
    assert is_noticed(without(column, name))


@pytest.mark.parametrize("move", REACHED, ids=lambda move: f"{move.name}-{move.before}")
def test_a_move_that_leads_elsewhere_is_noticed(move: Move) -> None:
    elsewhere = Status.FAILED if move.after is Status.INTERRUPTED else Status.INTERRUPTED
    changed = replace(move, after=elsewhere)

    assert is_noticed([changed if other is move else other for other in MOVES])


@pytest.mark.parametrize("move", REACHED, ids=lambda move: f"{move.name}-{move.before}")
def test_a_move_that_is_gone_is_noticed(move: Move) -> None:
    assert is_noticed([other for other in MOVES if other is not move])


@pytest.mark.parametrize("act", ACTS)
def test_a_move_that_somebody_else_may_make_is_noticed(act: str) -> None:
    _, names = ACTS[act]
    changed = [
        replace(move, actor=Actor.OPERATOR) if move.name in names else move for move in MOVES
    ]
    with pytest.raises(TableChanged, match="may do so now"):
        Cluster(Scope(moves=changed))


def test_a_new_move_is_noticed() -> None:
    new = replace(MODELLED[0], name="teleport")

    with pytest.raises(TableChanged, match="teleport"):
        Cluster(Scope(moves=(*MOVES, new)))


def test_a_new_column_is_noticed() -> None:
    [begin] = [move for move in MOVES if move.name == "begin"]
    changed = replace(begin, fence=(*begin.fence, "phase_of_the_moon"))

    with pytest.raises(TableChanged, match="phase_of_the_moon"):
        Cluster(Scope(moves=[changed if move is begin else move for move in MOVES]))


def test_what_is_like_another_move_has_to_stay_so() -> None:
    with pytest.raises(TableChanged, match="not like"):
        Cluster(Scope(moves=without("run_id", "succeed with a result")))


def test_whatever_is_set_aside_is_a_move() -> None:
    names = {move.name for move in MOVES}

    assert {*SET_ASIDE, *ALIKE} <= names

"""The table of moves: what may become of a task, and through whom."""

import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from fcs.domain.ids import TaskId
from fcs.domain.task import (
    FINAL,
    MOVES,
    Actor,
    Move,
    NewTask,
    OnInterrupt,
    Status,
    WhenNeedsFail,
    are_alike,
    is_allowed,
)

EVERY_STATUS = [None, *Status]

# Written out by hand: a move that somebody adds to the table must be added here as well.
ALLOWED = {
    (None, "pending"),
    ("pending", "dispatched"),
    ("dispatched", "running"),
    ("dispatched", "pending"),
    ("dispatched", "failed"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "interrupted"),
    ("running", "pending"),
    ("running", "cancelled"),
    ("pending", "cancelled"),
    ("pending", "interrupted"),
    ("dispatched", "interrupted"),
    ("dispatched", "cancelled"),
    ("pending", None),
    ("dispatched", None),
    ("succeeded", None),
    ("failed", None),
    ("interrupted", None),
    ("cancelled", None),
}


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(EVERY_STATUS, repeat=2)), ids=str
)
def test_only_these_changes_are_allowed(before: Status | None, after: Status | None) -> None:
    assert is_allowed(before, after) == ((before, after) in ALLOWED)


@pytest.mark.parametrize("status", list(Status))
def test_a_final_status_can_only_be_deleted(status: Status) -> None:
    ways_out = {move.after for move in MOVES if move.before is status}

    assert (ways_out == {None}) == status.is_final == (status in FINAL)


def test_a_running_task_is_never_deleted() -> None:
    """F-19: the end of the run would hit nothing, and its history would be gone."""
    assert not is_allowed(Status.RUNNING, None)


def test_every_task_can_end() -> None:
    """No status is a trap: from each, some chain of moves ends in a final one."""
    for start in Status:
        reached = {start}
        while True:
            further = {move.after for move in MOVES if move.before in reached and move.after}
            if further <= reached:
                break
            reached |= further
        assert reached & FINAL, start


@pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{move.name}-{move.before}")
def test_every_move_is_fenced_by_what_it_leaves(move: Move) -> None:
    """F-01, F-21: a status alone never proves that a task is still one's own."""
    match move.before:
        case None:
            assert "id" in move.fence
        case Status.DISPATCHED if move.actor in (Actor.WORKER, Actor.SUPERVISOR):
            assert {"id", "status", "incarnation", "dispatch_no"} <= set(move.fence)
        case Status.RUNNING if move.actor is Actor.OWNER:
            assert {"id", "status", "run_id"} <= set(move.fence)
        case Status.DISPATCHED | Status.RUNNING if move.actor is Actor.REAPER:
            assert {"status", "incarnation"} <= set(move.fence)
        case _:
            assert {"id", "status"} <= set(move.fence)


def test_a_task_is_never_offered_before_it_is_due() -> None:
    [dispatch] = [move for move in MOVES if move.name == "dispatch"]
    assert "due_at" in dispatch.fence


def test_each_actor_makes_each_move_once() -> None:
    keys = [(move.before, move.after, move.actor, move.name) for move in MOVES]
    assert len(keys) == len(set(keys))


def test_a_run_is_followed_by_another_only_if_an_attempt_is_left_or_its_body_never_started() -> (
    None
):
    for move in MOVES:
        if (move.before, move.after) == (Status.RUNNING, Status.PENDING):
            assert move.name == "release" or "max_attempts" in move.fence


def test_only_the_owner_and_the_reaper_move_a_running_task() -> None:
    """And while nothing begins, whoever knows of a later run."""
    moves = [move for move in MOVES if move.before is Status.RUNNING]
    assert {move.actor for move in moves} == {Actor.OWNER, Actor.REAPER, Actor.WITNESS}
    assert all("on_hold_since" in move.fence for move in moves if move.actor is Actor.WITNESS)


OTHERS: dict[str, Any] = {
    "ty": "foo",
    "queue": "mail",
    "priority": 1,
    "scheduled_at": datetime(2026, 1, 1, tzinfo=UTC),
    "delay": 1.0,
    "max_attempts": 2,
    "timeout": 1.0,
    "on_interrupt": OnInterrupt.RETRY,
    "limit_key": "ann",
    "key": "order-17",
    "after": (TaskId(UUID(int=7)),),
    "when_needs_fail": WhenNeedsFail.RUN,
}


def test_tasks_are_alike_that_differ_in_nothing_but_ids_and_arguments() -> None:
    one = NewTask(TaskId(UUID(int=1)), "baz", b"{}")
    other = NewTask(TaskId(UUID(int=2)), "baz", b'{"x": 1}')
    assert are_alike([one, other, one])
    assert are_alike([])

    assert {*OTHERS, "id", "args"} == {*NewTask.__struct_fields__}
    for name, value in OTHERS.items():
        assert not are_alike([one, other, replace(one, **{name: value})]), name
        assert not are_alike([replace(one, **{name: value}), other]), name

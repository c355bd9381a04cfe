"""The checks on single tasks: each can fail."""

from dataclasses import replace

import pytest
from tests.proof.lives import EVENTS, GOOD, INSTANCE, NOON, Row, act, event, line, row, says

from proof.torture import checks


def test_c1_a_task_that_starts_twice() -> None:
    twice = replace(GOOD, lines=(*GOOD.lines, line("began", 12.0, run="other")))
    [what] = says(checks.once(twice))
    assert "started 2 times with at most 1 attempts" in what


def test_c1_an_attempt_that_starts_twice_though_more_are_left() -> None:
    tasks = {"task": row(max_attempts=3)}
    twice = replace(GOOD, tasks=tasks, lines=(*GOOD.lines, line("began", 12.0, run="other")))
    assert len(says(checks.once(twice))) == 1
    again = replace(twice, lines=(*GOOD.lines, line("began", 12.0, run="other", attempt=2)))
    assert says(checks.once(again)) == []


def test_c1_a_run_that_starts_twice() -> None:
    tasks = {"task": row(max_attempts=3)}
    twice = replace(GOOD, tasks=tasks, lines=(*GOOD.lines, line("began", 12.0, attempt=2)))
    assert says(checks.once(twice)) == ["one run started 2 times"]


def test_c2_an_acknowledged_task_that_is_not_there() -> None:
    [what] = says(checks.acknowledged(replace(GOOD, tasks={})))
    assert "was acknowledged as other tasks" in what


def test_c2_a_refused_task_that_is_there() -> None:
    refused = (GOOD.calls[0]._replace(outcome="fail", ids=()),)
    [what] = says(checks.acknowledged(replace(GOOD, calls=refused)))
    assert "was refused" in what


def test_c2_a_request_that_made_two_tasks() -> None:
    tasks = {"task": row(), "twin": row(id="twin")}
    unknown = (GOOD.calls[0]._replace(outcome="unknown", ids=()),)
    [what] = says(checks.acknowledged(replace(GOOD, calls=unknown, tasks=tasks)))
    assert "is there 2 times instead of 1" in what


def test_c2_a_request_of_which_half_is_there() -> None:
    half = (GOOD.calls[0]._replace(serials=(1, 2), outcome="unknown", ids=()),)
    assert len(says(checks.acknowledged(replace(GOOD, calls=half)))) == 1
    nothing = replace(GOOD, calls=half, tasks={})
    assert says(checks.acknowledged(nothing)) == []


def test_c2_a_task_that_nobody_has_asked_for() -> None:
    assert says(checks.acknowledged(replace(GOOD, calls=()))) == [
        "a task that no client has asked for"
    ]


def test_c2_an_error_that_nobody_has_promised() -> None:
    surprise = (GOOD.calls[0]._replace(outcome="surprise", ids=(), error="KeyError(1)"),)
    assert "KeyError(1)" in says(checks.acknowledged(replace(GOOD, calls=surprise)))[0]


def test_c3_a_final_status_that_changes() -> None:
    events = (*EVENTS, event(5, "succeeded", "pending", 12.0))
    tasks = {"task": row(status="pending")}
    [what] = says(checks.final(replace(GOOD, events=events, tasks=tasks)))
    assert "went from succeeded to pending" in what


def test_c3_a_move_that_the_diagram_does_not_know() -> None:
    events = (EVENTS[0], event(2, "pending", "running", 10.2, run="run"), *EVENTS[3:])
    [what] = says(checks.final(replace(GOOD, events=events)))
    assert "went from pending to running" in what


def test_c3_a_status_that_no_event_has_led_to() -> None:
    assert says(checks.final(replace(GOOD, tasks={"task": row(status="failed")})))
    assert says(checks.final(replace(GOOD, events=()))) == ["is there and has never come to be"]
    assert says(checks.final(replace(GOOD, tasks={}))) == ["is None and was last succeeded"]


def test_c4_succeeded_without_a_body_that_returned() -> None:
    cut_short = replace(GOOD, lines=(line("began", 10.3), line("left", 11.0)))
    assert says(checks.truth(cut_short)) == ["succeeded, and its body has not returned"]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_c4_a_body_that_returned_of_a_task_that_says_otherwise(status: str) -> None:
    events = (*EVENTS[:3], event(4, "running", status, 11.1, run="run"))
    other = replace(GOOD, tasks={"task": row(status=status)}, events=events)
    assert f"{status}, and its body has returned" in says(checks.truth(other))


def test_c4_a_body_that_returned_and_is_not_known_to_have() -> None:
    events = (*EVENTS[:3], event(4, "running", "interrupted", 11.1, run="run"))
    lost = replace(GOOD, tasks={"task": row(status="interrupted")}, events=events)
    assert says(checks.truth(lost)) == ["its body returned, and the rows say interrupted"]
    assert says(checks.truth(replace(lost, late={"run": {"status": "succeeded"}}))) == []
    killed = {INSTANCE: GOOD.instances[INSTANCE]._replace(ended=11.05, code=-9)}
    assert says(checks.truth(replace(lost, instances=killed))) == []


def test_c4_who_was_called_lost_tells_all_the_same() -> None:
    events = (*EVENTS[:3], event(4, "running", "interrupted", 11.1, run="run"))
    lost = replace(
        GOOD,
        tasks={"task": row(status="interrupted")},
        events=events,
        instances={INSTANCE: GOOD.instances[INSTANCE]._replace(ended=30.0, code=5)},
    )
    assert says(checks.truth(lost)) == ["its body returned, and the rows say interrupted"]
    unheard = replace(lost, acts=(act("silence", 20.0, 29.0),))
    assert says(checks.truth(unheard)) == []


def test_c4_a_run_given_back_that_has_started() -> None:
    events = (*EVENTS[:3], event(4, "running", "pending", 11.1, run="run", attempt=0))
    given_back = replace(GOOD, events=events, tasks={"task": row(status="pending", attempt=0)})
    assert "given back as never started, and it has started" in says(checks.truth(given_back))
    assert "pending, and a body more has started" in says(checks.truth(given_back))


def test_c4_a_cancel_that_promised_too_much() -> None:
    cancels = ({"id": "task", "is_over": True},)
    assert says(checks.truth(replace(GOOD, cancels=cancels))) == [
        "cancelled, said the answer; it is succeeded"
    ]


def test_c4_cancelled_before_its_start_though_it_has_started() -> None:
    tasks = {"task": row(status="cancelled", cancel_level="before_start", attempt=0, run=None)}
    assert "cancelled before its start, and its body has started" in says(
        checks.truth(replace(GOOD, tasks=tasks))
    )


def test_c5_a_run_that_no_row_has_known() -> None:
    unknown = replace(GOOD, events=EVENTS[:2])
    assert says(checks.owner(unknown)) == ["started, and no row has ever known the run"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"real": NOON + 10.9}, "started 0.600 s before it was begun"),
        ({"attempt": 2}, "started as another attempt than it was begun"),
        ({"worker": "w-2"}, f"begun by another than {INSTANCE}"),
    ],
)
def test_c5_a_run_that_was_begun_otherwise(change: Row, what: str) -> None:
    events = (*EVENTS[:2], EVENTS[2]._replace(**change), EVENTS[3])
    assert says(checks.owner(replace(GOOD, events=events))) == [what]


def test_c6_before_its_time() -> None:
    early = replace(GOOD, tasks={"task": row(scheduled_at=NOON + 10.35)})
    assert says(checks.early(early)) == [
        "handed out 0.250 s before its time",
        "started 0.050 s before its time",
    ]


def test_c6_the_databases_clock_counts() -> None:
    events = (EVENTS[0], EVENTS[1]._replace(at=NOON + 20.1), *EVENTS[2:])
    jumped = act("clock", 5.0, 10.2, seconds=10.0)
    due = {"task": row(scheduled_at=NOON + 20.0)}
    assert says(checks.early(replace(GOOD, tasks=due, events=events, acts=(jumped,)))) == []
    assert says(checks.early(replace(GOOD, tasks=due, events=events)))


def test_c10_more_bodies_than_slots() -> None:
    more = tuple(
        line(mark, boot, run=f"run {number}")
        for number in range(3)
        for mark, boot in (("began", 10.3), ("left", 11.0))
    )
    [what] = says(checks.capacity(replace(GOOD, lines=more)))
    assert what == f"{INSTANCE} runs 3 bodies in 2 slots"


@pytest.mark.parametrize("change", [{"slots_busy": 1}, {"tasks_sent": 2}])
def test_c10_a_slot_that_leaked(change: Row) -> None:
    leaked = replace(GOOD, workers=({**GOOD.workers[0], **change},))
    [what] = says(checks.capacity(leaked))
    assert "at rest, and not free" in what

"""The checks on what faults may lead to, and what not: each can fail."""

from dataclasses import replace

import pytest
from tests.proof.lives import EVENTS, GOOD, INSTANCE, NOON, WORKER, act, event, line, row, says

from proof.torture import harm
from proof.torture.history import Act


@pytest.mark.parametrize("status", ["pending", "dispatched", "running"])
def test_c7_what_waits_or_hangs_at_rest(status: str) -> None:
    hanging = replace(GOOD, tasks={"task": row(status=status, due_at=NOON + 59.0)})
    assert says(harm.live(hanging)) == [f"hangs as {status} of {WORKER}"]


def test_c7_what_is_not_due_may_wait() -> None:
    waiting = replace(GOOD, tasks={"task": row(status="pending", due_at=NOON + 61.0)})
    assert says(harm.live(waiting)) == []


def test_c8_a_fault_after_which_nothing_starts_for_long() -> None:
    calm = replace(GOOD, acts=(act("usurp", 1.0, 2.0),), lines=(line("began", 17.5),))
    assert says(harm.recovery(calm)) == ["15.5 s of calm after usurp 1 until it went on"]
    disturbed = replace(calm, acts=(*calm.acts, act("lock", 5.0, 16.0)))
    assert says(harm.recovery(disturbed)) == []
    assert harm.recovery(disturbed).figures["next start max"] == 15.5


def test_c8_a_kill_whose_truth_is_late() -> None:
    events = (*EVENTS[:3], event(4, "running", "interrupted", 30.0, run="run"))
    killed = replace(
        GOOD, events=events, lines=(line("began", 10.3), line("began", 11.2)),
        acts=(act("kill", 11.0, 11.0),),
    )  # fmt: skip
    assert says(harm.recovery(killed)) == ["19.0 s of calm after kill 1 until it went on"]
    assert harm.recovery(killed).figures["kill to truth max"] == 19.0
    disturbed = replace(killed, acts=(*killed.acts, act("server stop", 20.0, 24.0)))
    assert harm.recovery(disturbed).figures["kill to truth max"] == 19.0
    assert harm.recovery(disturbed).figures["calm to truth max"] == 6.0


INTERRUPTED = replace(
    GOOD,
    attempts=(
        {
            "task": "task", "run": "run", "worker": WORKER, "outcome": "interrupted",
            "error": "silent", "ended_at": NOON + 20.0,
        },
    ),
)  # fmt: skip


def test_c9_interrupted_though_nothing_was_done_to_its_worker() -> None:
    assert says(harm.false_interrupts(INTERRUPTED)) == ["interrupted for no reason: silent"]


@pytest.mark.parametrize(
    "excuse",
    [
        act("kill", 15.0, 15.0),
        act("pause", 12.0, 18.0),
        act("silence", 12.0, 18.0),
        act("silence", 12.0, 18.0, "worker-1.0"),
        act("starved", 16.0, 18.0, "nobody"),
        act("kill child", 15.0, 15.0, pid=70),
        act("reset", 18.0, 18.0)._replace(kind="silence", detail={"healing": "FORGOTTEN"}),
    ],
)
def test_c9_interrupted_by_what_was_done_to_it(excuse: Act) -> None:
    assert says(harm.false_interrupts(replace(INTERRUPTED, acts=(excuse,)))) == []


@pytest.mark.parametrize(
    "no_excuse",
    [
        act("kill", 15.0, 15.0, "worker-2.1"),
        act("kill", 21.0, 21.0),
        act("pause", 12.0, 18.0, "worker-1.0"),
        act("silence", 12.0, 18.0, "worker-11.0"),
        act("pause", 12.0, 13.0),
        act("usurp", 12.0, 18.0),
        act("server stop", 12.0, 18.0),
        act("kill child", 15.0, 15.0, pid=71),
    ],
)
def test_c9_what_is_no_excuse(no_excuse: Act) -> None:
    assert len(says(harm.false_interrupts(replace(INTERRUPTED, acts=(no_excuse,))))) == 1


def test_c9_the_clock_of_the_database_may_have_been_set_back() -> None:
    events = (*EVENTS[:3], event(4, "running", "interrupted", 30.0, run="run"))
    late = replace(INTERRUPTED, events=events, acts=(act("kill", 25.0, 25.0),))
    assert says(harm.false_interrupts(late)) == []
    never = replace(late, acts=())
    assert says(harm.false_interrupts(never)) == ["interrupted for no reason: silent"]


def test_c9_called_lost_though_nothing_was_done_to_it() -> None:
    lost = replace(GOOD, ends=({"worker": WORKER, "state": "lost", "real": NOON + 20.0},))
    assert says(harm.false_interrupts(lost)) == ["called lost for no reason"]


def test_c11_a_body_that_goes_on_after_its_worker() -> None:
    killed = replace(GOOD, acts=(act("kill", 10.4, 10.4),))
    assert says(harm.zombies(killed)) == [
        "ended 0.600 s after kill -9",
        "left 0.600 s after kill -9",
    ]


def test_c12_a_start_before_the_adoption() -> None:
    held = replace(GOOD, acts=(act("forgetful failover", 9.0, 20.0, "nobody"),))
    assert says(harm.held(held)) == ["started 1.3 s into a hold"]


def test_c13_a_traceback_that_nobody_planned() -> None:
    planned = "task failed: task=1\nTraceback (most recent call last):\nValueError\n"
    assert says(harm.logs(replace(GOOD, logs={"a.log": planned}))) == []
    surprise = {"a.log": "ready\nTraceback (most recent call last):\nKeyError\n"}
    [what] = says(harm.logs(replace(GOOD, logs=surprise)))
    assert what == "a traceback that nobody planned, line 2"


def test_c13_a_secret_in_a_log() -> None:
    told = {"a.log": "connecting to postgresql://me:canary@there\n"}
    assert says(harm.logs(replace(GOOD, logs=told))) == ["a secret stands in it"]


def test_c13_a_process_that_ends_by_itself() -> None:
    crashed = {INSTANCE: GOOD.instances[INSTANCE]._replace(ended=12.0, code=1)}
    assert says(harm.logs(replace(GOOD, instances=crashed))) == ["ended by itself with code 1"]

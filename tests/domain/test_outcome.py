"""What an outcome makes of its task: another attempt, or the end."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.outcome import (
    Allowance,
    Backoff,
    Failed,
    Interrupted,
    Outcome,
    Snoozed,
    Stopped,
    Succeeded,
    next_attempt_in,
)
from fcs.domain.task import OnInterrupt, StopLevel

FAILED = Failed("ValueError: ouch", "ValueError")
LAST: list[Outcome] = [
    Succeeded(),
    Stopped(StopLevel.FLAG),
    Failed("no such user", "GiveUp", may_retry=False),
    Failed("no such user", "GiveUp", may_retry=False, delay=3.0),
    Interrupted("the worker was shut down"),
]


def allowance(attempt: int = 1, max_attempts: int = 3, **changes: object) -> Allowance:
    return Allowance(attempt, max_attempts, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", LAST, ids=repr)
def test_these_are_the_end_whatever_attempts_are_left(outcome: Outcome) -> None:
    assert next_attempt_in(outcome, allowance(), Random(1)) is None


@given(st.integers(1, 50), st.integers(1, 50), st.integers())
def test_a_failure_is_followed_by_another_attempt_exactly_while_one_is_left(
    attempt: int, max_attempts: int, seed: int
) -> None:
    """ONCE: at most `max_attempts` bodies start."""
    delay = next_attempt_in(FAILED, allowance(attempt, max_attempts), Random(seed))

    assert (delay is not None) == (attempt < max_attempts)


def test_by_default_a_body_runs_once() -> None:
    assert next_attempt_in(FAILED, allowance(1, 1), Random(1)) is None
    retry = Interrupted("gone")
    assert (
        next_attempt_in(retry, allowance(1, 1, on_interrupt=OnInterrupt.RETRY), Random(1)) is None
    )


def test_a_body_may_choose_the_time_of_its_next_attempt_but_gets_no_more_of_them() -> None:
    asked = Failed("busy", "Retry", delay=42.0)

    assert next_attempt_in(asked, allowance(2, 3), Random(1)) == 42.0
    assert next_attempt_in(asked, allowance(3, 3), Random(1)) is None


def test_a_snooze_uses_up_no_attempt() -> None:
    assert next_attempt_in(Snoozed(60.0), allowance(1, 1), Random(1)) == 60.0


def test_an_interrupted_run_is_followed_by_another_only_where_that_was_asked_for() -> None:
    gone = Interrupted("gone")

    assert next_attempt_in(gone, allowance(), Random(1)) is None
    again = next_attempt_in(gone, allowance(on_interrupt=OnInterrupt.RETRY), Random(1))
    assert again is not None


@given(
    st.floats(0, 1e6), st.floats(1, 1e3), st.floats(0, 1e9), st.integers(1, 10_000), st.integers()
)
def test_a_pause_lies_between_nothing_and_its_ceiling(
    first: float, factor: float, cap: float, attempt: int, seed: int
) -> None:
    backoff = Backoff(first=first, factor=factor, cap=cap)

    pause = backoff.pause(attempt, Random(seed))
    assert 0 <= pause <= backoff.ceiling(attempt) <= cap
    assert backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)


def test_a_factor_may_be_larger_than_any_number_can_follow() -> None:
    backoff = Backoff(first=1, factor=1e160, cap=60)
    assert [backoff.ceiling(attempt) for attempt in (1, 2, 3, 10_000)] == [1, 60, 60, 60]
    assert Backoff(first=0, factor=1e160, cap=60).ceiling(3) == 0


def test_ceilings_grow_by_the_factor_up_to_the_cap() -> None:
    backoff = Backoff(first=2, factor=3, cap=100)
    assert [backoff.ceiling(attempt) for attempt in range(1, 7)] == [2, 6, 18, 54, 100, 100]


def test_many_who_failed_together_do_not_come_back_together() -> None:
    rng = Random(7)
    pauses = [Backoff(first=100).pause(1, rng) for _ in range(1_000)]
    assert len({int(pause) for pause in pauses}) > 90

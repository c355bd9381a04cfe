"""The database's clock as a node knows it."""

import pytest
from tests.domain.samples import NOON, SECOND

from fcs.domain.clock import DatabaseClock


def test_between_two_looks_the_local_clock_carries_it_on() -> None:
    clock = DatabaseClock()
    clock.sync(NOON, answered_at=100.0)

    assert clock.now(100.0) == NOON
    assert clock.now(102.5) == NOON + 2.5 * SECOND


def test_a_jump_of_the_database_is_followed_in_both_directions() -> None:
    """F-62: the system time may be changed while a node sleeps on a far schedule."""
    clock = DatabaseClock()
    for jump in (-3_600, 3_600):
        clock.sync(NOON, answered_at=100.0)
        clock.sync(NOON + jump * SECOND, answered_at=101.0)

        assert clock.now(101.0) == NOON + jump * SECOND


def test_the_estimate_is_never_ahead_of_the_database() -> None:
    """What is offered too soon is refused, and the worker would be thought unwilling."""
    asked_at, read_at, answered_at = 100.0, 100.3, 100.4
    clock = DatabaseClock()
    clock.sync(NOON, answered_at=answered_at)

    assert clock.now(asked_at + 1) <= NOON + (asked_at + 1 - read_at) * SECOND


def test_a_clock_that_was_never_set_says_so() -> None:
    with pytest.raises(AssertionError):
        DatabaseClock().now(0)

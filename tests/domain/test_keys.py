"""Idempotency keys: what may be one, and when two requests ask for the same."""

from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace
from tests.domain.samples import NOON, task_id

from fcs.domain.errors import InvalidInput
from fcs.domain.keys import LENGTH_MAX, check_key, fingerprint
from fcs.domain.task import NewTask, OnInterrupt, WhenNeedsFail

TASK = NewTask(task_id(1), "resize", b'{"photo": "a", "width": 5}')

OTHERS: dict[str, Any] = {
    "ty": "crop",
    "args": b'{"photo": "b", "width": 5}',
    "queue": "slow",
    "priority": 1,
    "scheduled_at": NOON,
    "delay": 1.0,
    "max_attempts": 2,
    "timeout": 1.0,
    "on_interrupt": OnInterrupt.RETRY,
    "limit_key": "ann",
    "after": (task_id(3),),
    "when_needs_fail": WhenNeedsFail.RUN,
}


@pytest.mark.parametrize("key", ["a", "order-17", "ż ó ł w 🥨", '"', "k" * LENGTH_MAX])
def test_any_printable_text_is_a_key(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["", "k" * (LENGTH_MAX + 1), "a\0", "a\nb", "\ud800"])
def test_what_cannot_be_stored_or_shown_is_none(key: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_key(key)
    assert error.value.hint
    assert [problem.pointer for problem in error.value.problems] == ["/key"]


@pytest.mark.parametrize("name", [field.name for field in fields(NewTask)])
def test_everything_that_is_asked_for_counts(name: str) -> None:
    if name in ("id", "key"):
        return
    assert fingerprint([TASK]) != fingerprint([replace(TASK, **{name: OTHERS[name]})])


def test_who_asks_and_under_which_key_does_not_count() -> None:
    assert fingerprint([TASK]) == fingerprint([replace(TASK, id=task_id(2), key="order-17")])


def test_the_order_of_names_does_not_count() -> None:
    turned = replace(TASK, args=b'{"width":5,"photo":"a"}')
    assert fingerprint([TASK]) == fingerprint([turned])


def test_the_order_of_needed_tasks_does_not_count() -> None:
    one, other = (replace(TASK, after=tuple(map(task_id, ids))) for ids in ((3, 4), (4, 3)))
    assert fingerprint([one]) == fingerprint([other])


def test_a_moment_is_the_same_moment_in_every_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    one, other = replace(TASK, scheduled_at=NOON), replace(TASK, scheduled_at=there)
    assert fingerprint([one]) == fingerprint([other])


def test_what_is_as_usual_counts_as_not_said() -> None:
    """So a request sent before an upgrade of fcs and again after it is the same."""
    assert fingerprint([TASK]) == "99e7056f70a36974862f1dbbc776d257"


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_many_are_the_same_if_each_is_in_its_place(ones: list[int], others: list[int]) -> None:
    def ask(numbers: list[int]) -> str:
        return fingerprint([replace(TASK, args=b'{"n": %d}' % number) for number in numbers])

    assert (ask(ones) == ask(others)) == (ones == others)

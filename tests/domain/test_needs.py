"""What a task has to wait for."""

from uuid import UUID

import pytest
from tests.domain.samples import task_id

from fcs.domain import needs
from fcs.domain.errors import InvalidInput
from fcs.domain.needs import check_needs, check_when_needs_fail
from fcs.domain.task import WhenNeedsFail


def test_each_is_named_once_in_the_order_given() -> None:
    given: list[UUID | str] = [task_id(2), str(task_id(1)), task_id(2)]
    assert check_needs(given) == (task_id(2), task_id(1))


def test_what_is_no_id_is_named() -> None:
    with pytest.raises(InvalidInput, match="order-17") as error:
        check_needs(["order-17"])
    assert [problem.pointer for problem in error.value.problems] == ["/after"]


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "NEEDS_MAX", 2)
    assert check_needs([task_id(1), task_id(2), task_id(1)])
    with pytest.raises(InvalidInput, match="3 others"):
        check_needs([task_id(1), task_id(2), task_id(3)])


def test_there_are_two_answers_to_a_failure() -> None:
    assert check_when_needs_fail("run") is WhenNeedsFail.RUN
    assert check_when_needs_fail("cancel") is WhenNeedsFail.CANCEL
    with pytest.raises(InvalidInput) as error:
        check_when_needs_fail("retry")
    assert error.value.hint

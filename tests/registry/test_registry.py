"""The registry knows types by name, and helps whoever mistypes one."""

import types
from collections.abc import Callable
from typing import Any

import pytest

from fcs.domain.errors import UnknownType
from fcs.registry import InvalidTaskType, Registry, TaskType


def send_mail() -> None: ...
def other_mail() -> None: ...


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add(TaskType(send_mail))
    registry.add(TaskType(other_mail, name="reports"))
    return registry


def test_types_are_found_by_name(registry: Registry) -> None:
    assert registry.get("send_mail").function is send_mail
    assert registry.names() == ["reports", "send_mail"]
    assert [kind.name for kind in registry] == ["reports", "send_mail"]
    assert "reports" in registry
    assert "other_mail" not in registry
    assert len(registry) == 2


def test_unknown_types_get_a_near_match(registry: Registry) -> None:
    with pytest.raises(UnknownType, match="'send_mial'") as refusal:
        registry.get("send_mial")
    assert refusal.value.hint == "Did you mean 'send_mail'? Known types: reports, send_mail."
    assert [problem.pointer for problem in refusal.value.problems] == ["/ty"]


def test_an_empty_registry_says_what_is_missing() -> None:
    with pytest.raises(UnknownType) as refusal:
        Registry().get("x")
    assert "--app" in refusal.value.hint


def test_a_long_unknown_name_is_not_repeated_in_full(registry: Registry) -> None:
    with pytest.raises(UnknownType) as refusal:
        registry.get("x" * 60_000)
    assert len(str(refusal.value)) < 300


def test_one_name_for_two_functions_is_refused_naming_both(registry: Registry) -> None:
    with pytest.raises(InvalidTaskType) as refusal:
        registry.add(TaskType(other_mail, name="send_mail"))
    for function in (send_mail, other_mail):
        assert f"test_registry.py:{function.__code__.co_firstlineno}" in str(refusal.value)
    assert registry.get("send_mail").function is send_mail


def test_one_file_imported_twice_is_recognised() -> None:
    registry = Registry()
    registry.add(TaskType(send_mail))
    with pytest.raises(InvalidTaskType) as refusal:
        registry.add(TaskType(_as_imported_under("__main__", send_mail)))
    assert "imported twice" in refusal.value.hint


def test_a_cell_of_a_notebook_that_is_run_twice_is_recognised(registry: Registry) -> None:
    held = registry.get("send_mail")
    with pytest.raises(InvalidTaskType) as refusal:
        registry.add(TaskType(_as_imported_under(__name__, send_mail)))
    assert str(refusal.value) == f"Task type 'send_mail' was declared twice, in {held.place}."
    assert "notebook" in refusal.value.hint


def _as_imported_under(module: str, function: Callable[..., Any]) -> Callable[..., Any]:
    twin = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    twin.__module__ = module
    return twin

"""Where bodies of a type run, and what they may use there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fcs.domain.outcome import Backoff
from fcs.registry import InvalidTaskType, Isolation, Registry, TaskType


async def later() -> None: ...


def plain() -> None: ...


@pytest.mark.parametrize(
    ("function", "isolation", "expected"),
    [
        (later, None, Isolation.LOOP),
        (later, "loop", Isolation.LOOP),
        (later, "process", Isolation.PROCESS),
        (plain, None, Isolation.THREAD),
        (plain, "thread", Isolation.THREAD),
        (plain, "process", Isolation.PROCESS),
    ],
)
def test_a_body_runs_where_its_function_belongs_unless_a_process_is_asked_for(
    function: Callable[..., Any], isolation: str | None, expected: Isolation
) -> None:
    assert TaskType(function, isolation=isolation).isolation is expected


def test_a_process_may_be_limited() -> None:
    task_type = TaskType(plain, isolation="process", memory_max=1 << 20, cpu_max="2m")
    assert (task_type.memory_max, task_type.cpu_max) == (1 << 20, 120)


@pytest.mark.parametrize(
    ("function", "options", "hint"),
    [
        (plain, {"isolation": "loop"}, 'for "thread"'),
        (later, {"isolation": "thread"}, 'for "loop"'),
        (plain, {"isolation": "container"}, 'Say "process"'),
        (plain, {"memory_max": 1 << 20}, 'isolation="process"'),
        (later, {"cpu_max": 1}, 'isolation="process"'),
        (plain, {"isolation": "process", "memory_max": 0}, "in bytes"),
        (plain, {"isolation": "process", "cpu_max": 0}, "Leave it out"),
        (plain, {"isolation": "process", "cpu_max": "soon"}, "90"),
        (plain, {"backoff": Backoff(factor=float("inf"))}, "the factor at least 1"),
        (plain, {"backoff": Backoff(cap=float("inf"))}, "a thousand years"),
        (plain, {"backoff": Backoff(first=float("nan"))}, "No time"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    function: Callable[..., Any], options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(InvalidTaskType) as refusal:
        TaskType(function, **options)
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("name", 5),
        ("queue", 3),
        ("queue", None),
        ("priority", "high"),
        ("priority", 1.5),
        ("priority", True),
        ("max_attempts", "3"),
        ("max_attempts", 2.5),
        ("backoff", 5),
        ("backoff", Backoff(first="2s")),  # type: ignore[arg-type]
        ("backoff", Backoff(cap=timedelta(hours=1))),  # type: ignore[arg-type]
        ("timeout", datetime(2030, 1, 1, tzinfo=UTC)),
        ("limit_by", ["customer"]),
        ("isolation", 5),
        ("memory_max", "512m"),
        ("memory_max", 1.5e9),
        ("cpu_max", datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_option_of_the_wrong_type_is_named_with_what_was_given(option: str, value: Any) -> None:
    options: dict[str, Any] = {"isolation": "process", option: value}
    with pytest.raises(InvalidTaskType) as refusal:
        TaskType(plain, **options)
    assert option == "name" or option in str(refusal.value)
    assert repr(value) in str(refusal.value) or f"'{value}'" in str(refusal.value)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"max_attemps": 3}, "'max_attempts'"), ({"once": True}, "timeout")],
)
def test_an_option_that_nobody_knows_is_refused(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidTaskType, match="There is no option") as refusal:
        TaskType(plain, **options)
    assert hint in refusal.value.hint


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ([KeyError], r"\[<class 'KeyError'>\]"),
        (["KeyError"], r"\['KeyError'\]"),
        ("KeyError", "'KeyError'"),
        (("KeyError",), "'KeyError'"),
        ((KeyError, int), "<class 'int'>"),
        (KeyError(), r"KeyError\(\)"),
        (None, "None"),
    ],
)
def test_to_give_up_on_anything_but_exceptions_is_refused_by_name(named: Any, said: str) -> None:
    with pytest.raises(InvalidTaskType, match=f"^Task 'plain': .*{said}") as refusal:
        TaskType(plain, give_up_on=named)
    assert "give_up_on=(KeyError, ValueError)" in refusal.value.hint


@pytest.mark.parametrize("named", [KeyError, (KeyError, KeyboardInterrupt), ()])
def test_exceptions_to_give_up_on_are_kept_as_they_are_named(named: Any) -> None:
    assert TaskType(plain, give_up_on=named).give_up_on == named


def test_the_registry_knows_which_types_need_child_processes() -> None:
    registry = Registry()
    registry.add(TaskType(plain))
    registry.add(TaskType(plain, name="alone", isolation="process"))
    assert registry.isolated() == ["alone"]

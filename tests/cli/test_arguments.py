"""A task's arguments from the command line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.said import Fcs

from fcs.cli.task.arguments import check_arguments, read_arguments
from fcs.domain.errors import FcsError, InvalidArguments, InvalidInput
from fcs.registry import TaskType


def greet(name: str, times: int = 1) -> None:
    """Say hello."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1.5", -1.5),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
        ('"5"', "5"),
        ("hello", "hello"),
        ("", ""),
        ("a=b", "a=b"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("007", "007"),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ("żółć", "żółć"),
    ],
)
def test_value_is_json_if_it_can_be_and_else_text(text: str, value: Any) -> None:
    assert json.loads(read_arguments([f"x={text}"], None)) == {"x": value}


def test_digits_are_kept_as_they_were_written() -> None:
    assert read_arguments(["x=123456789012345678901234567890"], None) == (
        b'{"x":123456789012345678901234567890}'
    )


def test_no_arguments_are_an_empty_object() -> None:
    assert read_arguments([], None) == b"{}"


def test_object_is_taken_whole() -> None:
    assert json.loads(read_arguments([], '{"a": [1]}')) == {"a": [1]}


@pytest.mark.parametrize(
    ("arg", "text"),
    [
        (["x"], None),
        (["=1"], None),
        (["x=1", "x=2"], None),
        (["ty=1"], None),
        (["x=\0"], None),
        (["x=\udcff"], None),
        (["\udcff=1"], None),
        (["x=1"], "{}"),
        ([], ""),
        ([], "5"),
        ([], "[]"),
        ([], "{"),
        ([], '{"a": NaN}'),
        ([], '{"a": 1, "a": 2}'),
        ([], '{"ty": "baz"}'),
        ([], '{"a": "\udcff"}'),
    ],
)
def test_what_cannot_be_arguments(arg: list[str], text: str | None) -> None:
    with pytest.raises(InvalidInput):
        read_arguments(arg, text)


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: "=" not in name), st.text()))
def test_either_readable_json_or_a_clean_refusal(values: dict[str, str]) -> None:
    try:
        args = read_arguments([f"{name}={text}" for name, text in values.items()], None)
    except FcsError:
        return
    assert json.loads(args).keys() == values.keys()


def test_number_where_text_is_wanted_says_how_to_quote() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        check_arguments(b'{"name":5}', TaskType(greet), ["name=5"])
    assert "--arg 'name=\"…\"'" in refusal.value.hint


def test_other_faults_keep_their_hint() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        check_arguments(b'{"nmae":"ann"}', TaskType(greet), ["nmae=ann"])
    assert "name" in refusal.value.hint


def test_at_and_in_exclude_each_other(fcs: Fcs) -> None:
    fcs("task", "create", "baz", "--in", "5m", "--at", "2031-01-01T00:00Z").fails(2)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--in", "5x"],
        ["--in", "5"],
        ["--timeout", "1.5"],
        ["--max-attempts", "0"],
        ["--on-interrupt", "ignore"],
        ["--in", "-5m"],
        ["--in", "99999999d"],
        ["--in", "soon"],
        ["--at", "tomorrow"],
        ["--at", "2031-01-01T00:00"],
        ["--at", "9001-01-01T00:00Z"],
        ["--priority", "101"],
        ["--queue", "no/slash"],
        ["--app", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_options_are_refused_by_name(fcs: Fcs, wrong: list[str]) -> None:
    assert wrong[0] in fcs("task", "create", "baz", *wrong).fails(2)

"""Whom commits wait for, as Postgres reads the setting."""

import pytest

from fcs.domain.standbys import whom_all_wait_for


@pytest.mark.parametrize(
    ("setting", "standbys"),
    [
        ("s1", {"s1"}),
        ("  S1 ", {"s1"}),
        ('"node 1"', {"node 1"}),
        ('"a ""b"""', {'a "b"'}),
        ("FIRST 1 (s1)", {"s1"}),
        ('first 2 (s1, "S 2")', {"s1", "s 2"}),
        ("ANY 2 (a,b)", {"a", "b"}),
        ("2 (a, b)", {"a", "b"}),
        ("1(a)", {"a"}),
        ("any", {"any"}),
        ("7", {"7"}),
    ],
)
def test_each_of_them_has_to_confirm(setting: str, standbys: set[str]) -> None:
    assert whom_all_wait_for(setting) == standbys


@pytest.mark.parametrize(
    "setting",
    [
        "",
        " ",
        "s1, s2",  # the first of the two that is there
        "FIRST 1 (a, b)",
        "ANY 1 (a, b)",
        "ANY 2 (a, b, c)",
        "*",
        "FIRST 1 (*)",
        "FIRST 2 (a, *)",
        "a b",
        "ANY 1 (a) b",
        "(a)",
        '"a',
    ],
)
def test_who_that_is_depends_or_cannot_be_told(setting: str) -> None:
    assert whom_all_wait_for(setting) == frozenset()

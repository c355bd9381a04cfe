"""The short form of the fuzz of everything that reads text."""

import pytest
from hypothesis import strategies as st

from fcs.domain.errors import InvalidInput
from proof.fuzz import parsers
from proof.fuzz.parsers import PARSERS, Parser


@pytest.mark.parametrize("name", PARSERS)
def test_only_what_is_documented_comes_out(name: str) -> None:
    assert parsers.run(examples=150, only=[name]).violations == []


@pytest.mark.parametrize("error", [ValueError("x"), AssertionError("y"), RecursionError("z")])
def test_anything_else_is_a_violation(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def read(_: object) -> None:
        raise error

    monkeypatch.setitem(PARSERS, "broken", Parser(read, st.text(), (InvalidInput,)))
    report = parsers.run(examples=5, only=["broken"])
    [violation] = report.violations
    assert type(error).__name__ in violation
    assert report.tried > 0

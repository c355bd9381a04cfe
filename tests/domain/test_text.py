"""Safe text never fails and is always fit for a column of Postgres."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.text import BYTES_MAX, safe_text


class LyingMeta(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


class Deadly(Exception, metaclass=LyingMeta):
    def __str__(self) -> str:
        raise SystemExit(3)


class NoText:
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307


class Stubborn(str):
    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        raise KeyboardInterrupt

    def replace(self, *args: Any) -> str:
        raise KeyboardInterrupt

    def __str__(self) -> str:
        return self


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n\tü 😀", "as it is\n\tü 😀"),
        (ValueError("bad width"), "ValueError: bad width"),
        (KeyError("k"), "KeyError: 'k'"),
        (ValueError(), "ValueError"),
        (None, "None"),
        ("a\0b", "a\\x00b"),
        ("\ud800", "\\ud800"),
        (Mute(), "Mute (its message cannot be shown)"),
        (Deadly(), "Deadly (its message cannot be shown)"),
        (NoText(), "(NoText that cannot be shown as text)"),
        (Stubborn("text\0"), "text\\x00"),
    ],
)
def test_everything_has_a_text(value: object, text: str) -> None:
    assert safe_text(value) == text


@pytest.mark.parametrize("letter", ["x", "ü", "€", "😀", "\0", "\ud800"])
@pytest.mark.parametrize("more", range(4))
def test_long_texts_are_cut_between_characters(letter: str, more: int) -> None:
    text = safe_text("y" * more + letter * 2 * BYTES_MAX)
    assert BYTES_MAX - 16 < len(text.encode()) <= BYTES_MAX
    assert text.endswith("… (cut)")
    assert text.startswith("y" * more)


def test_a_text_that_just_fits_is_not_cut() -> None:
    assert safe_text("x" * BYTES_MAX) == "x" * BYTES_MAX


def test_a_huge_message_costs_no_copy_of_itself() -> None:
    assert len(safe_text(ValueError("x" * 10_000_000))) < BYTES_MAX


@given(st.text(st.characters(codec=None)) | st.builds(ValueError, st.text()) | st.binary())
def test_any_text_can_be_stored(value: object) -> None:
    text = safe_text(value)
    assert "\0" not in text
    assert len(text.encode("utf-8")) <= BYTES_MAX
    assert type(text) is str

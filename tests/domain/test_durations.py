"""Stretches of time, as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.durations import SECONDS_MAX, Duration, seconds_of
from fcs.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90), (0.5, 0.5), (0, 0), ("90", 90), ("90s", 90), ("250ms", 0.25), ("10m", 600),
        ("1h30m", 5_400), (" 2D ", 172_800), ("1w", 604_800), ("1.5h", 5_400),
        (timedelta(minutes=2), 120),
    ],
)  # fmt: skip
def test_what_people_write(written: Duration, seconds: float) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "soon", "10 m", "-5s", "5x", "m", "1h nonsense", "\u0661", "1_0", -1,
     float("nan"), float("inf"), "1e400", timedelta(days=-1), SECONDS_MAX * 2, "9" * 400],
)  # fmt: skip
def test_what_is_no_stretch_of_time(written: Duration) -> None:
    with pytest.raises(InvalidInput) as error:
        seconds_of(written)
    assert error.value.hint


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    try:
        assert 0 <= seconds_of(text) <= SECONDS_MAX
    except InvalidInput:
        pass

"""What is asked of the medians, without measuring anything."""

import pytest

from bench.bar import AtLeast, AtMost, Bar, Figures, Reported, Sample, Within, medians
from bench.bars import ALL

FIGURES: Figures = medians(
    [
        Sample("raw", "/s", 100.0),
        Sample("ours", "/s", 75.0),
        Sample("ours", "/s", 85.0),
        Sample("ours", "/s", 20.0),
        Sample("wait", "ms", 12.0),
    ]
)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert FIGURES["ours"].value == 75.0
    assert FIGURES["ours"].rounds == [75.0, 85.0, 20.0]


@pytest.mark.parametrize(("times", "met"), [(0.75, True), (0.8, False)])
def test_at_least_so_many_times_the_yardstick(times: float, met: bool) -> None:
    [verdict] = Bar("P0", "", [], [AtLeast("ours", "raw", times)]).judge(FIGURES)

    assert (verdict.figure, verdict.yardstick_value, verdict.ratio) == (75.0, 100.0, 0.75)
    assert verdict.met is met


@pytest.mark.parametrize(("times", "met"), [(0.75, True), (0.7, False)])
def test_at_most_so_many_times_the_yardstick(times: float, met: bool) -> None:
    assert AtMost("ours", "raw", times).judge("P0", FIGURES).met is met


@pytest.mark.parametrize(("limit", "met"), [(12.0, True), (11.0, False)])
def test_within_a_limit_of_its_own_unit(limit: float, met: bool) -> None:
    verdict = Within("wait", limit).judge("P0", FIGURES)

    assert verdict.met is met
    assert verdict.asked == f"≤ {limit:g} ms"


@pytest.mark.parametrize("ask", [AtLeast("ours", "nobody", 1), AtMost("nobody", "raw", 1)])
def test_what_was_not_measured_is_neither_met_nor_missed(ask: AtLeast | AtMost) -> None:
    verdict = ask.judge("P0", FIGURES)

    assert (verdict.met, verdict.ratio) == (None, None)


def test_what_is_only_reported_shows_its_yardstick_and_is_not_judged() -> None:
    verdict = Reported("ours", "raw").judge("P0", FIGURES)

    assert (verdict.ratio, verdict.met) == (0.75, None)


def test_every_bar_has_a_name_of_its_own_and_asks_something() -> None:
    assert [bar.name for bar in ALL] == [f"P{number}" for number in range(1, 14)]
    assert all(bar.asks and bar.title for bar in ALL)

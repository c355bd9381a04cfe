"""What a bar is: how it is measured, what is asked of the medians, and whether that is met."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, Protocol

from bench.stage import Stage

REPORTED = "reported"
"""What the table says where nothing is asked."""


class Sample(NamedTuple):
    """What one round gave. The name says what was measured and who did it: "drain, fcs"."""

    name: str
    unit: str
    value: float


Measure = Callable[[Stage], AsyncIterator[Sample]]
"""One round of something. Bars may share a measure; in each round it is taken once."""


class Figure(NamedTuple):
    """The median over the rounds, and the rounds."""

    name: str
    unit: str
    value: float
    rounds: list[float]


Figures = Mapping[str, Figure]


class Verdict(NamedTuple):
    """A line of the table. `met` is None where something was not measured or nothing is asked."""

    bar: str
    what: str
    figure: float | None
    unit: str
    yardstick: str
    yardstick_value: float | None
    ratio: float | None
    asked: str
    met: bool | None


class Ask(Protocol):
    """One thing that a bar asks; pure, so that it can be tested without measuring anything."""

    def judge(self, bar: str, figures: Figures) -> Verdict: ...


class AtLeast(NamedTuple):
    """`figure` is at least so many times `yardstick`."""

    figure: str
    yardstick: str
    times: float

    def judge(self, bar: str, figures: Figures) -> Verdict:
        ratio = _ratio(figures, self.figure, self.yardstick)
        met = None if ratio is None else ratio >= self.times
        return _against(bar, figures, self.figure, self.yardstick, f"≥ {self.times:g} times", met)


class AtMost(NamedTuple):
    """`figure` is at most so many times `yardstick`."""

    figure: str
    yardstick: str
    times: float

    def judge(self, bar: str, figures: Figures) -> Verdict:
        ratio = _ratio(figures, self.figure, self.yardstick)
        met = None if ratio is None else ratio <= self.times
        return _against(bar, figures, self.figure, self.yardstick, f"≤ {self.times:g} times", met)


class Within(NamedTuple):
    """`figure` is not above a limit, in its own unit."""

    figure: str
    limit: float

    def judge(self, bar: str, figures: Figures) -> Verdict:
        found = figures.get(self.figure)
        met = None if found is None else found.value <= self.limit
        asked = f"≤ {self.limit:g} {found.unit if found else ''}".rstrip()
        return _alone(bar, figures, self.figure, asked, met)


class Reported(NamedTuple):
    """Nothing is asked of `figure`; `yardstick`, if there is one, is shown beside it."""

    figure: str
    yardstick: str = ""

    def judge(self, bar: str, figures: Figures) -> Verdict:
        if self.yardstick:
            return _against(bar, figures, self.figure, self.yardstick, REPORTED, None)
        return _alone(bar, figures, self.figure, REPORTED, None)


class Bar(NamedTuple):
    """A line of the budget: its name, its measures, and what is asked of their medians."""

    name: str
    title: str
    measures: Sequence[Measure]
    asks: Sequence[Ask]

    def judge(self, figures: Figures) -> list[Verdict]:
        return [ask.judge(self.name, figures) for ask in self.asks]


def medians(samples: Iterable[Sample]) -> dict[str, Figure]:
    """One figure for each name, in the order in which they were first seen."""
    rounds: dict[tuple[str, str], list[float]] = {}
    for name, unit, value in samples:
        rounds.setdefault((name, unit), []).append(value)
    return {
        name: Figure(name, unit, median(values), values) for (name, unit), values in rounds.items()
    }


def _ratio(figures: Figures, figure: str, yardstick: str) -> float | None:
    found, against = figures.get(figure), figures.get(yardstick)
    return found.value / against.value if found and against and against.value else None


def _against(
    bar: str, figures: Figures, figure: str, yardstick: str, asked: str, met: bool | None
) -> Verdict:
    against = figures.get(yardstick)
    return _alone(bar, figures, figure, asked, met)._replace(
        yardstick=yardstick,
        yardstick_value=against.value if against else None,
        ratio=_ratio(figures, figure, yardstick),
    )


def _alone(bar: str, figures: Figures, figure: str, asked: str, met: bool | None) -> Verdict:
    found = figures.get(figure)
    value, unit = (found.value, found.unit) if found else (None, "")
    return Verdict(bar, figure, value, unit, "", None, None, asked, met)

"""What the page shows of the models: figures and stories, between marks."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from bench import publish as marks
from proof.model.mistakes import Mistake

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "model.md"


class Row(Protocol):
    """What is shown of one configuration."""

    @property
    def name(self) -> str: ...
    @property
    def states(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def seconds(self) -> float: ...


FIGURES: Final = marks.between("model")
STORIES: Final = marks.between("stories")


def stories(mistakes: Iterable[Mistake]) -> list[str]:
    """Each mistake, what happens, and what is wrong in the end."""
    lines: list[str] = []
    for mistake in mistakes:
        *steps, wrong = mistake.story()
        lines += [f"### {mistake.name[0].upper()}{mistake.name[1:]}", "", mistake.what, ""]
        lines += [f"{no}. {step}" for no, step in enumerate(steps, start=1)]
        word, _, what = wrong.partition(": ")
        lines += ["", f"**{word}**: {what}.", ""]
    return lines


def figures(rows: Sequence[Row]) -> list[str]:
    """One line for each configuration, and the sum."""
    lines = ["| Configuration | States | Depth | States/s |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row.name} | {row.states:,} | {row.depth} | {_rate(row.states, row.seconds)} |"
        for row in rows
    ]
    states, seconds = sum(row.states for row in rows), sum(row.seconds for row in rows)
    lines.append(f"| **All** | **{states:,}** | | {_rate(states, seconds)} |")
    return lines


def _rate(states: int, seconds: float) -> str:
    return f"{states / seconds:,.0f}" if seconds else ""


def publish(rows: Sequence[Row], mistakes: Iterable[Mistake]) -> None:
    """Write both into the page."""
    for place, lines in ((FIGURES, figures(rows)), (STORIES, stories(mistakes))):
        marks.put(PAGE, place, "\n".join(lines) + "\n")

"""What one part of the fuzz has tried, and what went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SHOWN: Final = 20


@dataclass
class Report:
    """`tried` counts what was sent in; a violation is a sentence that names the case."""

    part: str
    tried: int = 0
    figures: dict[str, int | float | str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def check(self, holds: bool, violation: str) -> None:
        """Count a violation unless it holds."""
        if not holds:
            self.violations.append(violation)

    def text(self) -> str:
        """For people: the figures, and the first of the violations."""
        said = [f"{self.part}: {self.tried:,} tried, {len(self.violations):,} violations"]
        said += [f"  {name} {value}" for name, value in self.figures.items()]
        return "\n".join([*said, *(f"  ! {what}" for what in self.violations[:SHOWN])])


def figures(reports: Sequence[Report]) -> Mapping[str, int | float | str]:
    """How much was tried, by part."""
    return {report.part: report.tried for report in reports}

"""What a stage has to say once it is over: a line for people, and the same for the ledger."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a stage.

    `chances` says how many times the promise could have been broken, and `of_what` what was
    counted: tasks, states, schedules. `figures` are whatever else is worth keeping, seconds
    among them; `faults` are those that were made, by kind. `looked_at` tells the chances of
    each promise by itself, where a stage judges several, and how often it was broken.
    """

    stage: str
    chances: int
    of_what: str
    violations: int
    seconds: float
    faults: Mapping[str, int] = {}
    figures: Mapping[str, int | float | str] = {}
    looked_at: Mapping[str, tuple[int, int]] = {}

    @property
    def line(self) -> str:
        """All of it in one line."""
        faults = sum(self.faults.values())
        said = [
            f"{self.chances:,} {self.of_what}",
            *([f"{faults:,} faults"] if faults else []),
            *(f"{name} {_shown(value)}" for name, value in self.figures.items()),
            f"{self.violations:,} violations",
            f"{self.seconds:,.0f} s",
        ]
        return f"{self.stage}: {' · '.join(said)}"

    @property
    def exit_code(self) -> int:
        """What the stage's process ends with."""
        return 1 if self.violations else 0

    def keep(self, file: Path | None) -> None:
        """Write it as JSON, if a file is named."""
        if file is not None:
            file.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        """What `keep` has written."""
        return msgspec.json.decode(file.read_bytes(), type=cls)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.10g}"

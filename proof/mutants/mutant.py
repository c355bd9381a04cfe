"""A mutant, as it lies in `patches/`: what it breaks, who has to notice, and a patch of one file.

    in words, what is broken and what comes of it

    Breaks: the letters of the promise
    Failure: F-numbers, if there are any
    Stage: pytest tests/… (or: proof <stage> …)

    a unified diff

Line numbers in the diff are for people. A hunk applies where its lines stand: at the only place, or
at the first one after the line that its header names.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

PATCHES: Final = Path(__file__).parent / "patches"

LETTERS: Final = frozenset(
    {
        *("ONCE", "ACK", "FINAL", "OWNER", "EARLY", "LIVE", "TRUTH", "CAP", "BOUND", "SEC"),
        *("HOLD", "FIRE", "LIMIT"),
    }
)
"""What the promise is made of, by the names that ARCHITECTURE.md uses as well."""

_MARK = re.compile(r"^(Breaks|Failure|Stage): (.+)$", re.MULTILINE)
_HEADER = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@ ?(.*)$")


class Unfit(Exception):
    """A patch that does not say what it must, or does not apply to the source any more."""


class Hunk(NamedTuple):
    section: str
    """The line after which it stands, as the header of the hunk names it; empty for none."""

    before: list[str]
    after: list[str]


@dataclass(frozen=True)
class Mutant:
    name: str
    what: str
    """What is broken, in words."""

    breaks: tuple[str, ...]
    failures: tuple[str, ...]
    stage: str
    path: str
    """The file that is changed, seen from the root of the repository."""

    hunks: tuple[Hunk, ...]

    @property
    def command(self) -> tuple[str, ...]:
        """What is run to catch it, as arguments of Python."""
        stage, *arguments = shlex.split(self.stage)
        usual = ("-x", "-q", "--tb=line") if stage == "pytest" else ()
        return ("-m", stage, *usual, *arguments)

    def applied_to(self, source: str) -> str:
        """The file with the guard taken out. Raises `Unfit`."""
        lines = source.splitlines()
        for hunk in self.hunks:
            place = self._place(lines, hunk)
            lines[place : place + len(hunk.before)] = hunk.after
        return "\n".join(lines) + "\n"

    def _place(self, lines: list[str], hunk: Hunk) -> int:
        begin = 0
        if hunk.section:
            marks = [no for no, line in enumerate(lines) if line.strip() == hunk.section]
            if len(marks) != 1:
                raise Unfit(f"{self.name}: {len(marks)} lines are {hunk.section!r}")
            begin = marks[0]
        size = len(hunk.before)
        places = [no for no in range(begin, len(lines)) if lines[no : no + size] == hunk.before]
        if not places or (len(places) > 1 and not hunk.section):
            raise Unfit(f"{self.name}: {self.path} has {len(places)} places like that")
        return places[0]


def read_all(folder: Path = PATCHES) -> dict[str, Mutant]:
    """All mutants, by name."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.patch"))}


def read(path: Path) -> Mutant:
    """One mutant. Raises `Unfit`."""
    head, separator, diff = path.read_text("utf-8").partition("--- a/")
    marks = dict(_MARK.findall(head))
    what = " ".join(_MARK.split(head)[0].split())
    if not (separator and what and {"Breaks", "Stage"} <= marks.keys()):
        raise Unfit(f"{path.name} must tell what it breaks, which letters, and who notices")
    old, new, *rest = diff.splitlines()
    if new != f"+++ b/{old}" or not old.startswith("src/") or any("+++ b/" in one for one in rest):
        raise Unfit(f"{path.name} must change one file of src/")
    return Mutant(
        path.stem,
        what,
        tuple(marks["Breaks"].split(", ")),
        tuple(marks.get("Failure", "").split(", ")) if "Failure" in marks else (),
        marks["Stage"],
        old,
        tuple(_hunks(path.name, rest)),
    )


def _hunks(name: str, lines: Sequence[str]) -> Iterator[Hunk]:
    hunk: Hunk | None = None
    for line in lines:
        if header := _HEADER.match(line):
            if hunk:
                yield hunk
            hunk = Hunk(header[1].strip(), [], [])
        elif hunk is None or line[:1] not in ("", " ", "-", "+"):
            raise Unfit(f"{name}: no line of a diff: {line!r}")
        else:
            if line[:1] != "+":
                hunk.before.append(line[1:])
            if line[:1] != "-":
                hunk.after.append(line[1:])
    if hunk is None:
        raise Unfit(f"{name} changes nothing")
    yield hunk

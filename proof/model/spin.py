"""The second model, `fcs.pml`, checked by Spin where that is installed."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

MODEL: Final = Path(__file__).with_name("fcs.pml")
MEMORY_MB: Final = 4_000
DEPTH_MAX: Final = 2_000_000

Given = Mapping[str, int]
"""What is defined for one check."""

GOOD: Final[Sequence[Given]] = (
    {"WORKERS": 2, "DISPATCHES": 2},
    {"WORKERS": 2, "DISPATCHES": 2, "ATTEMPTS": 2, "RETRY": 1},
)
BAD: Final[Sequence[Given]] = (
    {"NO_NUMBER": 1, "ATTEMPTS": 2, "DISPATCHES": 2},
    {"BY_STATUS": 1, "ATTEMPTS": 2, "RETRY": 1},
    {"BY_ID": 1},
)
"""These must fail."""
ALL: Final = (*GOOD, *BAD)


@dataclass(frozen=True, slots=True)
class Checked:
    """What Spin said."""

    given: Given
    states: int
    depth: int
    errors: int
    seconds: float


def is_here() -> bool:
    """Whether there is a Spin, and a compiler for what it writes."""
    return all(map(shutil.which, ("spin", "cc")))


def check(given: Given) -> Checked:
    """Search all states, up to the first error."""
    defines = [f"-D{name}={value}" for name, value in given.items()]
    with TemporaryDirectory(prefix="fcs-spin-") as folder:
        _run(folder, "spin", *defines, "-a", str(MODEL))
        _run(folder, "cc", "-O2", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", "-o", "pan",
             "pan.c")  # fmt: skip
        # Nobody has to come to an end: it is what is asserted that counts.
        said = _run(folder, "./pan", "-E", f"-m{DEPTH_MAX}")
    return _read(given, said)


def _run(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def _read(given: Given, said: str) -> Checked:
    assert "Search not completed" not in said or "errors: 1" in said, said
    depth, errors = (int(n) for n in _found(r"depth reached (\d+), errors: (\d+)", said))
    (states,) = _found(r"([\d.e+]+) states, stored", said)
    (seconds,) = _found(r"elapsed time ([\d.]+) seconds", said)
    return Checked(given, int(float(states)), depth, errors, float(seconds))


def _found(pattern: str, said: str) -> tuple[str, ...]:
    found = re.search(pattern, said)
    assert found, said
    return found.groups()

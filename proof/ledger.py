"""The ledger of runs: what was tried, on which version, and what came of it; a line of JSON each.

It only grows. What zero violations mean depends on how often there could have been one, so the
trust page adds up all that is written here.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from proof.summary import Summary

ROOT: Final = Path(__file__).parents[1]
LEDGER: Final = ROOT / "proof" / "ledger.jsonl"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that was carried out. `version` names the commit; `date` is that of the machine."""

    date: str
    version: str
    machine: str
    command: str
    summary: Summary


def read(file: Path = LEDGER) -> Sequence[Run]:
    """All runs so far, the oldest first."""
    if not file.exists():
        return []
    return [msgspec.json.decode(line, type=Run) for line in file.read_bytes().splitlines()]


def append(run: Run, file: Path = LEDGER) -> None:
    """Write one more run down."""
    with file.open("ab") as ledger:
        ledger.write(msgspec.json.encode(run) + b"\n")


def version() -> str:
    """The commit that is checked out, and whether anything was changed since."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"

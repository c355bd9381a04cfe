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
PROVEN: Final = ("src", "proof", ":(exclude)proof/ledger.jsonl")
"""What a run says something about, and what it depends on, as git names it."""


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


def version(root: Path = ROOT) -> str:
    """The last commit that changed the product or its proof, and whether anything was since.

    Pages may change while a night goes on, and the ledger itself does.
    """
    last = _git(root, "log", "-1", "--format=%h", "--abbrev=10", "--", *PROVEN)
    changed = _git(root, "status", "--porcelain", "--", *PROVEN)
    return f"{last}-dirty" if changed else last or "unknown"


def _git(root: Path, *words: str) -> str:
    said = subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=False
    )  # fmt: skip
    return said.stdout.strip()

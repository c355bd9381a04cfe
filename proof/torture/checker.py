"""Holds what was promised against what happened: `python -m proof.torture.checker FOLDER`.

A program of its own that imports nothing of fcs. It reads the ledger of the bodies, the clients'
books, the nemesis' book, the final tables and the events.
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from proof.torture import checks, harm
from proof.torture.finding import Finding, table
from proof.torture.history import History, read

CHECKS: Final[Sequence[Callable[[History], Finding]]] = (
    checks.once,
    checks.acknowledged,
    checks.final,
    checks.truth,
    checks.owner,
    checks.early,
    harm.live,
    harm.recovery,
    harm.false_interrupts,
    checks.capacity,
    harm.zombies,
    harm.held,
    harm.logs,
)


def check(folder: Path) -> list[Finding]:
    """Every check on the books in a folder."""
    history = read(folder)
    return [look(history) for look in CHECKS]


def about(folder: Path, id: str) -> Iterator[str]:
    """Whatever the books say that names an id, in the order in which it happened."""
    said: list[tuple[float, str]] = []
    files = [folder / "ledger", *sorted(folder.glob("*.jsonl")), *sorted(folder.glob("logs/*.log"))]
    for file in files:
        lines = file.read_text("utf-8", "replace").splitlines()
        said += [(_moment(file, text), f"{file.name}: {text}") for text in lines if id in text]
    yield from (text for _, text in sorted(said))


def _moment(file: Path, text: str) -> float:
    if file.name == "ledger":
        return float(text.split()[6])
    if file.suffix == ".jsonl":
        row = json.loads(text)
        return float(row.get("real") or row.get("updated_at") or row.get("ended_at") or 0.0)
    return 0.0


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m proof.torture.checker", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--about", metavar="ID", help="only show what the books say of a task or run"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the findings there as well"
    )
    options = parser.parse_args(arguments)
    if options.about:
        print("\n".join(about(options.folder, options.about)))
        return 0
    # Millions of rows and no cycle among them: what looks for some would take most of the time.
    gc.disable()
    findings = check(options.folder)
    print(table(findings, str(options.folder)))
    for name, seconds in (figure for found in findings for figure in found.figures.items()):
        print(f"{name}: {seconds:.3f} s")
    if options.json:
        options.json.write_text(json.dumps([asdict(found) for found in findings]))
    return 1 if any(found.violations for found in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

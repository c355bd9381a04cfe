"""All stages in their long forms, one after another: `python -m proof nightly`.

Each stage prints one line when it is over, and adds it to the ledger. What was carried out on
this version is not repeated, so a night that was interrupted goes on where it was; what failed is
tried again. Seeds go on where the last night ended.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

from bench.machine import this_machine
from proof import ledger
from proof.ledger import ROOT, Run
from proof.summary import Summary

FOLDER: Final = ROOT / ".nightly"

Arguments = Callable[[int], Sequence[str]]
"""By the number of runs before this one."""


def seeds(count: int) -> Arguments:
    """So many seeds, and others each night."""
    return lambda before: ["--seeds", f"{before * count + 1}..{(before + 1) * count}"]


def torture(before: int) -> Sequence[str]:
    """Half an hour, every other night with failovers."""
    return [*minutes(30)(before), *(["--standby"] if before % 2 else [])]


def minutes(count: float) -> Arguments:
    """So many minutes, with another seed each night."""
    return lambda before: ["--minutes", f"{count:g}", "--seed", str(before + 1)]


LONG: Final[Mapping[str, Arguments]] = {
    "model": lambda _: ["--long"],
    "interleavings": lambda _: [],
    "machine": lambda before: ["--examples", "2000", "--seed", str(before + 1)],
    "fences": lambda _: [],
    "sim": seeds(100_000),
    "twin": seeds(2_000),
    "mutants": lambda _: [],
    "suite": lambda _: [],
    "pooled": lambda _: [],
    "torture": torture,
    "soak": lambda _: [],
    "fuzz": minutes(10),
}
"""What each stage is told for its long form."""


def main(arguments: Sequence[str]) -> int:
    """Carry out what this version has not had so far. Fails if a stage did."""
    parser = argparse.ArgumentParser(prog="python -m proof nightly", description=__doc__)
    parser.add_argument("stages", nargs="*", help=f"some of: {', '.join(LONG)}")
    parser.add_argument("--afresh", action="store_true", help="also what was carried out already")
    options = parser.parse_args(arguments)
    if unknown := set(options.stages) - LONG.keys():
        parser.error(f"there is no stage {', '.join(sorted(unknown))}")
    folder = FOLDER / ledger.version()
    folder.mkdir(parents=True, exist_ok=True)
    failed = [
        stage
        for stage in options.stages or LONG
        if not (is_over(stage, folder) and not options.afresh) and not carry_out(stage, folder)
    ]
    for stage in failed:
        print(f"failed: {stage}; what it said is in {folder / stage}.log")
    return 1 if failed else 0


def is_over(stage: str, folder: Path) -> bool:
    """Whether a stage was carried out on this version, and found nothing."""
    file = folder / f"{stage}.json"
    return file.exists() and Summary.read(file).violations == 0


def carry_out(stage: str, folder: Path) -> bool:
    """Carry a stage out and write down what came of it; whether all was well."""
    before = sum(run.summary.stage == stage for run in ledger.read())
    words = ["-m", "proof", stage, *LONG[stage](before)]
    log, file = folder / f"{stage}.log", folder / f"{stage}.json"
    file.unlink(missing_ok=True)
    began = monotonic()
    with log.open("wb") as output:
        code = subprocess.run(
            [sys.executable, *words, "--json", str(file)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if not file.exists():
        print(f"{stage}: ended with code {code} after {monotonic() - began:,.0f} s", flush=True)
        return False
    found = Summary.read(file)
    ledger.append(
        Run(
            date=datetime.now(UTC).date().isoformat(),
            version=ledger.version(),
            machine=on_machine(),
            command=" ".join(["python", *words]),
            summary=found,
        )
    )
    print(found.line, flush=True)
    return code == 0 and found.violations == 0


def on_machine() -> str:
    """What it was carried out on, in a few words."""
    machine = this_machine()
    return f"{machine.cores} cores, {machine.memory_gib:g} GiB, Postgres {machine.postgres}"

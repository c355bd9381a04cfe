"""All stages in their long forms, one after another: `python -m proof nightly`.

Each stage prints one line when it is over, and adds it to the ledger. What was carried out on
this version is not repeated, so a night that was interrupted goes on where it was; what failed is
tried again. Seeds go on where the last night ended.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final, NamedTuple

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


def minutes(count: float, *more: str) -> Arguments:
    """So many minutes, with another seed each time."""
    return lambda before: ["--minutes", f"{count:g}", "--seed", str(before + 1), *more]


def plainly(_: int) -> Sequence[str]:
    """As it is."""
    return []


LONG: Final[Mapping[str, Sequence[Arguments]]] = {
    "model": [lambda _: ["--long", "--publish"]],
    "interleavings": [plainly],
    "machine": [lambda before: ["--examples", "2000", "--seed", str(before + 1)]],
    "fences": [plainly],
    "sim": [seeds(20_000)] * 5,
    "twin": [seeds(2_000)],
    "mutants": [plainly],
    "suite": [plainly],
    "pooled": [plainly],
    # Several, so that a night that is cut short keeps some; every other torture fails over as well.
    "torture": [minutes(25), minutes(25, "--standby")] * 2,
    "soak": [plainly],
    "fuzz": [minutes(10)],
}
"""What each stage is told for its long form, once or several times."""


class Turn(NamedTuple):
    """One of the times that a stage is carried out; by its name it is known afterwards."""

    name: str
    stage: str
    arguments: Arguments


def turns(stages: Sequence[str]) -> Iterator[Turn]:
    """All of them, in their order."""
    for stage in stages:
        for number, arguments in enumerate(LONG[stage], 1):
            name = stage if len(LONG[stage]) == 1 else f"{stage}-{number}"
            yield Turn(name, stage, arguments)


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
        turn.name
        for turn in turns(options.stages or list(LONG))
        if not (is_over(turn.name, folder) and not options.afresh) and not carry_out(turn, folder)
    ]
    for name in failed:
        print(f"failed: {name}; what it said is in {folder / name}.log")
    return 1 if failed else 0


def is_over(name: str, folder: Path) -> bool:
    """Whether it was carried out on this version, and found nothing."""
    file = folder / f"{name}.json"
    return file.exists() and Summary.read(file).violations == 0


def carry_out(turn: Turn, folder: Path) -> bool:
    """Carry a stage out and write down what came of it; whether all was well."""
    before = sum(run.summary.stage == turn.stage for run in ledger.read())
    words = ["-m", "proof", turn.stage, *turn.arguments(before)]
    log, file = folder / f"{turn.name}.log", folder / f"{turn.name}.json"
    file.unlink(missing_ok=True)
    began = monotonic()
    with log.open("wb") as output:
        code = _carried_out([sys.executable, *words, "--json", str(file)], output)
    if not file.exists():
        print(f"{turn.name}: ended with code {code} after {monotonic() - began:,.0f} s", flush=True)
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


def _carried_out(command: Sequence[str], output: BinaryIO) -> int:
    """Its exit code. Whoever ends the night ends the stage first, and lets it put things away."""
    with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT) as stage:
        try:
            return stage.wait()
        except BaseException:
            stage.terminate()
            raise


def on_machine() -> str:
    """What it was carried out on, in a few words."""
    machine = this_machine()
    return f"{machine.cores} cores, {machine.memory_gib:g} GiB, Postgres {machine.postgres}"

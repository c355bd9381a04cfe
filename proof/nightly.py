"""All stages in their long forms, a few at once: `python -m proof nightly`.

A stage does not go on beside itself: what it is told several times is done one after another.
Each time prints one line when it is over, and adds it to the ledger. What was carried out on
this version is not repeated, so a night that was interrupted goes on where it was; what failed is
tried again. Seeds go on where the last night ended.
"""

import argparse
import asyncio
import os
import sys
from asyncio.subprocess import STDOUT, create_subprocess_exec
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final, NamedTuple

from bench.machine import this_machine
from proof import ledger
from proof.ledger import ROOT, Run
from proof.summary import Summary

FOLDER: Final = ROOT / ".nightly"

NICENESS: Final = 10
"""Of the stages beside a torture, which go by a clock of their own or by none."""

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
    # Several, so that a night that is cut short keeps some; every other torture fails over as well.
    "torture": [minutes(25), minutes(25, "--standby")] * 2,
    # Beside it what takes least comes first, for the same reason.
    "interleavings": [plainly],
    "machine": [lambda before: ["--examples", "2000", "--seed", str(before + 1)]],
    "twin": [seeds(2_000)],
    "model": [lambda _: ["--long", "--publish"]],
    "sim": [seeds(20_000)] * 5,
    "fuzz": [minutes(10)],
    "pooled": [plainly],
    "mutants": [plainly],
    "fences": [plainly],
    "suite": [plainly],
    "soak": [plainly],
}
"""What each stage is told for its long form, once or several times."""

AT_ONCE: Final = os.cpu_count() or 1
"""So many stages at once, if nobody says otherwise. A torture waits for much of its time; beside
more than that its cluster falls behind what is created, and has to catch up afterwards."""


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
    parser.add_argument("--at-once", type=int, default=AT_ONCE, metavar="N", help="so many stages")
    options = parser.parse_args(arguments)
    if unknown := set(options.stages) - LONG.keys():
        parser.error(f"there is no stage {', '.join(sorted(unknown))}")
    if options.at_once < 1:
        parser.error("--at-once takes a number from 1 on")
    folder = FOLDER / ledger.version()
    folder.mkdir(parents=True, exist_ok=True)
    due = [
        turn
        for turn in turns(options.stages or list(LONG))
        if options.afresh or not is_over(turn.name, folder)
    ]
    failed = asyncio.run(night(due, folder, at_once=options.at_once))
    for name in failed:
        print(f"failed: {name}; what it said is in {folder / name}.log")
    return 1 if failed else 0


def is_over(name: str, folder: Path) -> bool:
    """Whether it was carried out on this version, and found nothing."""
    file = folder / f"{name}.json"
    return file.exists() and Summary.read(file).violations == 0


async def night(due: Sequence[Turn], folder: Path, *, at_once: int) -> Sequence[str]:
    """Carry out so many stages at once, in their order; the names of the turns that failed."""
    room = asyncio.Semaphore(at_once)

    async def one_by_one(stage: Iterable[Turn]) -> Sequence[str]:
        async with room:
            return [turn.name for turn in stage if not await carry_out(turn, folder)]

    stages = [list(group) for _, group in groupby(due, key=lambda turn: turn.stage)]
    return list(chain.from_iterable(await asyncio.gather(*map(one_by_one, stages))))


async def carry_out(turn: Turn, folder: Path) -> bool:
    """Carry a stage out and write down what came of it; whether all was well."""
    before = sum(run.summary.stage == turn.stage for run in ledger.read())
    command = ["-m", "proof", turn.stage, *turn.arguments(before)]
    log, file = folder / f"{turn.name}.log", folder / f"{turn.name}.json"
    file.unlink(missing_ok=True)
    began = monotonic()
    with log.open("wb") as output:
        stage = [sys.executable, *command, "--json", str(file)]
        if turn.stage != "torture":
            stage = ["nice", "-n", str(NICENESS), *stage]
        code = await _carried_out(stage, output)
    if not file.exists():
        print(f"{turn.name}: ended with code {code} after {monotonic() - began:,.0f} s", flush=True)
        return False
    found = Summary.read(file)
    ledger.append(
        Run(
            date=datetime.now(UTC).date().isoformat(),
            version=ledger.version(),
            machine=on_machine(),
            command=" ".join(["python", *command]),
            summary=found,
        )
    )
    print(found.line, flush=True)
    return code == 0 and found.violations == 0


async def _carried_out(command: Sequence[str], output: BinaryIO) -> int:
    """Its exit code. Whoever ends the night ends it first, and lets it put things away."""
    stage = await create_subprocess_exec(*command, cwd=ROOT, stdout=output, stderr=STDOUT)
    try:
        return await stage.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            stage.terminate()
        await stage.wait()
        raise


def on_machine() -> str:
    """What it was carried out on, in a few words."""
    machine = this_machine()
    return f"{machine.cores} cores, {machine.memory_gib:g} GiB, Postgres {machine.postgres}"

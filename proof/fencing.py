"""`python -m proof fences`: takes each fence out of the SQL, and says which stage has noticed."""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from time import monotonic
from typing import Final

from fcs.database.migrate import migrate
from fcs.embedded import Postgres
from proof.fences import FENCES, Fence
from proof.interleavings import state
from proof.interleavings.callers import LEVELS
from proof.interleavings.repertoire import Play
from proof.interleavings.run import Theatre, plays, theatre
from proof.machine import command as machine
from proof.summary import Summary

CARELESS: Final = {"fsync": "off", "full_page_writes": "off"}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m proof fences", description=__doc__)
    parser.add_argument("--examples", type=int, default=300, help="that the machine has a go at")
    parser.add_argument("--only", metavar="STATEMENT", default="", help="such as runs.begin")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    began_at = monotonic()
    fences = [fence for fence in FENCES if options.only in fence.statement]
    with (
        tempfile.TemporaryDirectory(prefix="fcs-proof-") as folder,
        Postgres(folder, settings=CARELESS) as server,
    ):
        asyncio.run(migrate(server.url()))
        state.set_up(server.url())
        by_plays = asyncio.run(by_interleavings(server.url(), fences))
        by_chance = {
            fence
            for fence in fences
            if is_left(fence, by_plays) and by_machine(server.url(), fence, options.examples)
        }
    unseen = [fence for fence in fences if is_left(fence, by_plays | by_chance)]
    for fence in unseen:
        print(f"nobody has noticed: {fence}")
    summary = Summary(
        stage="fences",
        chances=len(fences),
        of_what="fences taken out",
        violations=len(unseen),
        seconds=monotonic() - began_at,
        figures={
            "interleavings": len(by_plays),
            "machine": len(by_chance),
            "mutants": sum(bool(fence.mutant) for fence in fences),
            "spare": sum(bool(fence.spare) for fence in fences),
        },
    )
    print(summary.line)
    summary.keep(options.json)
    return summary.exit_code


def is_left(fence: Fence, noticed: Set[Fence]) -> bool:
    """Whether somebody still has to notice."""
    return not (fence.spare or fence.mutant or fence in noticed)


def by_machine(url: str, fence: Fence, examples: int) -> str | None:
    """What the machine says where the fence is missing; `None` if it sees nothing."""
    found = None
    with fence.taken_out():
        try:
            machine.play(url, examples=examples, steps=60, seed=None, shortens=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody has noticed
            found = _in_brief(error)
    return tell(fence, "machine", found)


def tell(fence: Fence, stage: str, found: str | None) -> str | None:
    """Print what a stage says, and hand it on."""
    why = fence.spare or fence.mutant
    said = found or (f"- ({why})" if why else "-")
    print(f"{fence!s:<42} {stage:<14} {said:.90}", flush=True)
    return found


async def by_interleavings(url: str, fences: Sequence[Fence]) -> Set[Fence]:
    """The fences that plays at the usual level miss."""
    async with theatre(url) as stage:
        return {
            fence
            for fence in fences
            if tell(fence, "interleavings", await _first_fault(stage, fence))
        }


async def _first_fault(stage: Theatre, fence: Fence) -> str | None:
    for play in _plays(fence):
        try:
            _, fault = await stage.judge(play, fence.taken_out())
        except Exception as error:  # noqa: BLE001 - as above
            fault = _in_brief(error)
        if fault:
            return str(play)
    return None


def _plays(fence: Fence) -> Iterator[Play]:
    """The leading ones first; the others where somebody still has to notice."""
    yield from plays(LEVELS[0], in_full=False)
    if is_left(fence, frozenset()):
        yield from plays(LEVELS[0], in_full=True)


def _in_brief(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

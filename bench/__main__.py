"""`python -m bench [P1 P3 …]`: measure, and write the table."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import report, run
from bench.bar import Bar
from bench.bars import ALL
from bench.machine import this_machine


def main(arguments: Sequence[str]) -> None:
    """Read the command line, measure, write the results and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bars", nargs="*", metavar="BAR", help="P1 … P13; all of them if none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="few of everything, to see it run")
    parser.add_argument("--out", type=Path, default=report.RESULTS)
    options = parser.parse_args(arguments)

    bars = _chosen(parser, options.bars)
    measuring = run.measure(bars, rounds=options.rounds, small=options.small, say=_say)
    figures = asyncio.run(measuring)
    found = report.Report(
        command=_command(options),
        machine=this_machine(),
        rounds=options.rounds,
        figures=list(figures.values()),
        verdicts=run.judge(bars, figures),
    )
    report.write(found, bars, options.out)
    print(report.page(found, bars))


def _chosen(parser: argparse.ArgumentParser, names: Sequence[str]) -> Sequence[Bar]:
    known = {bar.name: bar for bar in ALL}
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no bar {unknown[0]}; choose from {', '.join(known)}")
    return [known[name] for name in names] or ALL


def _command(options: argparse.Namespace) -> str:
    """What to type to measure the same again."""
    small = ["--small"] if options.small else []
    return " ".join(["python -m bench", *options.bars, "--rounds", str(options.rounds), *small])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

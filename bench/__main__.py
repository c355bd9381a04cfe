"""Measures the bars and writes the table; `publish` puts it into the pages that quote it.

python -m bench                    every bar, kept in bench/results
python -m bench P1 P5              some bars, only shown
python -m bench footprint          what each process holds and spends, idle and busy
python -m bench weather            what an old snapshot and autovacuum do to a steady drain
python -m bench modes              the three topologies side by side
python -m bench growth             how cost grows, with plots (needs the extra `bench`)
python -m bench strategies         who gets a task, in virtual time; into docs/explanation
python -m bench failover           what failovers lose and how long they take; into docs/explanation
python -m bench leaders            how long nobody hands out when a leader ends; half an hour
python -m bench pooled             what a pooler of transactions costs; into docs/guide
python -m bench publish            the last runs, into README and docs/explanation
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from bench import (
    failover,
    footprint,
    growth,
    leaders,
    modes,
    pgbouncer,
    plot,
    pooled,
    publish,
    report,
    run,
    strategies,
    weather,
)
from bench.bar import Bar, Figures
from bench.bars import ALL
from bench.machine import this_machine


def main(arguments: Sequence[str]) -> None:
    """Carry out a command, or measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", help=f"P1 … P13, or one of: {', '.join(COMMANDS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--acts", type=int, default=500, help="how many leaders to end")
    parser.add_argument("--small", action="store_true", help="few of everything, to see it run")
    parser.add_argument("--out", type=Path, help="a folder to keep the results in")
    options = parser.parse_args(arguments)

    if options.what and options.what[0] in COMMANDS:
        COMMANDS[options.what[0]](options)
    else:
        _measure(options, _chosen(parser, options.what))


def _measure(options: argparse.Namespace, bars: Sequence[Bar]) -> None:
    found = _report(options, bars)
    if folder := options.out or _kept_in(options):
        report.write(found, bars, folder)
    print(report.page(found, bars))


def _report(options: argparse.Namespace, bars: Sequence[Bar]) -> report.Report:
    figures = _figures(bars, options)
    return report.Report(
        command=_command(options),
        machine=this_machine(),
        rounds=options.rounds,
        figures=list(figures.values()),
        verdicts=run.judge(bars, figures),
    )


def _figures(bars: Sequence[Bar], options: argparse.Namespace) -> Figures:
    measuring = run.measure(bars, rounds=options.rounds, small=options.small, say=_say)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as its peers and parts
        return runner.run(measuring)


def _growth(options: argparse.Namespace) -> None:
    found = growth.of(_figures([growth.BAR], options), this_machine(), options.rounds)
    if not options.small:
        growth.write(found)
        plot.draw(found, publish.PAGE.parent)
    print(growth.block(found))


def _beside(bar: Bar, page: Path) -> Callable[[argparse.Namespace], None]:
    """A command whose table goes at once to where a page shows it."""

    def command(options: argparse.Namespace) -> None:
        found = _report(options, [bar])
        block = report.summary(found, found.verdicts)
        if not options.small:
            publish.put(page, publish.between(bar.name), block)
        print(block)

    return command


def _strategies(options: argparse.Namespace) -> None:
    if options.small:
        print(strategies.block(tasks=200))
    else:
        block = strategies.block()
        publish.put(publish.TOPOLOGIES, publish.STRATEGIES, block)
        print(block)


def _failover(options: argparse.Namespace) -> None:
    rounds = 1 if options.small else options.rounds
    block = failover.block(rounds=rounds, say=_say, small=options.small)
    if not options.small:
        block = f"{failover.taken(_command(options), this_machine())}\n\n{block}"
        publish.put(publish.FAILOVER, publish.between("failover"), block)
    print(block)


def _leaders(options: argparse.Namespace) -> None:
    found = leaders.measure(options.acts, say=_say)
    if not options.small:
        leaders.write(found)
        publish.put(publish.TOPOLOGIES, publish.LEADERS, leaders.block(found))
    print(leaders.block(found))


def _pooled(options: argparse.Namespace) -> None:
    if pgbouncer.BINARY is None:
        sys.exit(
            "not measured: pgbouncer is not installed. Install it, on Debian by"
            " `apt-get install pgbouncer`, and run this again."
        )
    block = pooled.block(_report(options, [pooled.BAR]))
    if not options.small:
        publish.put(publish.POOLERS, publish.between("pooled"), block)
    print(block)


def _publish(_: argparse.Namespace) -> None:
    publish.main()


COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "growth": _growth,
    "modes": _beside(modes.BAR, publish.TOPOLOGIES),
    "weather": _beside(weather.BAR, publish.PAGE),
    "leaders": _leaders,
    "strategies": _strategies,
    "failover": _failover,
    "pooled": _pooled,
    "publish": _publish,
}


def _chosen(parser: argparse.ArgumentParser, names: Sequence[str]) -> Sequence[Bar]:
    known = {bar.name: bar for bar in (*ALL, footprint.BAR)}
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no bar {unknown[0]}; choose from {', '.join(known)}")
    return [known[name] for name in names] or ALL


def _kept_in(options: argparse.Namespace) -> Path | None:
    """Only a whole run is worth keeping without being told so."""
    return None if options.small or options.what else report.RESULTS


def _command(options: argparse.Namespace) -> str:
    """What to type to measure the same again."""
    small = ["--small"] if options.small else []
    return " ".join(["python -m bench", *options.what, "--rounds", str(options.rounds), *small])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

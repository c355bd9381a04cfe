"""`python -m proof mutants`: takes guards out one by one, and tells who notices."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

from proof.mutants.mutant import read_all
from proof.mutants.page import PAGE, publish
from proof.mutants.stand import Fate, Verdict, stand
from proof.summary import Summary


def main(arguments: Sequence[str]) -> int:
    """Try mutants out, all of them or some, and write the table. Fails if one was not caught."""
    parser = argparse.ArgumentParser(prog="python -m proof mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="which ones; all of them, if none is named")
    parser.add_argument("--list", action="store_true", help="name them, and who has to notice")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    mutants = read_all()
    if unknown := set(options.names) - mutants.keys():
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    chosen = [mutants[name] for name in options.names or mutants]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:<32} {' '.join(mutant.breaks):<12} {mutant.stage}")
        return 0
    began = perf_counter()
    verdicts = []
    with stand() as place:
        for verdict in told(map(place.try_out, chosen)):
            verdicts.append(verdict)
            publish([verdict], mutants)  # at once: a run that is broken off keeps what it has
    print(f"The table is in {PAGE.name}.")
    found = summary(verdicts, perf_counter() - began)
    print(found.line)
    found.keep(options.json)
    return found.exit_code


def told(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Pass verdicts on, and say what they are."""
    for verdict in verdicts:
        name, fate = verdict.mutant.name, verdict.fate.value
        print(f"{fate:<9} {name:<32} {verdict.seconds:6.1f} s  {verdict.by}", flush=True)
        yield verdict


def summary(verdicts: Sequence[Verdict], seconds: float) -> Summary:
    """What came of it. Of whom nothing was learned counts as one that has survived."""
    caught = sum(verdict.fate is Fate.CAUGHT for verdict in verdicts)
    survived = len(verdicts) - caught
    return Summary(
        stage="mutants",
        chances=len(verdicts),
        of_what="mutants",
        violations=survived,
        seconds=seconds,
        figures={"caught": caught, "survived": survived},
    )

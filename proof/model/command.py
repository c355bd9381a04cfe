"""`python -m proof model`: searches the models, and tells what was found."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from proof.model import page, spin
from proof.model.checker import Counterexample
from proof.model.configurations import LONG, SHORT, Configuration
from proof.model.mistakes import MISTAKES, Mistake
from proof.summary import Summary


@dataclass(frozen=True, slots=True)
class Searched:
    """What one configuration came to."""

    name: str
    states: int
    transitions: int
    depth: int
    seconds: float
    wrong: list[str]
    """The story of what is wrong; empty if nothing is."""


def main(arguments: Sequence[str]) -> int:
    """Search; 1 if a promise was broken, or if a mistake broke none."""
    options = _options(arguments)
    if options.stories:
        print("\n".join(page.stories(MISTAKES)))
        return 0
    began = perf_counter()
    searched = [_told(_search(configuration)) for configuration in _chosen(options)]
    if options.publish:
        page.publish(searched, MISTAKES)
    found = sum(_is_found(mistake) for mistake in MISTAKES)
    spun = list(_spun())
    summary = Summary(
        stage="model",
        chances=sum(row.states for row in searched),
        of_what="states",
        violations=sum(bool(row.wrong) for row in searched) + len(MISTAKES) - found + sum(spun),
        seconds=perf_counter() - began,
        figures={
            "configurations": len(searched),
            "must-fail": f"{found} of {len(MISTAKES)} found",
            "Spin": f"{len(spun)} checks" if spun else "not installed",
        },
    )
    print(summary.line)
    summary.keep(options.json)
    return summary.exit_code


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof model", description=__doc__)
    parser.add_argument("--long", action="store_true", help="all configurations, in some minutes")
    parser.add_argument("--stories", action="store_true", help="only tell what mistakes come to")
    parser.add_argument(
        "--publish", action="store_true", help="write figures and stories into the page"
    )
    parser.add_argument("--json", type=Path, help="a file for the summary")
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> Sequence[Configuration]:
    return LONG if options.long else SHORT


def _search(configuration: Configuration) -> Searched:
    result = configuration.look()
    wrong: list[str] = []
    if result.counterexample:
        wrong = _story(configuration)
    return Searched(
        configuration.name,
        result.states,
        result.transitions,
        result.depth,
        result.seconds,
        wrong,
    )


def _story(configuration: Configuration) -> list[str]:
    found: Counterexample[Any, Any] | None = (
        configuration.look_plainly or configuration.look
    )().counterexample
    assert found is not None, "states that count as one must not differ"
    return [*configuration.tell(found), found.wrong]


def _told(row: Searched) -> Searched:
    rate = row.states / row.seconds if row.seconds else 0.0
    verdict = "WRONG" if row.wrong else "ok"
    print(
        f"{row.name:<84} {row.states:>10,} states  depth {row.depth:>3}"
        f"  {rate:>8,.0f}/s  {verdict}",
        flush=True,
    )
    for sentence in row.wrong:
        print(f"    {sentence}")
    return row


def _is_found(mistake: Mistake) -> bool:
    found = mistake.counterexample()
    said = f"{found.wrong}, after {len(found.steps)} steps" if found else "NOT FOUND"
    print(f"must fail: {mistake.name:<42} {said}", flush=True)
    return found is not None


def _spun() -> Iterator[bool]:
    """Whether each check of the second model came out otherwise than it must."""
    if not spin.is_here():
        print("spin: not installed here, so the second model was not checked")
        return
    for given in spin.ALL:
        checked = spin.check(given)
        is_wrong = bool(checked.errors) != (given in spin.BAD)
        size = " ".join(f"{name}={value}" for name, value in given.items())
        print(
            f"spin: {size:<78} {checked.states:>10,} states  depth {checked.depth:>3}"
            f"  {checked.errors} errors  {'WRONG' if is_wrong else 'ok'}",
            flush=True,
        )
        yield is_wrong

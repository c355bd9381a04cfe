"""The stage `sim`: plays scenes, one for each seed, and says what was found."""

import argparse
import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from proof.sim import teeth
from proof.sim.scene import Result, Scene
from proof.summary import Summary

COLLECT_EVERY = 20


def main(arguments: Sequence[str]) -> int:
    """Carry the stage out; 1 if anything was found."""
    options = _parser().parse_args(arguments)
    with few_collections():
        if options.teeth:
            return _bite()
        seeds = options.seeds if options.seed is None else [options.seed]
        summary = play(seeds, is_told=options.trace)
    print(", ".join(f"{kind} {count:,}" for kind, count in summary.faults.items()))
    print(summary.line)
    summary.keep(options.json)
    return summary.exit_code


def play(
    seeds: Sequence[int], *, is_told: bool = False, dropped: frozenset[str] = frozenset()
) -> Summary:
    """Play the scenes of some seeds, and say of each that fails how to see it again."""
    began = perf_counter()
    results = []
    for no, seed in enumerate(seeds, start=1):
        result = Scene(seed, dropped=dropped, story=print if is_told else None).run()
        results.append(result)
        if result.violation:
            print(f"{result.violation}\n  python -m proof sim --seed {seed} --trace", flush=True)
        if len(seeds) == 1:
            print(f"seed {seed}: trace {result.trace}")
        if no % COLLECT_EVERY == 0:
            gc.collect()
    return summarise(results, perf_counter() - began)


def summarise(results: Sequence[Result], seconds: float) -> Summary:
    """All scenes together."""
    faults: Counter[str] = Counter()
    for result in results:
        faults += result.faults
    return Summary(
        stage="sim",
        chances=sum(result.tasks for result in results),
        of_what="tasks",
        violations=sum(bool(result.violation) for result in results),
        seconds=round(seconds, 1),
        faults=dict(sorted(faults.items())),
        figures={
            "seeds": len(results),
            "bodies": sum(result.starts for result in results),
            "virtual hours": round(sum(result.seconds for result in results) / 3600, 1),
            "seeds a second": round(len(results) / seconds, 1),
        },
    )


@contextmanager
def few_collections() -> Iterator[None]:
    """Scenes leave circles behind; collecting these is much quicker now and then."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seeds_of(text: str) -> Sequence[int]:
    """Read `1..1000`."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _bite() -> int:
    missed = 0
    print(teeth.HEAD)
    for bite in teeth.bite():
        print(teeth.row(bite), flush=True)
        missed += bite.seeds is None
    print(f"teeth: {len(teeth.TEETH)} left out one by one, {missed} not found")
    return int(bool(missed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof sim", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=range(1, 1001), metavar="FROM..TO")
    parser.add_argument("--seed", type=int, help="play this scene alone")
    parser.add_argument("--trace", action="store_true", help="tell its story")
    parser.add_argument("--teeth", action="store_true", help="leave fences out, and be found")
    parser.add_argument("--json", type=Path, help="a file for the summary")
    return parser

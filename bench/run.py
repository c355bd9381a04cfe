"""One run: every measure some rounds, in turn, so that ratios share the weather."""

import logging
from collections.abc import Callable, Iterable, Sequence

from bench.bar import Bar, Figures, Measure, Sample, Verdict, medians
from bench.stage import open_stage
from fcs.node.signals import ended_by_signals

log = logging.getLogger(__name__)

Say = Callable[[str], None]


async def measure(bars: Sequence[Bar], *, rounds: int, small: bool, say: Say) -> Figures:
    """The medians of everything that these bars need."""
    samples: list[Sample] = []
    with ended_by_signals():
        async with open_stage(small=small) as stage:
            for number in range(1, rounds + 1):
                for take in measures_of(bars):
                    say(f"round {number} of {rounds}: {take.__name__}")
                    try:
                        async for sample in take(stage):
                            say(f"  {sample.name}: {sample.value:,.6g} {sample.unit}")
                            samples.append(sample)
                    except Exception:
                        # The rest of a long run is worth having; the table says what is missing.
                        log.exception("%s failed in round %d", take.__name__, number)
    # A median of fewer rounds than the table says would be another figure.
    found = medians(samples)
    return {name: figure for name, figure in found.items() if len(figure.rounds) >= rounds}


def measures_of(bars: Iterable[Bar]) -> list[Measure]:
    """Each measure once, although bars share some."""
    return list(dict.fromkeys(take for bar in bars for take in bar.measures))


def judge(bars: Iterable[Bar], figures: Figures) -> list[Verdict]:
    """The lines of the table."""
    return [verdict for bar in bars for verdict in bar.judge(figures)]

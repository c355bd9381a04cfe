"""Puts what the ledger of runs adds up to into TRUST.md: `python -m proof trust`."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bench import publish
from proof import ledger
from proof.ledger import ROOT, Run
from proof.stages import STAGES
from proof.torture.harm import GAPS

PAGE: Final = ROOT / "TRUST.md"
PLACE: Final = publish.between("ledger")

REALMS: Final = {"torture": "real processes", "sim": "simulated clusters"}
"""The stages that make faults, and whom these befall: what is cheap to repeat and what is real are
not added up."""

RECOVERIES_SHOWN: Final = 10


def block(runs: Sequence[Run]) -> str:
    """What stands between the marks of the page."""
    if not runs:
        return "Nothing has been run so far.\n"
    return "\n".join(
        [
            _totals(runs),
            _by_stage(runs),
            _by_version(runs),
            *_by_promise(runs),
            *_recoveries(runs),
            _latest(runs),
        ]
    )


def bound(chances: int) -> str:
    """Below what the rate of violations is, if there was none in so many chances."""
    return f"< {3 / chances:.1e}" if chances else "unknown"


def main(arguments: Sequence[str]) -> int:
    """Write the block."""
    parser = argparse.ArgumentParser(prog="python -m proof trust", description=__doc__)
    parser.parse_args(arguments)
    publish.put(PAGE, PLACE, block(ledger.read()))
    print(f"{PAGE.name}: {len(ledger.read())} runs")
    return 0


def _totals(runs: Sequence[Run]) -> str:
    hours = sum(run.summary.seconds for run in runs) / 3600
    broken = [run.summary.violations for run in runs if run.summary.violations]
    where = f" in {len(broken)} of them: see [what went wrong](#what-went-wrong)" if broken else ""
    lines = [
        "## In all",
        "",
        f"{len(runs):,} runs in {hours:,.1f} hours, {sum(broken):,} violations{where}.",
        "",
        *_tried(runs),
        "",
        *_table(("Fault", *map(str.capitalize, REALMS.values())), _fault_rows(runs)),
    ]
    return "\n".join([*lines, ""])


def _tried(runs: Sequence[Run]) -> Iterator[str]:
    """How much was tried, of what is real and of what is not."""
    for stage, realm in REALMS.items():
        tasks = sum(run.summary.chances for run in runs if run.summary.stage == stage)
        yield f"- {tasks:,} tasks of {realm}, under {_faults(runs, stage).total():,} faults"


def _fault_rows(runs: Sequence[Run]) -> Iterator[Sequence[str]]:
    """Each kind of fault, and how often it was made in which realm; the most frequent first."""
    counts = [_faults(runs, stage) for stage in REALMS]
    for kind, _ in sum(counts, Counter[str]()).most_common():
        yield kind, *(f"{count[kind]:,}" if count[kind] else "" for count in counts)


def _by_stage(runs: Sequence[Run]) -> str:
    rows = []
    for stage in dict.fromkeys([*STAGES, *(run.summary.stage for run in runs)]):
        own = [run.summary for run in runs if run.summary.stage == stage]
        if not own:
            continue
        chances = sum(summary.chances for summary in own)
        violations = sum(summary.violations for summary in own)
        rows.append(
            (
                stage,
                str(len(own)),
                f"{chances:,} {own[-1].of_what}",
                f"{sum(summary.seconds for summary in own) / 3600:,.2f}",
                f"{violations:,}",
                "" if violations else bound(chances),
            )
        )
    heads = ("Stage", "Runs", "Chances", "Hours", "Violations", "Rate, with 95 % certainty")
    return "\n".join(["## By stage", "", *_table(heads, rows), ""])


def _by_version(runs: Sequence[Run]) -> str:
    """What each version went through; a night has one."""
    rows = []
    for version in dict.fromkeys(run.version for run in runs):
        own = [run for run in runs if run.version == version]
        real = [run.summary.chances for run in own if run.summary.stage == "torture"]
        rows.append(
            (
                version,
                own[-1].date,
                ", ".join(dict.fromkeys(run.summary.stage for run in own)),
                f"{sum(run.summary.seconds for run in own) / 3600:,.2f}",
                f"{sum(real):,}" if real else "",
                f"{_faults(own, 'torture').total():,}" if real else "",
                f"{sum(run.summary.violations for run in own):,}",
            )
        )
    heads = ("Version", "Date", "Stages", "Hours", "Real tasks", "Faults", "Violations")
    return "\n".join(["## By version", "", *_table(heads, rows), ""])


def _recoveries(runs: Sequence[Run]) -> Iterator[str]:
    """How soon all went on in the last tortures, if there were any."""
    tortures = [run for run in runs if run.summary.stage == "torture"][-RECOVERIES_SHOWN:]
    rows = [
        (
            run.date,
            f"`{run.command}`",
            f"{run.summary.chances:,}",
            f"{sum(run.summary.faults.values()):,}",
            *(_gap(run, name) for name in GAPS),
        )
        for run in tortures
    ]
    if rows:
        heads = ("Date", "Command", "Tasks", "Faults", *(f"From {gap}" for gap in GAPS.values()))
        said = (
            "Seconds, of which 50 % and 99 % were shorter, and the longest. A torture stops the"
            " database every few seconds, and cuts off whoever leads: a lease counts from the last"
            " of that, so what the truth took since is told beside what it took in all."
        )
        yield "\n".join(["## How soon all goes on", "", said, "", *_table(heads, rows), ""])


def _by_promise(runs: Sequence[Run]) -> Iterator[str]:
    """What was looked at for each promise, by the stages that judge several."""
    chances, violations = Counter[str](), Counter[str]()
    for run in runs:
        for promise, (looked_at, broken) in run.summary.looked_at.items():
            chances[promise] += looked_at
            violations[promise] += broken
    rows = [
        (promise, f"{looked_at:,}", f"{violations[promise]:,}")
        for promise, looked_at in sorted(chances.items(), key=_number_of)
    ]
    if rows:
        heads = ("What a torture looks at", "Looked at", "Violations")
        yield "\n".join(["## By promise", "", *_table(heads, rows), ""])


def _number_of(row: tuple[str, int]) -> int:
    return int(row[0].partition(",")[0].lstrip("C"))


def _gap(run: Run, name: str) -> str:
    found = (run.summary.figures.get(f"{name} {of}") for of in ("p50", "p99", "max"))
    return " / ".join(str(figure) for figure in found if figure is not None)


def _latest(runs: Sequence[Run]) -> str:
    latest = {run.summary.stage: run for run in runs}
    rows = [
        (run.date, run.version, f"`{run.command}`", run.summary.line.partition(": ")[2])
        for run in latest.values()
    ]
    machines = ", ".join(dict.fromkeys(run.machine for run in latest.values()))
    table = _table(("Date", "Version", "Command", "What came of it"), rows)
    return "\n".join(["## The last run of each stage", "", *table, "", f"On {machines}.", ""])


def _faults(runs: Iterable[Run], stage: str) -> Counter[str]:
    faults: Counter[str] = Counter()
    for run in runs:
        if run.summary.stage == stage:
            faults.update(run.summary.faults)
    return faults


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]

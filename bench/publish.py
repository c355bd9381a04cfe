"""Puts the last run into the pages that quote it, between two marks."""

import re
import sys
from pathlib import Path

from bench import growth, leaders, report
from bench.bar import REPORTED
from bench.bars import ALL

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
TOPOLOGIES = ROOT / "docs" / "explanation" / "topologies.md"
FAILOVER = ROOT / "docs" / "explanation" / "failover.md"
POOLERS = ROOT / "docs" / "guide" / "poolers.md"


def between(name: str) -> re.Pattern[str]:
    """What stands between the two marks of a name."""
    return re.compile(rf"(?<=<!-- {name}:begin -->\n).*?(?=<!-- {name}:end -->)", re.DOTALL)


BLOCK, GROWTH, STRATEGIES = between("bench"), between("growth"), between("strategies")
LEADERS = between("leaders")


AGREEING = 0.10


def main() -> None:
    """Rewrite the block of each page."""
    if not (report.RESULTS / report.LATEST).exists():
        sys.exit("No whole run has been kept so far. Run first: python -m bench")
    for page, block in blocks().items():
        put(page, BLOCK, block)
    if growth.RESULTS.exists():
        put(PAGE, GROWTH, growth.block(growth.read()))
    if leaders.RESULTS.exists():
        put(TOPOLOGIES, LEADERS, leaders.block(leaders.read()))


def put(page: Path, place: re.Pattern[str], block: str) -> None:
    """Replace what a page has between its marks."""
    text = page.read_text("utf-8")
    found = place.search(text)
    assert found, f"{page.name} has lost its marks"
    page.write_text(text[: found.start()] + block + text[found.end() :], "utf-8")


def blocks(folder: Path = report.RESULTS) -> dict[Path, str]:
    """What each page has to hold, by the last run and the one before it."""
    last = report.read(folder / report.LATEST)
    said = report.page(last, ALL)
    before = folder / report.PREVIOUS
    if before.exists():
        said += "\n" + agreement(last, report.read(before)) + "\n"
    asked = [verdict for verdict in last.verdicts if verdict.asked != REPORTED]
    return {PAGE: said, README: report.summary(last, asked)}


def agreement(last: report.Report, before: report.Report) -> str:
    """In words, how far two runs agree on what the table shows."""
    shown = {name for line in last.verdicts for name in (line.what, line.yardstick)}
    known = {figure.name: figure.value for figure in before.figures if figure.name in shown}
    pairs = [
        (figure.name, figure.value, known[figure.name])
        for figure in last.figures
        if figure.name in known
    ]
    apart = [
        f"{name} ({_apart(new, old):.0%})"
        for name, new, old in pairs
        if _apart(new, old) > AGREEING
    ]
    close = len(pairs) - len(apart)
    words = f"Run twice: {close} of {len(pairs)} medians agree within {AGREEING:.0%}"
    return f"{words}; apart are {', '.join(apart)}." if apart else f"{words}."


def _apart(new: float, old: float) -> float:
    larger = max(abs(new), abs(old))
    return abs(new - old) / larger if larger else 0.0

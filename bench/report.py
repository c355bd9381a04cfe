"""What a run leaves behind: `latest.json` with everything in it, `latest.md` with the table.

The JSON of the run before stays as `previous.json`, so that one can see how far two agree.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.bar import REPORTED, Bar, Figure, Verdict
from bench.machine import Machine
from bench.peers.table import comparison

RESULTS = Path(__file__).parent / "results"
LATEST, PREVIOUS = "latest.json", "previous.json"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    command: str
    machine: Machine
    rounds: int
    figures: list[Figure]
    verdicts: list[Verdict]


def write(report: Report, bars: Sequence[Bar], folder: Path) -> None:
    """Write both files anew, and keep what the run before had found."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / LATEST).exists():
        (folder / LATEST).replace(folder / PREVIOUS)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (folder / LATEST).write_bytes(encoded + b"\n")
    (folder / "latest.md").write_text(page(report, bars), "utf-8")


def read(file: Path) -> Report:
    """What a run left behind."""
    return msgspec.json.decode(file.read_bytes(), type=Report)


def page(report: Report, bars: Sequence[Bar]) -> str:
    """Everything: the table, what the bars are, and the peers beside each other."""
    return "\n".join(
        [
            summary(report, report.verdicts),
            *(f"- {bar.name}: {bar.title}" for bar in bars),
            "",
            *comparison({figure.name: figure for figure in report.figures}),
            "",
        ]
    )


def summary(report: Report, verdicts: Sequence[Verdict]) -> str:
    """Some lines of the table, with where and how they were measured above them."""
    return "\n".join([_circumstances(report), "", *table(verdicts), ""])


def _circumstances(report: Report) -> str:
    machine = report.machine
    settings = ", ".join(f"`{name} = {value}`" for name, value in machine.settings.items())
    return (
        f"`{report.command}`, {machine.date}: {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"Python {machine.python}, Postgres {machine.postgres} on a Unix socket ({settings}; "
        f"`fsync` and `synchronous_commit` on). Medians of {report.rounds} rounds."
    )


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines of the Markdown table."""
    return [
        "| Bar | What | Figure | Yardstick | Ratio | Asked | Met |",
        "|---|---|---|---|---|---|---|",
        *map(_line, verdicts),
    ]


def _line(verdict: Verdict) -> str:
    yardstick = verdict.yardstick and (
        f"{verdict.yardstick}: {_number(verdict.yardstick_value, verdict.unit)}"
    )
    cells = [
        verdict.bar,
        verdict.what,
        _number(verdict.figure, verdict.unit),
        yardstick,
        "" if verdict.ratio is None else f"{verdict.ratio:.2f}",
        verdict.asked,
        _met(verdict),
    ]
    return f"| {' | '.join(cells)} |"


def _met(verdict: Verdict) -> str:
    if verdict.met is None:
        return "" if verdict.asked == REPORTED else "not measured"
    return "yes" if verdict.met else "**no**"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    digits = 0 if value >= 1_000 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()

"""The table of mutants in the documentation. A run of some of them leaves the other rows alone."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from bench.publish import between, put
from proof.ledger import ROOT
from proof.mutants.mutant import Mutant
from proof.mutants.stand import Fate, Verdict

PAGE: Final = ROOT / "docs" / "explanation" / "mutants.md"
PLACE: Final = between("mutants")

_HEAD = "| Mutant | What is broken | Breaks | Caught by | Seconds |\n|---|---|---|---|---:|\n"


def rows_of(text: str) -> dict[str, str]:
    """The rows of a page, by the names of their mutants."""
    found = PLACE.search(text)
    assert found, "the page of mutants has lost its marks"
    rows = (line for line in found[0].splitlines() if line.startswith("| `"))
    return {row.split("`")[1]: row for row in rows}


def row_of(verdict: Verdict) -> str:
    """A row of the table."""
    mutant = verdict.mutant
    breaks = ", ".join([*mutant.breaks, *mutant.failures])
    by = f"`{verdict.by}`" if verdict.fate is Fate.CAUGHT else f"**{verdict.fate.value}**"
    # A bar would end the cell.
    cells = [f"`{mutant.name}`", mutant.what, breaks, by, f"{verdict.seconds:.1f}"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def block(text: str, verdicts: Iterable[Verdict], known: Collection[str]) -> str:
    """What the page has to hold: these verdicts, and those before, of mutants still known."""
    rows = rows_of(text) | {verdict.mutant.name: row_of(verdict) for verdict in verdicts}
    rows = {name: rows[name] for name in sorted(rows) if name in known}
    return _HEAD + "".join(f"{row}\n" for row in rows.values()) + f"\n{_total(rows)}\n"


def publish(verdicts: Iterable[Verdict], mutants: Mapping[str, Mutant]) -> None:
    """Write the table into the page."""
    put(PAGE, PLACE, block(PAGE.read_text("utf-8"), verdicts, mutants.keys()))


def _total(rows: Mapping[str, str]) -> str:
    alive = sum("**" in row for row in rows.values())
    seconds = sum(float(row.split("|")[-2]) for row in rows.values())
    return (
        f"{len(rows)} mutants, {len(rows) - alive} caught, {alive} survived; {seconds:,.0f} seconds"
        " from taking a guard out to the first test that fails, all in all."
    )

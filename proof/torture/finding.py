"""What a check says: how much it looked at, and what it found wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

SHOWN = 10
"""So many violations of a check are shown."""


class Violation(NamedTuple):
    """What is wrong, and the ids under which the books tell more."""

    ids: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class Finding:
    """`chances` is how many times the promise could have been broken."""

    check: str
    promise: str
    chances: int
    violations: list[Violation]
    figures: Mapping[str, float] = field(default_factory=dict)


def table(findings: Iterable[Finding], folder: str) -> str:
    """The findings for people: a line for each check, and each violation with its ids."""
    findings = list(findings)
    lines = [f"{'check':<6}{'promise':<66}{'looked at':>10}{'violations':>12}"]
    for found in findings:
        numbers = f"{found.chances:>10,}{len(found.violations):>12,}"
        lines.append(f"{found.check:<6}{found.promise:<66}{numbers}")
    for found in findings:
        for ids, what in found.violations[:SHOWN]:
            lines += ["", f"{found.check}: {what}"]
            lines += [f"    python -m proof.torture.checker {folder} --about {id}" for id in ids]
        if len(found.violations) > SHOWN:
            lines += ["", f"{found.check}: and {len(found.violations) - SHOWN:,} more"]
    return "\n".join(lines)


def quantile(values: Iterable[float], share: float) -> float:
    """The least value that is not exceeded by this share of them; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0

"""The stage: `python -m proof torture --minutes 5 --seed 1`."""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any, Final

from proof.summary import Summary
from proof.torture.cluster import Plan, Torture, judge

RECOVERY: Final = "C8"


def main(arguments: Sequence[str]) -> int:
    """Torture a cluster, and print what the checker says of it."""
    parser = argparse.ArgumentParser(prog="python -m proof torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="of load and faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=Plan(0, 0).rate, help="creates a second")
    parser.add_argument(
        "--standby", action="store_true", help="let commits wait for a standby, and fail over to it"
    )
    parser.add_argument("--json", type=Path, help="a file for the summary")
    parser.add_argument("--keep", type=Path, help="a new folder for the books; else only if needed")
    options = parser.parse_args(arguments)
    folder = options.keep or Path(mkdtemp(prefix="fcs-torture-"))
    plan = Plan(options.seed, options.minutes * 60, rate=options.rate, has_standby=options.standby)
    found = run(folder, plan)
    print(found.line)
    found.keep(options.json)
    if found.violations:
        print(f"the books are in {folder}; judge them again:")
        print(f"    python -m proof.torture.checker {folder}")
        print(
            f"another such run: python -m proof torture --minutes {options.minutes:g}"
            f" --seed {options.seed}{' --standby' if options.standby else ''}"
        )
    elif options.keep is None:
        shutil.rmtree(folder)
    return found.exit_code


def run(folder: Path, plan: Plan) -> Summary:
    """One torture, its books in the folder, and what came of it."""
    began = perf_counter()
    with Torture(folder, plan, say=lambda text: print(text, flush=True)) as torture:
        torture.run()
    _, said = judge(folder)
    print(said, flush=True)
    findings = json.loads((folder / "findings.json").read_text())
    return summary(plan, findings, torture.faults, perf_counter() - began)


def summary(
    plan: Plan, findings: Sequence[dict[str, Any]], faults: dict[str, int], seconds: float
) -> Summary:
    """What the ledger of runs is told."""
    by_check = {found["check"]: found for found in findings}
    violated = {
        f"violations of {name}": len(found["violations"])
        for name, found in by_check.items()
        if found["violations"]
    }
    return Summary(
        stage="torture",
        chances=by_check["C7"]["chances"],
        of_what="tasks",
        violations=sum(len(found["violations"]) for found in findings),
        seconds=seconds,
        faults=dict(sorted(faults.items())),
        figures={
            "seed": plan.seed,
            "minutes": round(plan.seconds / 60, 2),
            **by_check[RECOVERY]["figures"],
            **violated,
        },
        looked_at={
            f"{found['check']}, {found['promise']}": (found["chances"], len(found["violations"]))
            for found in findings
        },
    )

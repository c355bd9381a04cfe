"""The tests in their long forms, as stages: `python -m proof suite|pooled|soak`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final, NamedTuple
from xml.etree import ElementTree

from proof.ledger import ROOT
from proof.summary import Summary

SOAK: Final = "tests/bench/test_soak.py"
IN_PARALLEL: Final = ("-n", "4", "--dist", "loadgroup")


class Tests(NamedTuple):
    """What pytest is told, and what it finds in its environment."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = {}


TESTS: Final[Mapping[str, Tests]] = {
    "suite": Tests(
        [*IN_PARALLEL, "--hypothesis-profile=nightly", "--timeout=3600", f"--ignore={SOAK}"]
    ),
    "pooled": Tests(
        [*IN_PARALLEL, "-m", "not nightly and not direct", "tests/parts", "tests/system"],
        {"FCS_TEST_POOLER": "1"},
    ),
    "soak": Tests(["-s", SOAK]),
}
"""By stage. The soak is one of its own: it takes an hour, however many run at once."""


def main(arguments: Sequence[str], *, stage: str = "suite") -> int:
    """Run the tests of a stage, and tell how many there were."""
    parser = argparse.ArgumentParser(prog=f"python -m proof {stage}", description=__doc__)
    parser.add_argument("--json", type=Path, help="a file for the summary")
    options = parser.parse_args(arguments)
    found = run(stage)
    print(found.line)
    found.keep(options.json)
    return found.exit_code


def pooled(arguments: Sequence[str]) -> int:
    """The parts and whole processes through a pooler of transactions."""
    return main(arguments, stage="pooled")


def soak(arguments: Sequence[str]) -> int:
    """An hour of everything at once, in which nothing may grow."""
    return main(arguments, stage="soak")


def run(stage: str) -> Summary:
    """Run them with pytest. Raises `RuntimeError` where it did not come to run any."""
    tests = TESTS[stage]
    began = perf_counter()
    with TemporaryDirectory(prefix="fcs-proof-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}"]
        environment = {**os.environ, **tests.environment}
        subprocess.run([*command, *tests.arguments], cwd=ROOT, env=environment, check=False)
        if not report.exists():
            raise RuntimeError(f"pytest ran no tests of {stage}: see above")
        return summary(stage, report, perf_counter() - began)


def summary(stage: str, report: Path, seconds: float) -> Summary:
    """What pytest's report in the manner of JUnit says."""
    [suite] = ElementTree.parse(report).getroot().iter("testsuite")
    count = {name: int(suite.get(name, 0)) for name in ("tests", "skipped", "failures", "errors")}
    return Summary(
        stage=stage,
        chances=count["tests"] - count["skipped"],
        of_what="tests",
        violations=count["failures"] + count["errors"],
        seconds=seconds,
        figures={"skipped": count["skipped"]},
    )

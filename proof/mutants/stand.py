"""Where mutants are tried: a copy of the tree, in which one file at a time is changed."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from fcs.embedded import Postgres
from proof.ledger import ROOT
from proof.mutants.mutant import Mutant

LIMIT: Final = 180.0
"""Seconds after which a command is ended. That it takes long catches nobody."""

CARELESS: Final = {"fsync": "off", "full_page_writes": "off"}
"""Of that server, which nobody crashes: tests that do so bring their own."""

_NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist")
_FAILURE = re.compile(r"^(FAILED|ERROR) (.+?)(?: - (.*))?$", re.MULTILINE)

_NONSENSE = re.compile(
    r"\b(SyntaxError|IndentationError|NameError|UnboundLocalError|ImportError|ModuleNotFoundError"
    r"|AttributeError|Undefined(Column|Table|Function|Parameter|Object)|IndeterminateDatatype"
    r"|AmbiguousColumn|DatatypeMismatch|GroupingError)\b"
)
"""Code that cannot be run at all fails everywhere: to notice that takes no test."""


class Fate(Enum):
    CAUGHT = "caught"
    SURVIVED = "survived"
    BROKEN = "broken"
    """Nothing was learned: the command could not be run, did not end, or nothing works any more."""


class Verdict(NamedTuple):
    mutant: Mutant
    fate: Fate
    by: str
    """The test that failed first, or why nothing was learned."""
    seconds: float


class Ran(NamedTuple):
    code: int | None
    """The exit code; `None` if the command had to be ended."""
    output: str
    seconds: float

    @property
    def last_word(self) -> str:
        """How it ended, in its own words."""
        if self.code is None:
            return "did not end"
        return (self.output.strip().splitlines() or ["nothing was said"])[-1]

    @property
    def first_failure(self) -> tuple[str, str, str] | None:
        """What kind of failure came first, in which test, and the error."""
        _, _, told = self.output.rpartition("short test summary info")
        found = _FAILURE.search(told)
        return (found[1], found[2], found[3] or "") if found else None


class Stand:
    def __init__(self, tree: Path, server: str, *, limit: float = LIMIT) -> None:
        self.tree, self.server = tree, server
        self._limit = limit
        self._sound: dict[tuple[str, ...], bool] = {}
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        } | {
            "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}",
            "FCS_TEST_DATABASE": server,  # to start one for each takes longer than most tests
            "CI": "1",  # the same examples each time, and whole lines in the summary
            "FCS_TEST_PATIENCE": "10",  # what does not happen is waited for
        }

    def try_out(self, mutant: Mutant) -> Verdict:
        """Take the guard out and see who notices."""
        # Who fails all the same would have caught nothing.
        if not self._is_sound(mutant.command):
            return Verdict(mutant, Fate.BROKEN, "fails without the mutant as well", 0.0)
        with self._changed(mutant):
            ran = self.run(mutant.command)
        fate, by = judge(ran) if "pytest" in mutant.command else judge_stage(ran)
        return Verdict(mutant, fate, by, ran.seconds)

    def run(self, command: Sequence[str]) -> Ran:
        """Run Python in the copy, with these arguments."""
        began = monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=self.tree,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = process.wait(self._limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                self._end_leftovers()
                process.wait()
            output.seek(0)
            return Ran(code, output.read().decode("utf-8", "replace"), monotonic() - began)

    def _end_leftovers(self) -> None:
        """End what a command has left running: without a guard that may be anything."""
        # Whatever was started there has the place in its environment, however it got away.
        mark = os.fsencode(self.tree)
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)

    def _is_sound(self, command: tuple[str, ...]) -> bool:
        if command not in self._sound:
            self._sound[command] = self.run(command).code == 0
        return self._sound[command]

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self.tree / mutant.path
        source = path.read_text("utf-8")
        self._write(path, mutant.applied_to(source))
        try:
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, "utf-8")
        # Of the same second and length, a changed file would pass for what was compiled before.
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)


@contextmanager
def stand(*, limit: float = LIMIT) -> Iterator[Stand]:
    """A copy of the tree and a server for its tests, for as long as the block runs."""
    with (
        tempfile.TemporaryDirectory(prefix="fcs-mutants-") as folder,
        Postgres(Path(folder) / "postgres", settings=CARELESS) as server,
    ):
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=_NOT_COPIED)
        place = Stand(tree, os.environ.get("FCS_TEST_DATABASE") or server.url(), limit=limit)
        told = place.run(["-c", "import fcs; print(fcs.__file__)"]).output
        assert told.startswith(str(tree)), f"not the copy is run, but {told}"
        yield place


def judge(ran: Ran) -> tuple[Fate, str]:
    """What pytest says: caught is who makes a test fail, and not all of them for no reason."""
    if ran.code == 0:
        return Fate.SURVIVED, ""
    failure = ran.first_failure
    if ran.code != 1 or failure is None:
        return Fate.BROKEN, ran.last_word
    kind, test, error = failure
    if kind == "ERROR" or _NONSENSE.search(error):
        return Fate.BROKEN, f"{test}: {error}"
    return Fate.CAUGHT, test


def judge_stage(ran: Ran) -> tuple[Fate, str]:
    """What a stage of the proof says: it ends with 1 where it has found something."""
    if ran.code == 0:
        return Fate.SURVIVED, ""
    is_found = ran.code == 1 and "Traceback (most recent call last)" not in ran.output
    return (Fate.CAUGHT if is_found else Fate.BROKEN), ran.last_word

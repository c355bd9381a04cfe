"""The program as such: its verbs, its manners with errors, its exit codes."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.cli.said import Fcs

import fcs as package
from fcs.cli.errors import EXIT_CODES
from fcs.cli.program import VERBS
from fcs.cli.task import VERBS as TASK_VERBS
from fcs.database.migrate import known
from fcs.domain.errors import FcsError

NOWHERE = "postgres://ann:canary@127.0.0.1:1/nothing"

# Each with arguments that are right as far as can be told without a database.
ASKING = [
    ["init", "--check"],
    ["why", "01"],
    ["status"],
    ["workers"],
    ["task", "create", "baz"],
    ["task", "run", "baz"],
    ["task", "list"],
    ["task", "show", "01"],
    ["task", "wait", "01"],
    ["task", "attempts", "01"],
    ["task", "cancel", "01"],
    ["task", "cancel", "--queue", "mail"],
    ["task", "retry", "01"],
    ["task", "delete", "01"],
]

asking = pytest.mark.parametrize("verb", ASKING, ids=" ".join)


@pytest.mark.parametrize(
    "verb",
    [[], *([verb] for verb in VERBS), *(["task", verb] for verb in TASK_VERBS)],
    ids=" ".join,
)
def test_every_verb_explains_itself(anywhere: Fcs, verb: list[str]) -> None:
    said = anywhere(*verb, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: {' '.join(['fcs', *verb])}")
    assert said.err == ""


@pytest.mark.parametrize("words", [[], ["task"]], ids=["fcs", "fcs task"])
def test_group_without_a_verb_shows_its_help(anywhere: Fcs, words: list[str]) -> None:
    assert anywhere(*words) == anywhere(*words, "--help")


def test_version_names_all_three(anywhere: Fcs) -> None:
    said = anywhere("--version")
    assert said.out.startswith(f"fcs {package.__version__} (schema {known()[-1].number}, Python 3.")


def test_mistyped_verb_comes_with_the_near_match(anywhere: Fcs) -> None:
    assert "Did you mean 'work'?" in anywhere("wrok").fails(2)
    assert "Did you mean 'create'?" in anywhere("task", "crate").fails(2)


def test_unknown_option_points_to_the_help_of_its_verb(anywhere: Fcs) -> None:
    assert "fcs task list --help" in anywhere("task", "list", "--nonsense").fails(2)


@asking
def test_nobody_is_asked_without_a_database(anywhere: Fcs, verb: list[str]) -> None:
    assert "--database" in anywhere(*verb).fails(2)


@asking
def test_database_that_cannot_be_reached(anywhere: Fcs, verb: list[str]) -> None:
    said = anywhere(*verb, "--database", NOWHERE)
    assert "127.0.0.1:1/nothing" in said.fails(69)


@asking
def test_database_without_the_schema(
    anywhere: Fcs, verb: list[str], blank_database_url: str
) -> None:
    said = anywhere(*verb, "-d", blank_database_url)
    assert "fcs init" in said.fails(3)


@asking
def test_password_is_never_written(anywhere: Fcs, verb: list[str]) -> None:
    said = anywhere("-v", *verb, "--database", NOWHERE)
    assert said.code == 69
    assert "Traceback" in said.err
    assert "canary" not in said.err + said.out


@pytest.mark.parametrize("url", ["postgres//u:canary@h/db", "postgres://u:canary%zz@h/db"])
def test_password_of_a_misspelt_url_is_never_written(anywhere: Fcs, url: str) -> None:
    assert "canary" not in anywhere("status", "-d", url).fails(2)


def test_options_may_stand_before_the_verb_and_after(anywhere: Fcs, database_url: str) -> None:
    before = anywhere("-d", database_url, "-o", "jsonl", "task", "create", "baz")
    after = anywhere("task", "create", "baz", "-o", "jsonl", "-d", database_url)
    between = anywhere("task", "-d", database_url, "create", "baz", "-o", "jsonl")
    assert all(len(said.json["id"]) == 36 for said in (before, after, between))


def test_option_after_the_verb_counts(anywhere: Fcs, database_url: str) -> None:
    assert anywhere("-d", NOWHERE, "task", "list", "-d", database_url).code == 0


def test_shell_is_told_what_could_come_next(anywhere: Fcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FCS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "fcs task cr")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "create" in anywhere().out


def test_no_traceback_unless_asked_for(anywhere: Fcs) -> None:
    assert "Traceback" not in anywhere("status", "-d", NOWHERE).err


def test_error_of_many_lines_still_takes_two(anywhere: Fcs, tmp_path: Path) -> None:
    file = tmp_path / "two\nlines"
    anywhere("work", "--listen", "nonsense\n\x1b[2J").fails(2)
    assert "\x1b" not in anywhere("work", "--id", f"{file}\x1b[2J").fails(2)


def test_interrupted_by_the_keyboard(anywhere: Fcs, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fcs.cli.settings.database_url", interrupt)
    assert anywhere("doctor").code == 130


def test_fault_of_fcs_is_called_so(anywhere: Fcs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("fcs.cli.settings.database_url", fail)
    assert "a fault of fcs: ZeroDivisionError" in anywhere("doctor").fails(1)


def test_every_error_has_an_exit_code() -> None:
    for module in pkgutil.walk_packages(package.__path__, "fcs."):
        if "__main__" not in module.name and "launcher" not in module.name:
            importlib.import_module(module.name)
    http_only = {
        "forbidden",
        "internal_error",
        "method_not_allowed",
        "not_ready",
        "shutting_down",
        "unauthenticated",
        "unsupported_media_type",
    }
    codes = {error.code for error in descendants(FcsError)} - http_only
    assert codes | {"error"} == set(EXIT_CODES)


def descendants(cls: type[FcsError]) -> set[type[FcsError]]:
    found = {child for child in cls.__subclasses__() if child.__module__.startswith("fcs.")}
    return found.union(*map(descendants, found))


def test_nothing_is_left_running(fcs: Fcs) -> None:
    before = set(threading.enumerate())
    fcs("task", "list")
    assert set(threading.enumerate()) == before
    assert sys.stdout is not None


def run_apart(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own, whose locale may be any."""
    command = [sys.executable, "-m", "fcs", *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, check=False)


def test_what_the_locale_cannot_write_is_escaped(fcs: Fcs) -> None:
    id = fcs("task", "create", "baz", "--key", "Łódź", "-o", "json").json["id"]
    shown = run_apart("task", "show", id, PYTHONIOENCODING="latin-1")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"\\u0141\xf3d\\u017a" in shown.stdout
    refused = run_apart("task", "show", "Łódź", PYTHONIOENCODING="latin-1:strict")
    assert refused.returncode == 2
    assert b"\\u0141\xf3d\\u017a" in refused.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_stays_json_whatever_the_locale_can_write(fcs: Fcs, encoding: str) -> None:
    key = "Łódź \xe9 \N{CHURCH}"
    id = fcs("task", "create", "baz", "--key", key, "-o", "json").json["id"]
    shown = run_apart("task", "show", id, "-o", "json", PYTHONIOENCODING=encoding)
    assert json.loads(shown.stdout.decode(encoding))["key"] == key

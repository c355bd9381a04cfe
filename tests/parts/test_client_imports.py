"""What `import fcs` costs whoever has it in a program: next to nothing, and no surprise."""

import json
import subprocess
import sys

import pytest

import fcs
import fcs.testing

SERVERS = {"starlette", "uvicorn", "structlog", "click", "httptools", "uvloop"}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after some code."""
    show = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], check=True, capture_output=True, text=True
    )
    return set(json.loads(answer.stdout))


def test_the_bare_import_loads_nothing_else() -> None:
    loaded = loaded_by("import fcs") - loaded_by("")
    assert {name for name in loaded if name.startswith("fcs.")} == set()
    assert loaded & (SERVERS | {"psycopg", "msgspec", "asyncio", "fcs"}) == {"fcs"}


def test_an_app_loads_no_server() -> None:
    loaded = loaded_by(f"from fcs import {', '.join(fcs.__all__)}\n{PROGRAM}")
    assert "psycopg" in loaded
    assert loaded & SERVERS == set()
    parts = {name.split(".")[1] for name in loaded if name.startswith("fcs.")}
    assert parts == {"body", "client", "database", "domain", "registry"}


PROGRAM = """
from datetime import UTC, datetime
app = App(database="postgresql://nowhere.example:1/nothing")
@app.task(queue="mail")
async def mail(to: str) -> None: ...
later = mail.using(scheduled_at=datetime(2030, 1, 1, tzinfo=UTC), priority=3)
app.find("0192f0c1-1111-7222-8333-444455556666")
"""


def test_the_plugin_for_pytest_costs_nobody_anything() -> None:
    """It is loaded in every run of pytest wherever fcs is installed."""
    loaded = loaded_by("import fcs.testing.pytest_plugin") - loaded_by("import asyncio, pytest")
    assert {name for name in loaded if name.startswith("fcs")} == {
        "fcs",
        "fcs.testing",
        "fcs.testing.pytest_plugin",
    }
    assert loaded & (SERVERS | {"psycopg", "msgspec"}) == set()


def test_every_name_of_the_testing_kit_is_there() -> None:
    for name in fcs.testing.__all__:
        assert getattr(fcs.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Mock'"):
        _ = fcs.testing.Mock


def test_nothing_is_opened_before_the_first_task() -> None:
    watch = """
import sys
def refuse(event, args):
    if event.startswith(("socket.", "subprocess.")):
        sys.exit(f"opened something: {event} {args}")
sys.addaudithook(refuse)
from fcs import App
"""
    loaded_by(watch + PROGRAM)


def test_a_public_name_is_there_and_no_other() -> None:
    for name in fcs.__all__:
        # A constant has no name of its own.
        assert getattr(getattr(fcs, name), "__name__", name) == name
    with pytest.raises(AttributeError, match="'fcs' has no attribute 'Client'"):
        _ = fcs.Client


def test_public_names_are_shown_before_they_are_loaded() -> None:
    said = loaded_by("import fcs; assert {*fcs.__all__, '__version__'} <= {*dir(fcs)}")
    assert {name for name in said if name.startswith("fcs.")} == set()


@pytest.mark.parametrize(
    "name",
    [
        "DatabaseUnavailable",
        "InDoubt",
        "InvalidArguments",
        "InvalidInput",
        "InvalidTaskType",
        "PayloadTooLarge",
        "TaskNotFound",
        "WrongStatus",
    ],
)
def test_an_error_that_users_catch_is_public(name: str) -> None:
    assert name in fcs.__all__
    assert issubclass(getattr(fcs, name), fcs.FcsError)

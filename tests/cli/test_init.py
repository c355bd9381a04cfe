"""`fcs init`: says what it did, and does it once."""

from typing import Any

import psycopg
import pytest
from tests.cli.said import Fcs

from fcs.database.migrate import known

NAMES = [migration.name for migration in known()]


@pytest.fixture
def blank(anywhere: Fcs, blank_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Fcs:
    monkeypatch.setenv("FCS_DATABASE", blank_database_url)
    return anywhere


def test_first_time_names_what_was_applied(blank: Fcs) -> None:
    assert blank("init").out == "".join(f"applied {name}\n" for name in NAMES)
    assert blank("init").out.startswith("up to date")


def test_as_json(blank: Fcs) -> None:
    assert blank("init", "-o", "json").json == {"applied": NAMES, "schema": len(NAMES)}
    assert blank("init", "-o", "json").json == {"applied": [], "schema": len(NAMES)}


def test_check_changes_nothing(blank: Fcs) -> None:
    blank("init", "--check").fails(3)
    blank("init", "--check").fails(3)


def test_check_is_content_with_what_is_there(fcs: Fcs) -> None:
    assert fcs("init", "--check").out.startswith("up to date")


def test_newer_schema_is_refused(fcs: Fcs, rows: psycopg.Connection[Any]) -> None:
    rows.execute("insert into fcs.migrations values (9999, '9999_later', 'x')")
    assert "Upgrade this fcs" in fcs("init").fails(3)
    assert "Upgrade this fcs" in fcs("init", "--check").fails(3)

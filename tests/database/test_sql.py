"""Named statements, read from files; the trap of a quoted placeholder."""

from pathlib import Path

import pytest

from fcs.database import sql


@pytest.fixture
def queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "queries"
    folder.mkdir()
    monkeypatch.setattr(sql, "files", lambda _: tmp_path)
    return folder


def test_statements_are_loaded_by_name(queries: Path) -> None:
    (queries / "some.sql").write_text(
        "-- Head.\n\n-- name: one\nselect 1;\n\n-- name: two\nselect 2;\n"
    )

    assert {name: text.strip() for name, text in sql.load("some").items()} == {
        "one": "select 1;",
        "two": "select 2;",
    }


@pytest.mark.parametrize(
    "statement",
    ["select now() + '%(ttl)s seconds'", "select '%(a)b'", "select 'it''s', '\n%(a)s'"],
)
def test_a_placeholder_inside_quotes_is_refused(queries: Path, statement: str) -> None:
    """Postgres reads '$3 seconds' as three seconds, without complaint."""
    (queries / "some.sql").write_text(f"-- name: one\n{statement};\n")

    with pytest.raises(ValueError, match="inside quotes"):
        sql.load("some")


def test_comments_may_say_what_they_like(queries: Path) -> None:
    (queries / "some.sql").write_text(
        "-- name: one\n-- It's '%(a)s' that matters.\nselect %(a)s;\n"
    )

    assert "one" in sql.load("some")

"""`fcs prune`: what is past its time goes now, or is only counted."""

from typing import Any

import psycopg
import pytest
from tests.cli.said import Fcs

from fcs.database.sql import load

Rows = psycopg.Connection[tuple[Any, ...]]

RIPE = {"succeeded": 990, "failed": 0, "interrupted": 0, "cancelled": 0}


@pytest.fixture(autouse=True)
def _past(rows: Rows) -> None:
    """Of more than a week ago: 990 that succeeded, 5 that failed, 5 that still wait."""
    rows.execute(load("history")["fill"].encode(), {"tasks": 1_000})


def left(rows: Rows) -> dict[str, int]:
    return dict(rows.execute("select status::text, count(*) from fcs.tasks group by 1").fetchall())


def test_what_is_past_its_time_goes(fcs: Fcs, rows: Rows) -> None:
    said = fcs("prune", "-o", "json").json

    assert said["tasks"] == RIPE
    assert not said["dry_run"]
    assert left(rows) == {"failed": 5, "pending": 5}


def test_a_dry_run_only_counts(fcs: Fcs, rows: Rows) -> None:
    said = fcs("prune", "--dry-run", "-o", "json").json

    assert said["dry_run"]
    assert said["tasks"] == RIPE
    assert left(rows) == {"succeeded": 990, "failed": 5, "pending": 5}


def test_a_person_reads_a_table(fcs: Fcs) -> None:
    assert "RIPE" in fcs("prune", "--dry-run").out
    pruned = fcs("prune").out.splitlines()

    assert pruned[0].split() == ["STATUS", "PRUNED"]
    assert pruned[-1].split() == ["all", "990"]


def test_another_age_is_said_and_holds_for_all(fcs: Fcs, rows: Rows) -> None:
    assert fcs("prune", "--older-than", "10d", "-o", "json").json["tasks"]["succeeded"] == 0
    assert fcs("prune", "--older-than", "1d12h", "-o", "json").json["tasks"]["failed"] == 5
    assert left(rows) == {"pending": 5}


def test_only_the_statuses_that_are_named_go(fcs: Fcs, rows: Rows) -> None:
    said = fcs("prune", "--older-than", "1d", "--status", "failed", "--status", "cancelled", "-o",
               "json").json  # fmt: skip

    assert said["tasks"] == {"failed": 5, "cancelled": 0}
    assert left(rows) == {"succeeded": 990, "pending": 5}


def test_the_space_goes_back_though_somebody_was_cut_off_before(
    fcs: Fcs, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statistics know nothing of what has just been pruned."""
    monkeypatch.setattr("fcs.domain.retention.WASTE_MIN", 20)
    rows.execute(load("history")["fill"].encode(), {"tasks": 20_000})
    rows.execute("vacuum analyze fcs.tasks")
    rows.execute("delete from fcs.tasks where status = 'succeeded'")

    said = fcs("prune", "-o", "json").json
    assert said["tasks"]["succeeded"] == 0
    assert said["bytes_after"] < said["bytes_before"] / 5


def test_settings_say_how_long_what_is_kept(
    fcs: Fcs, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_KEEP_SUCCEEDED", "0")
    monkeypatch.setenv("FCS_KEEP_FAILED", "1d")

    assert fcs("prune", "-o", "json").json["tasks"] == RIPE | {"succeeded": 0, "failed": 5}
    assert left(rows) == {"succeeded": 990, "pending": 5}


def test_what_a_client_may_still_ask_about_stays(fcs: Fcs, rows: Rows) -> None:
    """ONCE: or a create that is sent again would run the body once more."""
    said = fcs("prune", "--older-than", "59m").fails(2)

    assert "an hour" in said
    assert left(rows)["succeeded"] == 990


def test_live_tasks_cannot_be_named(fcs: Fcs) -> None:
    assert "pending" in fcs("prune", "--status", "pending").fails(2)

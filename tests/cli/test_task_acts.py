"""`fcs task cancel|retry|delete|attempts|show`: acting on tasks, and what became of them."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.cli.said import Fcs
from tests.cli.test_task import Rows, column, put

from fcs.cli.common import Common
from fcs.cli.task.waiting import wait_for_result
from fcs.domain.ids import TaskId


def statuses(rows: Rows) -> list[str]:
    found = rows.execute("select status::text from fcs.tasks order by 1").fetchall()
    return [row[0] for row in found]


# --- named ---


def test_cancel_of_one_that_waits(fcs: Fcs, rows: Rows) -> None:
    id = put(rows)
    said = fcs("task", "cancel", id, "--reason", "ordered twice", "-o", "json").json
    assert said == {"id": str(id), "found": "pending", "cancelled": True}
    assert column(rows, "cancel_reason", str(id)) == "ordered twice"
    assert fcs("task", "cancel", id).out == f"cancelled {id}\n"
    assert "ordered twice (before it started)" in fcs("task", "show", id).out


def test_cancel_of_one_that_runs(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, status="running")
    assert "asked to end" in fcs("task", "cancel", id).out
    assert "has not ended yet" in fcs("task", "show", id).out
    assert column(rows, "status", str(id)) == "running"


def test_what_can_be_done_is_done_and_the_rest_is_said(fcs: Fcs, rows: Rows) -> None:
    ids = [put(rows), put(rows, status="succeeded"), put(rows)]
    said = fcs("task", "cancel", *ids, "-o", "json")
    assert f"{ids[1]} is succeeded" in said.fails(5)
    assert [task["id"] for task in json.loads(said.out)] == [str(ids[0]), str(ids[2])]
    assert statuses(rows) == ["cancelled", "cancelled", "succeeded"]


def test_retry_prints_the_new_id(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, status="failed", queue="mail", error="ouch")
    new = fcs("task", "retry", id).out.strip()
    assert UUID(new) != id
    assert column(rows, "queue", new) == "mail"
    assert column(rows, "status", new) == "pending"
    assert column(rows, "status", str(id)) == "failed"
    assert f"{new} is pending" in fcs("task", "retry", new).fails(5)


def test_dry_run_of_named_ones_does_nothing(fcs: Fcs, rows: Rows) -> None:
    id = put(rows)
    for verb in ("cancel", "retry", "delete"):
        assert "nothing was done" in fcs("task", verb, id, "--dry-run").out
    assert statuses(rows) == ["pending"]


# --- all that match ---


def test_dry_run_counts(fcs: Fcs, rows: Rows) -> None:
    put(rows, queue="mail")
    put(rows, queue="mail", status="running")
    put(rows, queue="mail", status="failed")
    put(rows)
    said = fcs("task", "cancel", "--queue", "mail", "--dry-run", "-o", "json").json
    assert said == {
        "action": "cancel",
        "dry_run": True,
        "tasks": 2,
        "by_status": {"pending": 1, "running": 1},
    }
    assert statuses(rows) == ["failed", "pending", "pending", "running"]


def test_more_than_one_needs_a_yes(fcs: Fcs, rows: Rows) -> None:
    for _ in range(3):
        put(rows, "foo")
    put(rows)
    refusal = fcs("task", "cancel", "--type", "foo").fails(2)
    assert "3 tasks (3 pending) match; nothing was done" in refusal
    assert "--yes" in refusal
    assert "cancelled" not in statuses(rows)

    said = fcs("task", "cancel", "--type", "foo", "--yes").out
    assert said == "3 tasks (3 pending) cancelled\n"
    assert statuses(rows) == ["cancelled"] * 3 + ["pending"]


def test_one_that_matches_needs_none(fcs: Fcs, rows: Rows) -> None:
    put(rows, "foo")
    assert fcs("task", "delete", "--type", "foo").out == "1 task (1 pending) deleted\n"
    assert fcs("task", "delete", "--type", "foo").out == "0 tasks deleted\n"


def test_what_failed_is_created_anew_and_only_once(fcs: Fcs, rows: Rows) -> None:
    for status in ("failed", "failed", "succeeded", "pending"):
        put(rows, status=status)
    said = fcs("task", "retry", "--older-than", "0s", "--yes", "-o", "json").json
    assert said["by_status"] == {"failed": 2}
    assert statuses(rows) == ["failed"] * 2 + ["pending"] * 3 + ["succeeded"]


def test_what_runs_is_not_deleted_with_the_others(fcs: Fcs, rows: Rows) -> None:
    for status in ("failed", "running", "pending"):
        put(rows, status=status)
    fcs("task", "delete", "--type", "baz", "--yes")
    assert statuses(rows) == ["running"]


@pytest.mark.parametrize("verb", ["cancel", "retry", "delete"])
def test_it_must_be_said_which_tasks(fcs: Fcs, verb: str) -> None:
    assert "--status" in fcs("task", verb).fails(2)
    assert "both" in fcs("task", verb, uuid4(), "--queue", "mail").fails(2)


# --- what became of them ---


@pytest.fixture
def broken(rows: Rows) -> UUID:
    """A task that failed twice."""
    worker, run = uuid4(), uuid4()
    id = put(
        rows,
        status="failed",
        error="worse",
        attempt=2,
        max_attempts=2,
        worker_id=worker,
        run_id=run,
    )
    for attempt, error in ((1, "ouch"), (2, "worse")):
        rows.execute(
            "insert into fcs.attempts (task_id, attempt, run_id, worker_id, outcome, started_at,"
            " ended_at, error_type, error, trace, logs) values (%s, %s, %s, %s, 'failed', now(),"
            " now() + interval '1.5 s', 'ValueError', %s, 'line 1\nline \x1b[2J2', 'it said so')",
            [id, attempt, run if attempt == 2 else uuid4(), worker, error],
        )
    return id


def test_attempts_stand_in_a_table(fcs: Fcs, broken: UUID) -> None:
    _, first, second = fcs("task", "attempts", broken).out.splitlines()
    assert first.split()[:2] == ["1", "failed"]
    assert "1.5 s" in first
    assert first.endswith("ouch")
    assert second.endswith("worse")


def test_attempts_in_full_have_traceback_and_logs(fcs: Fcs, broken: UUID) -> None:
    said = fcs("task", "attempts", broken, "-v").out
    assert "    line 1\n    line \\x1b[2J2" in said
    assert said.count("    it said so") == 2


def test_attempts_as_json(fcs: Fcs, broken: UUID) -> None:
    found: list[Any] = fcs("task", "attempts", broken, "-o", "json").json
    assert [(run["attempt"], run["error_type"]) for run in found] == [
        (1, "ValueError"), (2, "ValueError"),
    ]  # fmt: skip


def test_show_has_the_attempts_of_more_than_one(fcs: Fcs, broken: UUID) -> None:
    said = fcs("task", "show", broken).out
    assert "2 of 2" in said
    assert "OUTCOME" in said


def test_show_has_result_and_progress(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, status="succeeded", result='{"n": 7}', progress='{"done": 3.0}')
    said = fcs("task", "show", id).out
    assert '{"n": 7}' in said
    assert '{"done": 3.0}' in said
    assert fcs("task", "show", id, "-o", "json").json["result"] == {"n": 7}


@pytest.mark.parametrize(("result", "printed"), [('{"n": 7}', '{"n": 7}\n'), (None, "")])
def test_run_prints_what_the_body_returned_and_nothing_else(
    fcs: Fcs,
    rows: Rows,
    database_url: str,
    capfd: pytest.CaptureFixture[str],
    result: str | None,
    printed: str,
) -> None:
    id = put(rows, status="succeeded", result=result)
    wait_for_result(Common(database=database_url), TaskId(id), None)
    assert capfd.readouterr().out == printed


# --- why ---


def test_why_says_cause_and_remedy(fcs: Fcs, rows: Rows) -> None:
    id = put(rows, "\x1b[2Jbazz")
    first, second, third = fcs("why", id).out.splitlines()
    assert "neither `fcs supervise` nor a worker" in first
    assert second.startswith("remedy: Start one:  fcs supervise")
    assert third == "also:   no worker is live"
    assert fcs("why", id, "-o", "json").json["code"] == "no_supervisor"
    assert "there is no task" in fcs("why", uuid4()).fails(4)


@pytest.mark.parametrize(
    ("verb", "status"), [("delete", "running"), ("cancel", "succeeded"), ("retry", "pending")]
)
def test_what_an_act_can_do_nothing_for_is_refused(fcs: Fcs, verb: str, status: str) -> None:
    said = fcs("task", verb, "--status", status, "--yes").fails(2)
    assert f"there is nothing to {verb} in tasks that are {status}" in said

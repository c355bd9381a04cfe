"""`fcs adopt`, and what the other verbs say while a cluster is on hold."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from tests.cli.said import Fcs

Rows = psycopg.Connection[tuple[Any, ...]]

SILENT = str(uuid4())
TASKS = [str(uuid4()) for _ in range(3)]


@pytest.fixture
def at_home(rows: Rows) -> None:
    """Somebody has begun something here."""
    rows.execute(
        """
        update fcs.identity
           set system = (select system_identifier from pg_control_system()),
               database = (select oid::bigint from pg_database where datname = current_database()),
               timeline = 1,
               server_started_at = pg_postmaster_start_time()
        """
    )


@pytest.fixture
def copied(rows: Rows, at_home: None) -> None:
    """The same in another Postgres, with what a worker of the original had in hand."""
    rows.execute("update fcs.identity set system = system + 1, server_started_at = now()")
    rows.execute(
        """
        insert into fcs.workers (id, incarnation, slots_total, queues, types, host, beat_at)
             values (%s, gen_random_uuid(), 4, '{}', '{baz}', 'ann', now() - interval '1 h')
        """,
        [SILENT],
    )
    for id, status, retries in zip(
        TASKS, ["dispatched", "running", "dispatched"], [1, 1, 2], strict=True
    ):
        rows.execute(
            """
            insert into fcs.tasks (
                            id, ty, status, due_at, incarnation, worker_id, max_attempts,
                            retry_interrupted
                        )
                 select %s, 'baz', %s, null, incarnation, id, %s, %s from fcs.workers
            """,
            [id, status, retries, retries > 1],
        )


def statuses(rows: Rows) -> dict[str, str]:
    return {
        str(id): status for id, status in rows.execute("select id, status::text from fcs.tasks")
    }


def test_there_is_nothing_to_adopt_at_home(fcs: Fcs, at_home: None) -> None:
    assert fcs("adopt", "-o", "json").json == {"on_hold": False, "adopted": False}
    assert "Nothing to adopt" in fcs("adopt").out


def test_nor_where_nothing_has_begun(fcs: Fcs) -> None:
    assert fcs("adopt", "-o", "json").json == {"on_hold": False, "adopted": False}


def test_a_dry_run_shows_what_is_not_known_and_changes_nothing(
    fcs: Fcs, copied: None, rows: Rows
) -> None:
    before = statuses(rows)
    seen = fcs("adopt", "--dry-run", "-o", "json").json

    assert seen["on_hold"]
    assert not seen["adopted"]
    assert "another Postgres" in seen["why"]
    assert [worker["id"] for worker in seen["workers"]] == [SILENT]
    assert {task["id"]: task["fate"] for task in seen["tasks"]} == dict(
        zip(TASKS, ["interrupted", "interrupted", "runs_again"], strict=True)
    )
    assert statuses(rows) == before
    said = fcs("adopt", "--dry-run").out
    assert "runs again, as it asked for" in said
    assert "Of 1 of 1 workers nothing was heard" in said
    assert "fcs task cancel" in said


def test_it_goes_on_and_what_may_have_begun_does_not_run_again(
    fcs: Fcs, copied: None, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_LEASE", "0.8")
    monkeypatch.setenv("FCS_BEAT_INTERVAL", "0.1")
    monkeypatch.setenv("FCS_SURVEY_INTERVAL", "0.1")
    said = fcs("adopt")

    assert said.code == 0
    assert f"waiting for workers to tell what they had begun: {SILENT}" in said.err
    assert "Adopted" in said.out
    assert statuses(rows) == dict(zip(TASKS, ["interrupted", "running", "pending"], strict=True))
    assert "Nothing to adopt" in fcs("adopt").out
    codes = {problem["code"] for problem in fcs("status", "-o", "json").json["problems"]}
    assert "on_hold" not in codes


def test_status_says_so_first(fcs: Fcs, copied: None) -> None:
    problems = fcs("status", "-o", "json").json["problems"]

    assert problems[0]["code"] == "on_hold"
    assert "another Postgres" in problems[0]["message"]
    assert "fcs adopt" in problems[0]["hint"]


def test_why_says_so_of_what_waits_and_of_what_lies_with_a_worker(
    fcs: Fcs, copied: None, rows: Rows
) -> None:
    waiting = fcs("task", "create", "baz").out.strip()

    assert fcs("why", waiting, "-o", "json").json["code"] == "on_hold"
    assert fcs("why", TASKS[0], "-o", "json").json["code"] == "on_hold"
    assert "fcs adopt" in fcs("why", waiting).out


def test_the_doctor_says_so(fcs: Fcs, copied: None) -> None:
    said = fcs("doctor")

    assert said.code == 2
    assert "nothing begins: the database is a copy in another Postgres" in said.out
    assert "fcs adopt" in said.out


def test_all_of_them_say_for_how_long_a_claim_binds(fcs: Fcs, at_home: None, rows: Rows) -> None:
    rows.execute("update fcs.identity set standbys = 's1', standbys_seen_at = now()")

    [problem, *_] = fcs("status", "-o", "json").json["problems"]
    assert "commits waited for s1 and now wait for nobody" in problem["message"]
    assert "Wait" in problem["hint"]
    assert fcs("adopt", "-o", "json").json == {"on_hold": False, "adopted": False}

"""`fcs schedule`: rules from the shell."""

import json
import os

import pytest
from tests.cli.said import Fcs
from tests.cli.test_task import Rows

WARSAW = ["--tz", "Europe/Warsaw"]


def create(fcs: Fcs, *more: object) -> None:
    said = fcs("schedule", "create", "tidy", "0 9 * * mon-fri", "baz", *WARSAW, *more)
    assert said.code == 0, said


def test_create_says_the_rule_in_words(fcs: Fcs) -> None:
    said = fcs("schedule", "create", "tidy", "0 9 * * mon-fri", "baz", *WARSAW)
    assert "every weekday at 09:00 (Europe/Warsaw)" in said.out
    assert said.code == 0


def test_a_schedule_is_shown_as_http_shows_it(fcs: Fcs) -> None:
    create(fcs, "--queue", "slow", "--catch-up", "once")
    shown = fcs("schedule", "show", "tidy", "-o", "json").json
    assert shown["task"] == {"def": {"ty": "baz"}, "queue": "slow"}
    assert (shown["cron"], shown["tz"]) == ("0 9 * * mon-fri", "Europe/Warsaw")
    assert (shown["catch_up"], shown["source"], shown["declared_by"]) == ("once", "api", None)
    assert fcs("schedule", "list", "-o", "json").json == [shown]
    assert json.loads(fcs("schedules", "-o", "jsonl").out) == shown


def test_lists_are_for_people_too(fcs: Fcs) -> None:
    create(fcs)
    head, row = fcs("schedules").out.splitlines()
    assert head.split()[:3] == ["NAME", "RULE", "TYPE"]
    assert row.startswith("tidy  every weekday at 09:00 (Europe/Warsaw)  baz")
    assert row.endswith("made by hand")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tidy", "0 9 * * monday", "baz"], "Did you mean 'mon'?"),
        (["tidy", "0 9 * * *", "baz", "--tz", "Warsaw"], "Did you mean 'Europe/Warsaw'?"),
        (["a/b", "0 9 * * *", "baz"], "not the name of a schedule"),
        (["tidy", "0 9 * * *", "bazz"], "Did you mean 'baz'?"),
        (["tidy", "0 9 * * *", "baz", "--arg", "x=1"], "`x` is not known here"),
    ],
)
def test_what_makes_no_sense_is_told_what_was_meant(
    fcs: Fcs, arguments: list[str], said: str
) -> None:
    assert said in fcs("schedule", "create", *arguments).fails(2)


def test_the_same_name_for_something_else_conflicts(fcs: Fcs) -> None:
    create(fcs)
    create(fcs)
    fcs("schedule", "create", "tidy", "@daily", "baz").fails(5)


def test_a_pause_shows_by_whom_and_why(fcs: Fcs) -> None:
    create(fcs)
    assert fcs("schedule", "pause", "tidy", "--by", "ann", "--why", "too loud").code == 0
    shown = fcs("schedule", "show", "tidy").out
    assert "paused by ann" in shown
    assert "too loud" in shown
    assert fcs("schedule", "resume", "tidy").out.startswith("resumed tidy; next fire 2")
    assert "paused" not in fcs("schedules").out


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_name_can_pause(fcs: Fcs) -> None:
    create(fcs)
    assert fcs("schedule", "pause", "tidy").code == 0
    assert f"paused by uid {os.getuid()}" in fcs("schedule", "show", "tidy").out


def test_run_prints_the_id_of_a_task(fcs: Fcs, rows: Rows) -> None:
    create(fcs, "--priority", "5")
    id = fcs("schedule", "run", "tidy").out.strip()
    found = rows.execute("select ty, priority from fcs.tasks where id = %s", [id]).fetchone()
    assert found == ("baz", 5)


def test_next_shows_the_zones_own_clocks(fcs: Fcs) -> None:
    create(fcs)
    words, *fires = fcs("schedule", "next", "tidy", "-n", "3").out.splitlines()
    assert words == "every weekday at 09:00 (Europe/Warsaw)"
    assert len(fires) == 3
    assert all(" 09:00:00+0" in fire for fire in fires)
    assert len(fcs("schedule", "next", "tidy", "-o", "json").json["fires"]) == 5


def test_what_is_deleted_is_gone(fcs: Fcs) -> None:
    create(fcs)
    assert fcs("schedule", "delete", "tidy").out == "deleted tidy\n"
    for verb in ("show", "pause", "resume", "run", "next", "delete"):
        fcs("schedule", verb, "tidy").fails(4)


def test_what_no_worker_declares_is_shown_so(fcs: Fcs, rows: Rows) -> None:
    rows.execute(
        "insert into fcs.schedules (name, cron, tz, ty, source, digest, next_fire_at)"
        " values ('report', '@hourly', 'UTC', 'baz', 'code', 'x', now())"
    )
    assert "not declared by any live worker" in fcs("schedules").out


def test_status_tells_of_a_schedule_that_rests(fcs: Fcs) -> None:
    create(fcs)
    fcs("schedule", "pause", "tidy", "--by", "ann", "--why", "too loud")
    assert "schedule 'tidy' was paused by ann" in fcs("status").out

"""`fcs queue …`, `fcs queues`, and what `fcs status` says of queues."""

import os
from getpass import getuser

import pytest
from tests.cli.said import Fcs
from tests.cli.test_task import Rows, put


def test_limits_are_set_shown_and_taken_away(fcs: Fcs) -> None:
    limits = ["--running-max", 3, "--rate", "30/m", "--burst", 10, "--key-running-max", 1]
    said = fcs("queue", "set", "mail", *limits)
    assert "3 at once, 30/m, burst 10" in said.out
    assert "1 at once" in said.out

    fcs("queue", "set", "mail", "--running-max", "none", "--key-rate", "5/d")
    shown = fcs("queue", "show", "mail", "-o", "json").json
    limits = ["running_max", "rate", "burst", "key_running_max", "key_rate", "key_burst"]
    assert [shown[name] for name in limits] == [None, 0.5, 10, 1, pytest.approx(5 / 86_400), None]
    assert "5/d" in fcs("queues").out


def test_a_pause_is_shown_until_it_ends(fcs: Fcs, rows: Rows) -> None:
    put(rows, queue="mail")
    said = fcs("queue", "pause", "mail", "--by", "ann", "--why", "the provider is down")
    assert said.out == "paused mail; due tasks that wait: 1\n"
    assert said.err == ""

    assert "by ann: the provider is down" in fcs("queues").out
    status = fcs("status")
    assert "by ann: the provider is down" in status.out
    assert "fcs queue resume mail" in status.out
    [queue] = fcs("status", "-o", "json").json["queues"]
    assert (queue["name"], queue["paused_by"]) == ("mail", "ann")

    assert "resumed mail" in fcs("queue", "resume", "mail").out
    assert "paused" not in fcs("status").out
    assert "paused" not in fcs("queue", "show", "mail").out


def test_a_pause_of_what_nobody_names_says_so(fcs: Fcs, rows: Rows) -> None:
    """Somebody is in a hurry, and has mistyped."""
    put(rows, queue="mail")
    said = fcs("queue", "pause", "mial")
    assert "no task waits in queue 'mial'" in said.err
    assert "did you mean 'mail'?" in said.err


def test_who_pauses_is_the_user_unless_said(fcs: Fcs) -> None:
    said = fcs("queue", "pause", "mail", "-o", "json")

    assert said.json["paused_by"] == getuser()


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_name_can_pause(fcs: Fcs) -> None:
    said = fcs("queue", "pause", "mail", "-o", "json")

    assert said.json["paused_by"] == f"uid {os.getuid()}"


def test_status_shows_limits(fcs: Fcs) -> None:
    fcs("queue", "set", "mail", "--running-max", 3, "--key-rate", "2/s")

    assert "3 at once; each key 2/s (0 held)" in fcs("status").out


def test_queues_in_which_something_waits_are_listed(fcs: Fcs, rows: Rows) -> None:
    put(rows, queue="mail")
    put(rows, queue="mail", status="running")
    put(rows, queue="done", status="succeeded")

    [listed] = fcs("queue", "list", "-o", "json").json
    assert (listed["name"], listed["due"], listed["held"]) == ("mail", 1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "mail"],
        ["set", "mail", "--running-max", "0"],
        ["set", "mail", "--running-max", "many"],
        ["set", "mail", "--burst", "1.5"],
        ["set", "mail", "--rate", "fast"],
        ["set", "mail", "--rate", "0/s"],
        ["pause", "a b"],
    ],
)
def test_what_makes_no_sense_is_refused(fcs: Fcs, arguments: list[str]) -> None:
    said = fcs("queue", *arguments)

    assert said.code == 2
    assert said.err.count("\n") == 2

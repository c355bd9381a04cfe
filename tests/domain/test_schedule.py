"""Schedules: what is made up for, which tasks they make, and whose definition counts."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.cron import Rule
from fcs.domain.errors import InvalidInput
from fcs.domain.ids import TaskId
from fcs.domain.schedule import (
    MISSED_MAX,
    ON_TIME,
    CatchUp,
    Declared,
    Definition,
    ScheduleView,
    Source,
    check_catch_up,
    check_name,
    defined,
    due_fires,
    next_step,
    prevailing,
)
from fcs.domain.schedule_problems import find_schedule_problems
from fcs.domain.task import NewTask, OnInterrupt

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = Rule("0 * * * *", "UTC")
ID = TaskId(UUID(int=1))


def due(rule: Rule, catch_up: CatchUp, since: timedelta, now: datetime = NOON) -> list[str]:
    fires = due_fires(rule, catch_up, next_fire_at=now - since, now=now)
    return [f"{fire:%H:%M}" for fire in fires]


@pytest.mark.parametrize("catch_up", CatchUp)
def test_what_is_on_time_fires_whatever_the_policy(catch_up: CatchUp) -> None:
    assert due(HOURLY, catch_up, timedelta()) == ["12:00"]
    late = NOON + ON_TIME
    assert due(HOURLY, catch_up, ON_TIME, late) == ["12:00"]


def test_missed_fires_are_left_out_or_made_up_for_by_one_or_by_all() -> None:
    now = NOON + 30 * MINUTE
    missed = 3 * HOUR + 30 * MINUTE  # since 09:00
    assert due(HOURLY, CatchUp.SKIP, missed, now) == []
    assert due(HOURLY, CatchUp.ONCE, missed, now) == ["12:00"]
    assert due(HOURLY, CatchUp.ALL, missed, now) == ["09:00", "10:00", "11:00", "12:00"]


def test_one_on_time_stands_for_those_that_were_missed() -> None:
    assert due(HOURLY, CatchUp.SKIP, 3 * HOUR) == ["12:00"]
    assert due(HOURLY, CatchUp.ONCE, 3 * HOUR) == ["12:00"]
    assert due(HOURLY, CatchUp.ALL, 3 * HOUR) == ["09:00", "10:00", "11:00", "12:00"]


def test_all_is_bounded_and_means_the_latest() -> None:
    every_minute = Rule("* * * * *", "UTC")
    fires = due_fires(every_minute, CatchUp.ALL, next_fire_at=NOON - 365 * DAY, now=NOON)
    assert fires == [NOON - n * MINUTE for n in range(MISSED_MAX)][::-1]


def test_a_moment_that_is_not_of_the_rule_is_not_fired() -> None:
    """The rule of a zone may change after the next moment was written down."""
    assert due(HOURLY, CatchUp.ALL, 30 * MINUTE) == ["12:00"]
    assert due(HOURLY, CatchUp.ALL, 10 * MINUTE, NOON - 5 * MINUTE) == []


@given(st.integers(0, 40 * 24 * 60), st.sampled_from(["0 9 * * *", "*/7 * * * *", "0 0 1 * *"]))
def test_all_makes_up_for_exactly_what_was_missed(minutes: int, cron: str) -> None:
    rule, first = Rule(cron, "Europe/Warsaw"), NOON - minutes * MINUTE
    fires = due_fires(rule, CatchUp.ALL, next_fire_at=first, now=NOON)
    walked = itertools.takewhile(
        lambda fire: fire <= NOON, rule.fires_after(first - timedelta(microseconds=1))
    )
    assert fires == list(walked)[-MISSED_MAX:]


@given(
    st.sampled_from(CatchUp),
    st.integers(0, 90),
    st.sampled_from(["* * * * * *", "*/20 * * * * *", "* * * * *", "0 * * * *"]),
    st.integers(1, 70),
)
def test_steps_fire_all_that_is_due_and_each_moment_once(
    catch_up: CatchUp, minutes: int, cron: str, limit: int
) -> None:
    rule, first = Rule(cron, "Europe/Warsaw"), NOON - minutes * MINUTE
    fired: list[datetime] = []
    next_fire_at = first
    while next_fire_at <= NOON:
        step = next_step(rule, catch_up, next_fire_at=next_fire_at, now=NOON, limit=limit)
        assert len(step.moments) <= limit
        fired += step.moments
        next_fire_at = step.next_fire_at
    assert fired == due_fires(rule, catch_up, next_fire_at=first, now=NOON)
    assert next_fire_at == rule.next_after(NOON)


# What it makes


def test_a_schedule_makes_tasks_like_the_one_it_was_defined_by() -> None:
    draft = NewTask(
        ID, "report", b'{"x": 1.50}', queue="slow", priority=3, max_attempts=4, timeout=2.5,
        on_interrupt=OnInterrupt.RETRY, limit_key="ann",
    )  # fmt: skip
    definition = defined("@daily", "UTC", CatchUp.ONCE, draft)
    stored = msgspec.json.decode(msgspec.json.encode(definition), type=Definition)

    assert stored.digest == definition.digest
    assert stored.task(ID, NOON) == msgspec.structs.replace(draft, scheduled_at=NOON)


def test_options_that_are_usual_are_not_written_down() -> None:
    assert defined("@daily", "UTC", CatchUp.SKIP, NewTask(ID, "report", b"{}")).options == {}


def test_what_is_for_a_single_task_is_refused() -> None:
    for changes in ({"scheduled_at": NOON}, {"delay": 5.0}, {"key": "x"}, {"after": (ID,)}):
        with pytest.raises(InvalidInput, match="for a single task"):
            defined("@daily", "UTC", CatchUp.SKIP, NewTask(ID, "report", b"{}", **changes))


def test_the_digest_tells_what_is_said_and_not_how() -> None:
    usual = Definition(cron="@daily", ty="report", args=msgspec.Raw(b'{"a": 1, "b": 2}'))
    same = msgspec.structs.replace(usual, args=msgspec.Raw(b'{"b":2,"a":1}'))
    assert same.digest == usual.digest
    for changes in ({"cron": "@hourly"}, {"tz": "Asia/Tokyo"}, {"options": {"queue": "slow"}}):
        assert msgspec.structs.replace(usual, **changes).digest != usual.digest


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "-a", "x" * 201, "preview", "a\n"])
def test_a_name_fits_into_a_url(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_name(name)
    assert caught.value.problems[0].pointer == "/name"
    assert check_name("shop.report-2_x") == "shop.report-2_x"


def test_an_unknown_policy_is_told_which_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_catch_up("never")
    assert caught.value.hint == "Say one of skip, once, all."


# Whose definition counts


def declared(digest: str, minute: int, live: int) -> Declared:
    return Declared(digest, NOON + minute * MINUTE, live)


def test_the_last_deploy_wins_at_once() -> None:
    assert prevailing([declared("old", 0, 5), declared("new", 1, 1)], "old") == "new"


def test_a_worker_of_the_old_deploy_that_starts_anew_changes_nothing() -> None:
    assert prevailing([declared("old", 0, 1), declared("new", 1, 1)], "new") == "new"


def test_after_a_rollback_the_older_code_counts_again() -> None:
    assert prevailing([declared("old", 0, 1), declared("new", 1, 0)], "new") == "old"


def test_what_nobody_declares_any_more_stays_as_it_is() -> None:
    assert prevailing([declared("old", 0, 0), declared("new", 1, 0)], "old") == "old"
    assert prevailing([], "old") == "old"
    assert prevailing([], None) is None


# What is wrong with them


def view(**changes: object) -> ScheduleView:
    usual = ScheduleView(
        name="report", definition=Definition(cron="@daily", ty="report"), source=Source.CODE,
        declared_by=1, next_fire_at=NOON, last_fire_at=None, last_task_id=None, paused_at=None,
        paused_by=None, paused_why=None, created_at=NOON, updated_at=NOON,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def problems(*views: ScheduleView, are_workers_live: bool = True) -> list[str]:
    now = NOON + 10 * MINUTE
    found = find_schedule_problems(views, now=now, are_workers_live=are_workers_live)
    return [f"{problem.message}; {problem.hint}" for problem in found]


def test_a_schedule_that_rests_is_told_of_with_who_wanted_it_and_why() -> None:
    assert problems(view(), view(source=Source.API, declared_by=None)) == []
    [told] = problems(view(paused_at=NOON, paused_by="supervisor", paused_why="no zone 'Mars'"))
    assert told == (
        "schedule 'report' was paused by supervisor 10 min ago (no zone 'Mars');"
        " When it may go on:  fcs schedule resume report"
    )


def test_a_schedule_that_no_code_has_any_more_is_told_of_while_workers_are_there() -> None:
    [told] = problems(view(declared_by=0))
    assert "no live worker's code declares it" in told
    assert "fcs schedule delete report" in told
    assert problems(view(declared_by=0), are_workers_live=False) == []

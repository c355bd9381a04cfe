"""Cron rules: what can be read, what it says in words, and what becomes of the nights of change."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcs.domain.cron import Rule
from fcs.domain.errors import InvalidInput

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = 7 * DAY
AROUND = 4 * HOUR
SPRING = datetime(2027, 3, 27, 12, tzinfo=UTC)
AUTUMN = datetime(2027, 10, 30, 12, tzinfo=UTC)


def shown(cron: str, tz: str, after: datetime, count: int) -> list[str]:
    return [f"{at:%d %H:%M%z}" for at in Rule(cron, tz).preview(after, count)]


# The two nights, by hand


def test_a_time_that_is_skipped_fires_when_the_clocks_have_jumped() -> None:
    assert shown("30 2 * * *", "Europe/Warsaw", SPRING, 2) == ["28 03:00+0200", "29 02:30+0200"]


def test_several_times_that_are_skipped_fire_once() -> None:
    assert shown("0,30 2,3 * * *", "Europe/Warsaw", SPRING, 3) == [
        "28 03:00+0200",
        "28 03:30+0200",
        "29 02:00+0200",
    ]


def test_a_time_that_is_shown_twice_fires_at_its_first_showing() -> None:
    assert shown("30 2 * * *", "Europe/Warsaw", AUTUMN, 2) == ["31 02:30+0200", "01 02:30+0100"]


def test_who_asks_in_the_second_showing_is_not_sent_back_to_the_first() -> None:
    second = datetime(2027, 10, 31, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert shown("30 2 * * *", "Europe/Warsaw", second, 1) == ["01 02:30+0100"]


def test_a_rule_with_a_star_fires_as_the_clocks_show_it() -> None:
    assert shown("*/30 2 * * *", "Europe/Warsaw", SPRING, 1) == ["29 02:00+0200"]
    assert shown("*/30 2 * * *", "Europe/Warsaw", AUTUMN, 5) == [
        "31 02:00+0200",
        "31 02:30+0200",
        "31 02:00+0100",
        "31 02:30+0100",
        "01 02:00+0100",
    ]


def test_an_hourly_rule_fires_every_hour_of_both_nights() -> None:
    for start in (SPRING, AUTUMN):
        fires = list(islice(Rule("0 * * * *", "Europe/Warsaw").fires_after(start), 30))
        assert {later - at for at, later in pairwise(fires)} == {HOUR}


def test_clocks_that_change_by_half_an_hour_are_followed() -> None:
    autumn = datetime(2027, 4, 3, 14, 20, tzinfo=UTC)  # from +11:00 back to +10:30
    assert shown("35 * * * *", "Australia/Lord_Howe", autumn, 3) == [
        "04 01:35+1100",
        "04 01:35+1030",
        "04 02:35+1030",
    ]


def test_a_day_that_a_zone_left_out_fires_at_the_begin_of_the_next() -> None:
    eve = datetime(2011, 12, 30, 0, tzinfo=UTC)  # Samoa went from the 29th to the 31st
    assert shown("0 9 * * *", "Pacific/Apia", eve, 2) == ["31 00:00+1400", "31 09:00+1400"]


# The two nights, for every zone


def offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Moments shortly before the clocks of a zone change: the last forward, the last backward."""
    wanted = {True, False}
    at = datetime(2037, 12, 31, tzinfo=UTC)
    then = offset(at, zone)
    while wanted and at.year >= 1990:
        at -= 2 * WEEK
        later, then = then, offset(at, zone)
        if then != later and (later > then) in wanted:
            wanted.remove(later > then)
            day = last_without_change(at, zone, DAY)
            yield last_without_change(day, zone, 15 * MINUTE)


def last_without_change(at: datetime, zone: ZoneInfo, step: timedelta) -> datetime:
    while offset(at + step, zone) == offset(at, zone):
        at += step
    return at


def minutes_around(moment: datetime) -> list[datetime]:
    return [moment - AROUND + n * MINUTE for n in range(2 * AROUND // MINUTE)]


def wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def fires_around(cron: str, tz: str, moments: list[datetime]) -> list[datetime]:
    fires = Rule(cron, tz).fires_after(moments[0] - MINUTE)
    return list(takewhile(lambda fire: fire <= moments[-1], fires))


@pytest.mark.parametrize("area", sorted({tz.partition("/")[0] for tz in available_timezones()}))
def test_both_nights_are_right_in_every_zone(area: str) -> None:
    """Held against a walk over the minutes around each change."""
    held: set[tuple[datetime, tuple[datetime, ...]]] = set()
    for tz in sorted(available_timezones()):
        if tz.partition("/")[0] != area:
            continue
        zone = ZoneInfo(tz)
        for change in changes(zone):
            moments = minutes_around(change)
            walls = tuple(wall(moment, zone) for moment in moments)
            # Many zones change their clocks together, and one of them stands for all.
            if (moments[0], walls) not in held:
                held.add((moments[0], walls))
                hold(tz, moments, walls)


def hold(tz: str, moments: list[datetime], walls: Sequence[datetime]) -> None:
    assert fires_around("* * * * *", tz, moments) == moments, tz

    as_shown = [at for at, said in zip(moments, walls, strict=True) if said.minute == 10]
    assert fires_around("10 * * * *", tz, moments) == as_shown, tz

    expected, shown = [], {walls[0]}
    for before, at, said in zip(walls, moments[1:], walls[1:], strict=False):
        # What is shown for the first time, with what was skipped right before it.
        skipped = range(max(1, (said - before) // MINUTE))
        if said not in shown and any((said - n * MINUTE).minute in (10, 40) for n in skipped):
            expected.append(at)
        shown.add(said)
    assert fires_around("10,40 0-23 * * *", tz, moments) == expected, tz


# What can be read


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 9 * * mon-fri", "every weekday at 09:00 (Europe/Warsaw)"),
        ("0  9 * * *", "every day at 09:00 (Europe/Warsaw)"),
        ("@daily", "every day at 00:00 (Europe/Warsaw)"),
        ("*/5 * * * *", "every fifth minute of every hour (Europe/Warsaw)"),
        ("15 10,14 * * 1,3", "at 10:15 and 14:15 on Monday and Wednesday (Europe/Warsaw)"),
        ("0 0 L * *", "at 00:00 on the last day of every month (Europe/Warsaw)"),
        ("0 9 * * mon#1", "at 09:00 on the first Monday of the month (Europe/Warsaw)"),
        ("*/10 * * * * *", "every 10th second of every minute (Europe/Warsaw)"),
    ],
)
def test_a_rule_can_be_said_in_words(cron: str, words: str) -> None:
    assert Rule(cron, "Europe/Warsaw").in_words() == words


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "has 0 fields"),
        ("0 9 * *", "has 4 fields"),
        ("0 24 * * *", "'24' is no hour. Allowed: 0 to 23"),
        ("61 * * * *", "'61' is no minute"),
        ("0 9 32 * *", "'32' is no day of the month"),
        ("0 9 * january *", "'january' is no month. Did you mean 'jan'?"),
        ("0 9 * * monday-fri", "'monday-fri' is no day of the week. Did you mean 'mon-fri'?"),
        ("0 9 * * ?", "Write * for any."),
        ("@dayly", "Did you mean '@daily'?"),
        ("@sometimes", "'@sometimes' is no rule. Known: @yearly"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6 *", "never fires"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 " * 200, "too long"),
    ],
)
def test_a_wrong_expression_is_told_which_part_of_it(cron: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Rule(cron, "UTC")
    assert said in f"{caught.value} {caught.value.hint}"
    assert [problem.pointer for problem in caught.value.problems] == ["/cron"]


@pytest.mark.parametrize(
    ("tz", "said"),
    [
        ("Europe/Warsow", "Did you mean 'Europe/Warsaw'?"),
        ("warsaw", "Did you mean 'Europe/Warsaw'?"),
        ("New York", "Did you mean 'America/New_York'?"),
        ("europe/warsaw", "Did you mean 'Europe/Warsaw'?"),
        ("", "Zones have names like"),
        ("../../etc/passwd", "is no time zone"),
        ("right/Europe/Warsaw", "is no time zone"),
        ("\0", "is no time zone"),
    ],
)
def test_a_wrong_zone_is_told_what_may_have_been_meant(tz: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Rule("0 9 * * *", tz)
    assert said in f"{caught.value} {caught.value.hint}"
    assert [problem.pointer for problem in caught.value.problems] == ["/tz"]


PARTS = """
    * 0 1 5 7 12 23 29 31 59 1-5 */2 1/7 1,2 L LW mon 5L mon#2 1,L jan 0-59/9 L/2 mon-fri
"""
PART = st.sampled_from(PARTS.split())


@given(st.lists(PART, min_size=5, max_size=6).map(" ".join))
def test_what_can_be_read_can_be_said_and_fires(cron: str) -> None:
    try:
        rule = Rule(cron, "America/New_York")
    except InvalidInput:
        return
    assert rule.in_words()
    fires = rule.preview(SPRING, 3)
    assert SPRING < fires[0] < fires[1] < fires[2]
    assert Rule(rule.cron, rule.tz).preview(SPRING, 3) == fires


@given(st.text(max_size=30), st.text(max_size=10))
def test_whatever_is_sent_is_read_or_refused(cron: str, tz: str) -> None:
    with suppress(InvalidInput):
        assert Rule(cron, tz).in_words()


@given(st.integers(0, 37 * 366 * 24 * 60), st.sampled_from(["0", "30", "*", "*/7"]))
def test_each_fire_follows_from_the_one_before(minutes: int, minute: str) -> None:
    """A supervisor only keeps the next one, and asks anew from there."""
    rule = Rule(f"{minute} 0-3 * * *", "America/Santiago")
    after = datetime(2000, 1, 1, tzinfo=UTC) + minutes * MINUTE
    fires = list(islice(rule.fires_after(after), 20))
    assert [rule.next_after(fire) for fire in fires[:-1]] == fires[1:]

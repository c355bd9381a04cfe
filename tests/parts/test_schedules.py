"""Schedules at work: declared by a worker, fired by a supervisor, made up for after a downtime."""

import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.parts.stage import (
    CALM,
    DEAF,
    come_round,
    connected,
    count,
    hire_fake,
    reach,
    supervising,
    until,
    working,
)

from fcs import App, Status
from fcs.database import schedules, timetable, workers
from fcs.database.connect import Connection
from fcs.domain.errors import FcsError
from fcs.domain.schedule import CatchUp, Definition, ScheduleView, Source
from fcs.domain.settings import Settings

ASLEEP = Settings(
    beat_interval=100, lease=1_000, leader_lease=3_600, survey_interval=400, rescan_interval=1_000
)
"""Nobody surveys or rescans in the time that a test takes."""

EVERY_SECOND = Definition(cron="* * * * * *", ty="tick", catch_up=CatchUp.ALL)
HOURLY = Definition(cron="0 * * * *", ty="tick", catch_up=CatchUp.ALL)


async def set_clock(db: Connection, now: str) -> None:
    """Let the clock of the whole database stand still, for whoever connects from now on."""
    await db.execute(
        f"do $$ begin execute format('alter database %I set fcs.now = %L',"
        f" current_database(), '{now}'); end $$".encode()
    )


async def moments(db: Connection) -> list[datetime]:
    cursor = await db.execute("select scheduled_at from fcs.tasks order by scheduled_at")
    return [row[0] for row in await cursor.fetchall()]


async def fired(db: Connection, many: int) -> None:
    async def enough() -> bool:
        return len(await moments(db)) >= many

    await until(enough)


async def has_fired(db: Connection, name: str) -> bool:
    return bool(await count(db, "select count(*) from fcs.fires where schedule = %s", name))


async def declared(db: Connection, name: str, live: int = 1) -> ScheduleView:
    async def there() -> ScheduleView | None:
        found = await schedules.list_schedules(db, limit=1, only=name)
        return found[0] if found and found[0].declared_by == live else None

    return await until(there)


async def test_what_code_declares_is_fired_and_run(
    app: App, database_url: str, db: Connection
) -> None:
    @app.schedule("* * * * * *", args={"word": "tick"}, priority=7)
    @app.task
    async def say(word: str) -> None: ...

    async with supervising(database_url, DEAF), working(database_url, app.registry, settings=DEAF):
        await fired(db, 2)
        cursor = await db.execute("select id from fcs.tasks order by scheduled_at limit 2")
        ids = [row[0] for row in await cursor.fetchall()]
        first, second = await reach(db, ids, Status.SUCCEEDED)
        view = await declared(db, "say")

    assert (first.ty, first.args_text, first.priority) == ("say", '{"word": "tick"}', 7)
    assert first.scheduled_at is not None
    assert second.scheduled_at == first.scheduled_at + timedelta(seconds=1)
    assert first.started_at is not None
    assert first.started_at >= first.scheduled_at
    assert (view.source, view.declared_by) == (Source.CODE, 1)


async def test_a_new_schedule_is_heard_of_and_kept_by_the_clock_alone(
    database_url: str, db: Connection
) -> None:
    async with supervising(database_url, ASLEEP):
        await timetable.create(db, "tick", EVERY_SECOND)
        await fired(db, 2)


async def test_three_supervisors_double_nothing(database_url: str, db: Connection) -> None:
    await timetable.create(db, "tick", EVERY_SECOND)
    async with (
        supervising(database_url, CALM, seed=1),
        supervising(database_url, CALM, seed=2),
        supervising(database_url, CALM, seed=3),
    ):
        await fired(db, 3)
        found = await moments(db)
    assert len(set(found)) == len(found)


async def test_after_a_downtime_the_missed_fires_are_made_up_for(
    database_url: str, db: Connection
) -> None:
    await set_clock(db, "2026-01-01 12:00+00")
    async with connected(database_url) as then:
        await timetable.create(then, "tick", HOURLY)
    await set_clock(db, "2026-01-01 17:30+00")
    async with supervising(database_url):
        await fired(db, 5)
    assert [moment.hour for moment in await moments(db)] == [13, 14, 15, 16, 17]
    assert await count(db, "select count(*) from fcs.fires") == 5


async def test_who_holds_a_schedule_keeps_the_supervisor_from_nothing_else(
    database_url: str, db: Connection
) -> None:
    """Such as one that led before, and stands still in the middle of a transaction."""
    await set_clock(db, "2026-01-01 12:00+00")
    async with connected(database_url) as then:
        for name in ("held", "free"):
            await timetable.create(then, name, HOURLY)
    await set_clock(db, "2026-01-01 13:00+00")
    async with (
        connected(database_url) as now,
        connected(database_url) as other,
        AsyncExitStack() as stack,
    ):
        async with other.transaction():
            await other.execute("select from fcs.schedules where name = 'held' for no key update")
            await stack.enter_async_context(supervising(database_url))
            await until(lambda: has_fired(db, "free"))
            await come_round(now)
            assert not await has_fired(db, "held")
        await until(lambda: has_fired(db, "held"))


async def test_who_holds_the_declarations_keeps_the_supervisor_from_nothing_else(
    database_url: str, db: Connection
) -> None:
    old, new = await hire_fake(db, ["report"]), await hire_fake(db, ["report"])
    await timetable.declare(db, old.incarnation, {"report": HOURLY})
    await timetable.declare(db, new.incarnation, {"report": EVERY_SECOND})
    await workers.end_worker(db, new.incarnation, state="gone")
    async with connected(database_url) as other, AsyncExitStack() as stack:
        async with other.transaction():
            await schedules.lock_declarations(other)
            await stack.enter_async_context(supervising(database_url))
            await come_round(db)
            assert await follows(db, EVERY_SECOND.cron)
        await until(lambda: follows(db, HOURLY.cron))


async def test_a_worker_of_an_old_deploy_says_that_it_is_not_followed(
    database_url: str, db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = App(database=database_url), App(database=database_url)
    for app, cron in ((old, "0 9 * * *"), (new, "0 10 * * *")):

        @app.schedule(cron)
        @app.task
        async def report() -> None: ...

    async with working(database_url, old.registry):
        await declared(db, "report")
        async with working(database_url, new.registry):
            await until(lambda: follows(db, "0 10 * * *"))
            with caplog.at_level(logging.WARNING):
                async with working(database_url, old.registry) as again:
                    await until(lambda: noted(db, again.incarnation))
            assert await follows(db, "0 10 * * *")
        assert "follows the code of a later deploy" in caplog.text
        async with supervising(database_url):
            # Its last worker is gone: as after a rollback, the code of those that are left counts.
            await until(lambda: follows(db, "0 9 * * *"))


async def follows(db: Connection, cron: str) -> bool:
    return (await timetable.find(db, "report")).definition.cron == cron


async def noted(db: Connection, incarnation: object) -> bool:
    query = "select count(*) from fcs.declarations where %s = any(incarnations)"
    return bool(await count(db, query, incarnation))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cron": "0 25 * * *"}, "'25' is no hour"),
        ({"tz": "Europe/Warsow"}, "is no time zone"),
        ({"catch_up": "never"}, "no way to catch up"),
        ({"args": {"word": 5}}, "`word`"),
        ({"args": None}, "`word`"),
        ({"priority": 1000}, "priority"),
        ({"name": "a b"}, "not the name of a schedule"),
        ({"name": 17}, "17 is not the name of a schedule"),
        ({"cron": 9}, "cron was given 9"),
        ({"tz": 2}, "tz was given 2"),
        ({"tz": UTC}, "tz was given datetime.timezone.utc"),
        ({"catch_up": 5}, "no way to catch up"),
        ({"args": [5]}, "args was given [5]"),
        ({"priority": 1.5}, "priority was given 1.5"),
        ({"timeout": datetime(2030, 1, 1, tzinfo=UTC)}, "timeout was given datetime"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_where_it_is_written(
    options: dict[str, object], said: str
) -> None:
    app = App()

    @app.task
    async def say(word: str) -> None: ...

    usual: dict[str, object] = {"cron": "0 9 * * *", "args": {"word": "x"}}
    with pytest.raises(FcsError) as caught:
        app.schedule(**(usual | options))(say)  # type: ignore[arg-type]
    assert "Schedule of 'say'" in str(caught.value)
    assert said in str(caught.value)


def test_a_zone_may_be_given_as_such() -> None:
    app = App()

    @app.schedule("0 9 * * *", tz=ZoneInfo("Europe/Warsaw"))
    @app.task
    async def say() -> None: ...

    assert app.registry.schedules["say"].tz == "Europe/Warsaw"


def test_two_schedules_of_one_name_are_refused_and_of_two_names_are_not() -> None:
    app = App()

    @app.schedule("0 9 * * *", args={"word": "morning"})
    @app.schedule("0 17 * * *", args={"word": "evening"}, name="evening")
    @app.task
    async def say(word: str) -> None: ...

    assert set(app.registry.schedules) == {"say", "evening"}
    with pytest.raises(FcsError, match="Two schedules want the name 'evening'"):
        app.schedule("0 18 * * *", args={"word": "late"}, name="evening")(say)


def test_the_decorators_in_the_wrong_order_are_told_apart() -> None:
    async def say() -> None: ...

    with pytest.raises(FcsError, match=r"does not stand above @app\.task"):
        App().schedule("0 9 * * *")(say)  # type: ignore[type-var]

"""Schedules: each moment fires once, whoever fires; and who decides what they say."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
import psycopg
import pytest
from tests.database.interleave import Stage, staged
from tests.database.scene import (
    NOON,
    SECOND,
    add_workers,
    freeze,
    incarnation,
    listen,
    rows,
    task_id,
)

from fcs.database import schedules, timetable, workers
from fcs.database.connect import Connection
from fcs.database.schedules import Fire, Firing
from fcs.domain.errors import DeclaredInCode, ScheduleExists, ScheduleNotFound
from fcs.domain.schedule import CatchUp, Definition, Source, due_fires
from fcs.supervisor import firing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY = Definition(cron="0 * * * *", ty="baz", args=msgspec.Raw(b'{"x": 1}'))
EVERY_SECOND = msgspec.structs.replace(HOURLY, cron="* * * * * *")
DAILY = msgspec.structs.replace(HOURLY, cron="0 9 * * *", options={"queue": "slow"})


@pytest.fixture
async def stage(clean_url: str) -> AsyncIterator[Stage]:
    async with staged(clean_url) as stage:
        await timetable.create(stage.observer, "hourly", HOURLY)
        for db in (stage.one, stage.two, stage.observer):
            await freeze(db, NOON + HOUR)
        yield stage


async def fire(db: Connection) -> float | None:
    return await firing.fire_due(db, rng=Random())


async def made(db: Connection) -> list[dict[str, Any]]:
    query = "select ty, args, queue, scheduled_at, created_at, id from fcs.tasks order by id"
    return await rows(db, query)


async def next_fire_at(db: Connection, name: str = "hourly") -> datetime | None:
    return (await timetable.find(db, name)).next_fire_at


# Firing


async def test_a_fire_makes_one_task_for_its_moment(db: Connection) -> None:
    await timetable.create(db, "daily", DAILY)
    assert await fire(db) == 21 * 3600
    assert await made(db) == []

    await freeze(db, NOON + 21 * HOUR)
    assert await fire(db) == 24 * 3600
    [task] = await made(db)
    assert task["scheduled_at"] == NOON + 21 * HOUR
    assert (task["ty"], task["args"], task["queue"]) == ("baz", {"x": 1}, "slow")

    view = await timetable.find(db, "daily")
    assert view.next_fire_at == NOON + 45 * HOUR
    assert (view.last_fire_at, view.last_task_id) == (NOON + 21 * HOUR, task["id"])


@pytest.mark.parametrize(
    ("catch_up", "hours"),
    [(CatchUp.SKIP, []), (CatchUp.ONCE, [5]), (CatchUp.ALL, [1, 2, 3, 4, 5])],
)
async def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    db: Connection, catch_up: CatchUp, hours: list[int]
) -> None:
    await timetable.create(db, "hourly", msgspec.structs.replace(HOURLY, catch_up=catch_up))
    await freeze(db, NOON + 5 * HOUR + 120 * SECOND)
    await fire(db)

    assert [task["scheduled_at"] for task in await made(db)] == [NOON + n * HOUR for n in hours]
    assert await next_fire_at(db) == NOON + 6 * HOUR


@pytest.mark.parametrize("catch_up", CatchUp)
async def test_what_is_much_is_made_step_by_step_and_each_moment_once(
    db: Connection, catch_up: CatchUp
) -> None:
    """Or a leader that fires for longer than its lease would lose it, and what it fired, for ever.

    What is left is due.
    """
    definition = msgspec.structs.replace(EVERY_SECOND, catch_up=catch_up)
    names = [f"s{n}" for n in range(20)]
    for name in names:
        await timetable.create(db, name, definition)
    now = NOON + 90 * SECOND
    await freeze(db, now)

    left = 0.0
    while left <= 0:
        before = len(await made(db))
        left = await fire(db) or 0.0
        assert 0 < len(await made(db)) - before <= firing.TASKS_MAX

    moments = due_fires(definition.rule, catch_up, next_fire_at=NOON + SECOND, now=now)
    assert len(moments) * len(names) > firing.TASKS_MAX
    fires = await rows(db, "select schedule, fire_at, task_id from fcs.fires")
    made_for = [(fire["schedule"], fire["fire_at"]) for fire in fires]
    assert sorted(made_for) == sorted(itertools.product(names, moments))
    assert {fire["task_id"] for fire in fires} == {task["id"] for task in await made(db)}


async def test_what_is_made_up_for_holds_up_nothing_that_is_on_time(db: Connection) -> None:
    """It would be left out, if it had to wait for too long."""
    for name in ("a", "b"):
        eager = msgspec.structs.replace(EVERY_SECOND, catch_up=CatchUp.ALL)
        await timetable.create(db, name, eager)
    await timetable.create(db, "hourly", HOURLY)
    await freeze(db, NOON + HOUR)
    await fire(db)
    assert await next_fire_at(db) == NOON + 2 * HOUR


async def test_two_supervisors_make_one_task(stage: Stage) -> None:
    """The second one finds the schedule held, and does not wait for the first."""
    outcome = await stage.play(fire, fire)
    assert not outcome.waited
    assert outcome.second == firing.HELD_PAUSE
    assert len(await made(stage.observer)) == 1
    assert await next_fire_at(stage.observer) == NOON + 2 * HOUR


async def test_if_one_dies_half_way_the_other_fires(stage: Stage) -> None:
    await stage.play(fire, fire, commit=False)
    await fire(stage.two)
    assert len(await made(stage.observer)) == 1
    assert len(await rows(stage.observer, "select from fcs.fires")) == 1


async def test_who_fires_takes_what_is_not_held(stage: Stage) -> None:
    """Whoever holds the others may be frozen."""
    await timetable.create(stage.observer, "after", HOURLY)
    await stage.observer.execute("update fcs.schedules set next_fire_at = fcs.now()")

    async def hold(db: Connection) -> object:
        return await rows(db, "select from fcs.schedules where name = 'after' for no key update")

    assert not (await stage.play(hold, fire)).waited
    fires = await rows(stage.observer, "select schedule from fcs.fires")
    assert [fire["schedule"] for fire in fires] == ["hourly"]
    await fire(stage.two)
    assert len(await made(stage.observer)) == 2


async def test_without_its_tasks_no_schedule_moves_on(clean: Connection) -> None:
    """Whatever stops a supervisor between the two."""
    await freeze(clean, NOON)
    await timetable.create(clean, "hourly", HOURLY)
    await freeze(clean, NOON + HOUR)
    await clean.execute(
        """
        create function stop() returns trigger language plpgsql as
            $$ begin raise 'the supervisor is gone' using errcode = 'admin_shutdown'; end $$;
        create trigger stop before insert on fcs.tasks for each row execute function stop()
        """
    )
    try:
        with pytest.raises(psycopg.errors.AdminShutdown):
            await fire(clean)
        assert await next_fire_at(clean) == NOON + HOUR
        assert await rows(clean, "select from fcs.fires") == []
    finally:
        await clean.execute("drop function stop cascade")
    await fire(clean)
    assert len(await made(clean)) == 1


async def test_many_supervisors_at_once_make_one_task_each_time(stage: Stage) -> None:
    for n in range(1, 6):
        for db in (stage.one, stage.two, stage.observer):
            await freeze(db, NOON + n * HOUR)
        await asyncio.gather(*(fire(db) for db in (stage.one, stage.two, stage.observer)))
    moments = [task["scheduled_at"] for task in await made(stage.observer)]
    assert moments == [NOON + n * HOUR for n in range(1, 6)]


async def test_a_schedule_that_is_set_back_repeats_nothing(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    await freeze(db, NOON + HOUR)
    await fire(db)
    await db.execute("update fcs.schedules set next_fire_at = fcs.now()")
    await fire(db)
    await timetable.remove(db, "hourly")
    await freeze(db, NOON)
    await timetable.create(db, "hourly", HOURLY)
    await freeze(db, NOON + HOUR)
    await fire(db)

    assert len(await made(db)) == 1
    assert await next_fire_at(db) == NOON + 2 * HOUR


async def test_what_was_read_before_a_change_moves_nothing(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    stale = Firing("hourly", NOON, NOON + DAY, [Fire(NOON, task_id(1))])
    assert await schedules.fire(db, [stale]) == set()
    assert await next_fire_at(db) == NOON + HOUR


async def test_a_type_that_no_worker_knows_is_fired_all_the_same(db: Connection) -> None:
    await timetable.create(db, "hourly", msgspec.structs.replace(HOURLY, ty="unheard_of"))
    await freeze(db, NOON + HOUR)
    await fire(db)
    assert [task["ty"] for task in await made(db)] == ["unheard_of"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("set tz = 'Mars/Olympus'", "is no time zone"),
        ("set cron = 'now and then'", "has 3 fields"),
        ("set options = '{\"queue\": 5}'", "Expected `str`"),
        ("set options = '{\"priority\": 100000}'", "NumericValueOutOfRange"),
        ('set options = \'{"queue": ""}\'', "tasks_words_sane"),
    ],
)
async def test_what_cannot_be_fired_is_paused_and_stands_in_nobodys_way(
    clean: Connection, spoil: str, why: str
) -> None:
    for name in ("a", "b", "c"):
        await timetable.create(clean, name, HOURLY)
    await clean.execute(f"update fcs.schedules {spoil} where name = 'b'".encode())
    await freeze(clean, NOON + 10_000 * DAY)
    await clean.execute("update fcs.schedules set next_fire_at = fcs.now()")
    await fire(clean)

    assert len(await made(clean)) == 2
    spoilt = await timetable.find(clean, "b")
    assert spoilt.paused_by == "supervisor"
    assert why in (spoilt.paused_why or "")


async def test_fires_are_forgotten_after_a_while(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    await freeze(db, NOON + HOUR)
    await fire(db)
    await firing.look_after(db)
    assert len(await rows(db, "select from fcs.fires")) == 1
    await freeze(db, NOON + 8 * DAY)
    await firing.look_after(db)
    assert len(await rows(db, "select from fcs.fires")) == 0


# Changing


async def test_a_create_that_is_sent_twice_is_one(db: Connection) -> None:
    first = await timetable.create(db, "hourly", HOURLY)
    assert await timetable.create(db, "hourly", HOURLY) == first
    with pytest.raises(ScheduleExists):
        await timetable.create(db, "hourly", DAILY)


async def test_a_changed_schedule_fires_next_by_its_new_rule(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    view = await timetable.change(db, "hourly", lambda _: DAILY)
    assert view.definition == DAILY
    assert view.next_fire_at == NOON + 21 * HOUR
    assert await fire(db) == 21 * 3600


async def test_a_change_of_its_task_leaves_open_what_is_due(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    await freeze(db, NOON + HOUR)
    other = msgspec.structs.replace(HOURLY, ty="bar")
    assert (await timetable.change(db, "hourly", lambda _: other)).next_fire_at == NOON + HOUR
    await fire(db)
    assert [task["ty"] for task in await made(db)] == ["bar"]


async def test_a_paused_schedule_rests_and_goes_on_from_when_it_is_resumed(db: Connection) -> None:
    eager = msgspec.structs.replace(HOURLY, catch_up=CatchUp.ALL)
    await timetable.create(db, "hourly", eager)
    paused = await timetable.pause(db, "hourly", by="ann", why="too loud")
    assert (paused.paused_at, paused.paused_by, paused.paused_why) == (NOON, "ann", "too loud")
    assert paused.next_fire_at is None

    await freeze(db, NOON + 5 * HOUR)
    assert await fire(db) is None
    resumed = await timetable.resume(db, "hourly")
    assert (resumed.paused_at, resumed.paused_by, resumed.paused_why) == (None, None, None)
    assert await fire(db) == 3600
    assert await made(db) == []
    assert await timetable.resume(db, "hourly") == resumed


async def test_a_change_while_it_rests_does_not_wake_it(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    await timetable.pause(db, "hourly", by="ann", why="")
    assert (await timetable.change(db, "hourly", lambda _: DAILY)).next_fire_at is None
    assert (await timetable.resume(db, "hourly")).next_fire_at == NOON + 21 * HOUR


async def change(db: Connection) -> object:
    return await timetable.change(db, "hourly", lambda _: DAILY)


async def pause(db: Connection) -> object:
    return await timetable.pause(db, "hourly", by="ann", why="")


async def resume(db: Connection) -> object:
    return await timetable.resume(db, "hourly")


async def test_a_change_that_was_overtaken_by_a_pause_looks_again(stage: Stage) -> None:
    assert (await stage.play(pause, change)).waited
    view = await timetable.find(stage.observer, "hourly")
    assert (view.definition.cron, view.next_fire_at) == (DAILY.cron, None)


async def test_two_changes_at_once_lose_none(stage: Stage) -> None:
    async def move(db: Connection) -> object:
        return await timetable.change(
            db, "hourly", lambda view: msgspec.structs.replace(view.definition, tz="Asia/Tokyo")
        )

    async def calm_down(db: Connection) -> object:
        return await timetable.change(
            db, "hourly", lambda view: msgspec.structs.replace(view.definition, cron="@daily")
        )

    assert (await stage.play(move, calm_down)).waited
    said = (await timetable.find(stage.observer, "hourly")).definition
    assert (said.cron, said.tz) == ("@daily", "Asia/Tokyo")


async def test_a_fire_beside_a_pause_makes_nothing(stage: Stage) -> None:
    assert not (await stage.play(pause, fire)).waited
    await fire(stage.two)
    assert await made(stage.observer) == []
    view = await timetable.find(stage.observer, "hourly")
    assert (view.paused_by, view.last_fire_at) == ("ann", None)


async def test_a_resume_that_was_overtaken_by_a_change_looks_again(stage: Stage) -> None:
    """Or it would write the moment of a rule that is not there any more."""
    await pause(stage.observer)
    await freeze(stage.one, NOON + HOUR + SECOND)
    assert (await stage.play(change, resume)).waited
    assert await next_fire_at(stage.observer) == NOON + 21 * HOUR


async def test_a_schedule_can_be_run_beside_its_rule(db: Connection) -> None:
    await timetable.create(db, "daily", DAILY)
    for _ in range(2):  # sent twice
        await timetable.run_now(db, "daily", task_id(1))
    [task] = await made(db)
    assert (task["queue"], task["scheduled_at"]) == ("slow", None)
    assert await next_fire_at(db, "daily") == NOON + 21 * HOUR


async def test_what_is_not_there_is_said_not_to_be(db: Connection) -> None:
    for act in (timetable.find, timetable.resume, timetable.remove):
        with pytest.raises(ScheduleNotFound):
            await act(db, "nothing")
    with pytest.raises(ScheduleNotFound):
        await timetable.pause(db, "nothing", by="", why="")
    with pytest.raises(ScheduleNotFound):
        await timetable.change(db, "nothing", lambda _: DAILY)


async def test_the_supervisor_is_told_of_each_change(clean: Connection) -> None:
    ears = await listen(clean, ["fcs_supervisor"])
    await timetable.create(clean, "daily", DAILY)
    await timetable.change(clean, "daily", lambda _: HOURLY)
    await timetable.pause(clean, "daily", by="", why="")
    await timetable.resume(clean, "daily")
    await timetable.remove(clean, "daily")
    assert await ears.payloads() == ["schedules"] * 5


async def test_schedules_are_listed_by_name(db: Connection) -> None:
    for name in ("c", "a", "b"):
        await timetable.create(db, name, DAILY)
    found = await schedules.list_schedules(db, limit=2)
    assert [view.name for view in found] == ["a", "b"]
    found = await schedules.list_schedules(db, limit=2, after="b")
    assert [view.name for view in found] == ["c"]
    assert (found[0].source, found[0].declared_by) == (Source.API, None)


# What workers declare


async def declare(db: Connection, worker: int, definition: Definition = HOURLY) -> Any:
    return (await timetable.declare(db, incarnation(worker), {"report": definition}))["report"]


async def says(db: Connection) -> tuple[str, int | None]:
    view = await timetable.find(db, "report")
    return view.definition.cron, view.declared_by


async def leave(db: Connection, worker: int) -> None:
    await workers.end_worker(db, incarnation(worker), state="lost")


async def test_what_a_worker_declares_is_there(db: Connection) -> None:
    await add_workers(db, 1, 2)
    settled = await declare(db, 1)
    assert settled == (Source.CODE, HOURLY.digest)
    assert (await timetable.find(db, "report")).next_fire_at == NOON + HOUR
    await declare(db, 2)
    await declare(db, 2)
    assert await says(db) == (HOURLY.cron, 2)
    await leave(db, 1)
    await leave(db, 2)
    assert await says(db) == (HOURLY.cron, 0)


async def test_an_old_worker_that_starts_anew_does_not_undo_the_last_deploy(
    db: Connection,
) -> None:
    await add_workers(db, 1, 2, 3)
    await declare(db, 1, HOURLY)
    await freeze(db, NOON + SECOND)
    await declare(db, 2, DAILY)
    assert await says(db) == (DAILY.cron, 1)

    await leave(db, 1)
    await freeze(db, NOON + 2 * SECOND)
    settled = await declare(db, 3, HOURLY)
    assert settled.digest == DAILY.digest
    await timetable.settle(db, forget_after=60)
    assert await says(db) == (DAILY.cron, 1)


async def test_once_the_last_deploy_is_gone_the_one_before_counts(db: Connection) -> None:
    await add_workers(db, 1, 2)
    await declare(db, 1, HOURLY)
    await freeze(db, NOON + SECOND)
    await declare(db, 2, DAILY)
    await leave(db, 2)
    await timetable.settle(db, forget_after=60)
    assert await says(db) == (HOURLY.cron, 1)


async def test_what_was_not_said_for_long_is_new_when_it_is_said_again(db: Connection) -> None:
    await add_workers(db, 1, 2, 3)
    await declare(db, 1, HOURLY)
    await freeze(db, NOON + SECOND)
    await declare(db, 2, DAILY)
    await leave(db, 1)
    await freeze(db, NOON + DAY)
    await timetable.settle(db, forget_after=60)
    await declare(db, 3, HOURLY)
    assert await says(db) == (HOURLY.cron, 1)


async def test_what_live_workers_say_is_never_forgotten(db: Connection) -> None:
    await add_workers(db, 1, 2, 3)
    await declare(db, 1, HOURLY)
    await freeze(db, NOON + SECOND)
    await declare(db, 2, DAILY)
    for days in range(1, 4):
        await freeze(db, NOON + days * DAY)
        await timetable.settle(db, forget_after=2 * 86_400)
    await declare(db, 3, HOURLY)
    assert await says(db) == (DAILY.cron, 1)


async def test_what_nobody_declares_goes_on(db: Connection) -> None:
    await add_workers(db, 1)
    await declare(db, 1)
    await leave(db, 1)
    await freeze(db, NOON + DAY)
    await timetable.settle(db, forget_after=60)
    await timetable.settle(db, forget_after=60)
    assert await says(db) == (HOURLY.cron, 0)
    await db.execute("update fcs.schedules set next_fire_at = fcs.now()")
    await fire(db)
    assert len(await made(db)) == 1


async def test_a_new_deploy_with_the_same_rule_leaves_open_what_is_due(db: Connection) -> None:
    await add_workers(db, 1, 2)
    await declare(db, 1)
    await freeze(db, NOON + 2 * HOUR)
    await declare(db, 2, msgspec.structs.replace(HOURLY, args=msgspec.Raw(b"{}")))
    assert await next_fire_at(db, "report") == NOON + HOUR
    await freeze(db, NOON + 3 * HOUR)
    await declare(db, 2, DAILY)
    assert await next_fire_at(db, "report") == NOON + 21 * HOUR


async def test_a_deploy_does_not_wake_a_paused_schedule(db: Connection) -> None:
    await add_workers(db, 1, 2)
    await declare(db, 1)
    await timetable.pause(db, "report", by="ann", why="")
    await freeze(db, NOON + SECOND)
    await declare(db, 2, DAILY)
    assert await next_fire_at(db, "report") is None
    assert (await timetable.resume(db, "report")).next_fire_at == NOON + 21 * HOUR


async def test_what_is_declared_in_code_is_changed_and_removed_there(db: Connection) -> None:
    await add_workers(db, 1)
    await declare(db, 1)
    with pytest.raises(DeclaredInCode):
        await timetable.change(db, "report", lambda _: DAILY)
    with pytest.raises(DeclaredInCode):
        await timetable.remove(db, "report")
    with pytest.raises(ScheduleExists):
        await timetable.create(db, "report", HOURLY)
    await leave(db, 1)
    await timetable.remove(db, "report")
    await timetable.settle(db, forget_after=60)
    with pytest.raises(ScheduleNotFound):
        await timetable.find(db, "report")


async def test_code_does_not_take_what_somebody_made(db: Connection) -> None:
    await add_workers(db, 1)
    await timetable.create(db, "report", DAILY)
    assert (await declare(db, 1)).source is Source.API
    assert (await timetable.find(db, "report")).definition == DAILY


async def test_two_workers_that_start_at_once_agree_on_the_newest(stage: Stage) -> None:
    """Although the one whose word is older comes last, and could not see the other's."""
    await add_workers(stage.observer, 1, 2)
    await freeze(stage.one, NOON + 2 * HOUR)
    outcome = await stage.play(lambda db: declare(db, 1), lambda db: declare(db, 2, DAILY))
    assert outcome.waited
    assert outcome.first.digest == outcome.second.digest == HOURLY.digest
    assert await says(stage.observer) == (HOURLY.cron, 1)


async def test_the_supervisor_waits_for_no_worker_that_declares(stage: Stage) -> None:
    """Nor for who holds a schedule that is to follow; it tries again."""
    await add_workers(stage.observer, 1, 2)
    await declare(stage.observer, 1, HOURLY)
    await freeze(stage.observer, NOON + 2 * HOUR)
    await declare(stage.observer, 2, DAILY)
    await leave(stage.observer, 2)
    for hold in (
        "lock table fcs.declarations in share row exclusive mode",
        "select from fcs.schedules where name = 'report' for no key update",
    ):
        async with stage.one.transaction():
            await stage.one.execute(hold.encode())
            assert await firing.look_after(stage.two) == firing.HELD_PAUSE
            assert await says(stage.observer) == (DAILY.cron, 0)
    assert await firing.look_after(stage.two) == firing.LOOK_AFTER_INTERVAL
    assert await says(stage.observer) == (HOURLY.cron, 1)


async def test_a_name_that_somebody_takes_meanwhile_is_not_taken_over(stage: Stage) -> None:
    await add_workers(stage.observer, 1)

    async def create(db: Connection) -> object:
        return await timetable.create(db, "report", DAILY)

    assert (await stage.play(create, lambda db: declare(db, 1))).waited
    view = await timetable.find(stage.observer, "report")
    assert (view.source, view.definition) == (Source.API, DAILY)


async def test_a_declaration_that_cannot_be_read_is_left_alone(
    db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a worker with newer time zones, say."""
    await add_workers(db, 1, 2)
    strange = msgspec.structs.replace(HOURLY, tz="Moon/Copernicus")
    with caplog.at_level(logging.WARNING):
        await declare(db, 1, strange)
        await timetable.declare(db, incarnation(2), {"other": HOURLY})
    assert "Moon/Copernicus" in caplog.text
    assert [view.name for view in await schedules.list_schedules(db, limit=5)] == ["other"]


async def test_the_table_refuses_what_makes_no_sense(db: Connection) -> None:
    await timetable.create(db, "hourly", HOURLY)
    for spoil in (
        "next_fire_at = null",
        "paused_at = fcs.now()",
        "source = 'code'",
        "catch_up = 'never'",
        "args = '[]'",
        "next_fire_at = 'infinity'",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            async with db.transaction():
                await db.execute(f"update fcs.schedules set {spoil}".encode())

"""Pruning: only final tasks, only past their time, each status by its own, and never in the way."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.database.scene import (
    NOON,
    SECOND,
    add_dispatched,
    add_final,
    add_running,
    add_tasks,
    add_workers,
    ending,
    freeze,
    row,
    rows,
    run_id,
    status,
    task_id,
)

from fcs.database import history, retention, runs, tasks
from fcs.database.connect import Connection, connect
from fcs.database.retention import Moved
from fcs.domain.retention import Stretch
from fcs.domain.task import FINAL, Status

ALL = Stretch(UUID(int=0), UUID(int=(1 << 128) - 1))
HOUR = timedelta(hours=1)
RIPE = dict.fromkeys(FINAL, NOON)

ENDED = """
update fcs.tasks set updated_at = %s
 where id = %s
"""


async def ended(db: Connection, n: int, how: Status, at: datetime) -> None:
    if how is Status.CANCELLED:
        await add_tasks(db, n)
        await tasks.cancel(db, [task_id(n)], reason="test")
    else:
        if not await rows(db, "select from fcs.workers"):
            await add_workers(db, 7)
        await add_final(db, 7, n, how)
    await db.execute(ENDED, [at, task_id(n)])


@pytest.mark.parametrize("how", sorted(FINAL))
async def test_a_final_task_is_pruned_once_it_is_past_its_time(db: Connection, how: Status) -> None:
    await ended(db, 1, how, NOON - SECOND)
    await ended(db, 2, how, NOON)

    assert await retention.prune(db, ALL, RIPE) == {how: 1}
    assert [await status(db, n) for n in (1, 2)] == [None, how]


@pytest.mark.parametrize("how", sorted(FINAL))
async def test_each_status_is_kept_by_its_own_time_or_for_ever(db: Connection, how: Status) -> None:
    for n, each in enumerate(sorted(FINAL), start=1):
        await ended(db, n, each, NOON - HOUR)
    others = dict.fromkeys(FINAL - {how, Status.FAILED}, NOON - 2 * HOUR)

    assert await retention.prune(db, ALL, others | {how: NOON}) == {how: 1}


async def test_what_is_not_final_is_never_pruned(db: Connection) -> None:
    """However old it is."""
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await add_dispatched(db, 7, 2)
    await add_running(db, 7, 3)
    await db.execute("update fcs.tasks set updated_at = '2001-01-01', created_at = '2001-01-01'")

    assert await retention.prune(db, ALL, RIPE) == {}
    assert [await status(db, n) for n in (1, 2, 3)] == ["pending", "dispatched", "running"]


@pytest.mark.parametrize("is_open", [True, False])
async def test_what_others_still_wait_for_is_kept(db: Connection, is_open: bool) -> None:
    await ended(db, 1, Status.SUCCEEDED, NOON - HOUR)
    await db.execute(
        "insert into fcs.dependencies (task_id, needs_id, is_open) values (%s, %s, %s)",
        [task_id(2), task_id(1), is_open],
    )

    expected = {} if is_open else {Status.SUCCEEDED: 1}
    assert await retention.count_ripe(db, ALL, RIPE) == expected
    assert await retention.prune(db, ALL, RIPE) == expected


async def test_only_the_stretch_is_looked_at(db: Connection) -> None:
    for n in (1, 2, 3, 4):
        await ended(db, n, Status.SUCCEEDED, NOON - HOUR)

    pruned = await retention.prune(db, Stretch(task_id(1), task_id(3)), RIPE)

    assert pruned == {Status.SUCCEEDED: 2}
    assert [await status(db, n) for n in (1, 2, 3, 4)] == ["succeeded", None, None, "succeeded"]


async def test_a_step_is_of_so_many_rows_and_the_last_goes_to_the_end(db: Connection) -> None:
    await add_tasks(db, 1, 2, 3, 4, 5)

    first = await retention.step_end(db, ALL, rows=3)
    assert first == task_id(3)
    assert await retention.step_end(db, Stretch(first, ALL.upto), rows=3) == ALL.upto
    assert await retention.step_end(db, Stretch(first, task_id(5)), rows=2) == task_id(5)


async def test_what_would_be_pruned_can_be_counted(db: Connection) -> None:
    for n, how in enumerate([*sorted(FINAL), Status.FAILED], start=1):
        await ended(db, n, how, NOON - HOUR)
    await ended(db, 9, Status.FAILED, NOON)
    await add_running(db, 7, 10)

    counted = await retention.count_ripe(db, ALL, RIPE)

    assert counted == dict.fromkeys(FINAL, 1) | {Status.FAILED: 2}
    assert await retention.prune(db, ALL, RIPE) == counted
    assert await retention.count_ripe(db, ALL, RIPE) == {}


async def test_it_is_known_for_how_long_a_task_is_past_its_time(db: Connection) -> None:
    assert await retention.overripe(db, RIPE, rows=10) is None
    await add_tasks(db, 1)
    await ended(db, 2, Status.FAILED, NOON - HOUR)
    await ended(db, 3, Status.SUCCEEDED, NOON - 2 * HOUR)

    assert await retention.overripe(db, RIPE, rows=10) == 7_200
    assert await retention.overripe(db, RIPE, rows=2) == 3_600
    assert await retention.overripe(db, {Status.FAILED: NOON}, rows=10) == 3_600
    assert await retention.overripe(db, {}, rows=10) is None


async def test_what_hangs_on_a_task_goes_with_it(db: Connection) -> None:
    await ended(db, 1, Status.INTERRUPTED, NOON - HOUR)
    await runs.record_late(db, [ending(1, Status.SUCCEEDED)])
    await db.execute(
        "insert into fcs.attempts (task_id, attempt, run_id, outcome, started_at)"
        " values (%s, 1, %s, 'interrupted', fcs.now())",
        [task_id(1), run_id(1)],
    )

    assert await retention.prune(db, ALL, RIPE) == {Status.INTERRUPTED: 1}
    assert await rows(db, "select from fcs.late_reports union all select from fcs.attempts") == []


async def test_what_hangs_on_tasks_is_found_by_their_ids(clean: Connection) -> None:
    """And not by reading all there is at each step, however little the statistics make of it."""
    await freeze(clean, NOON)
    await ended(clean, 1, Status.FAILED, NOON - HOUR)
    await clean.execute("analyze")
    await retention.set_up(clean, lock=1)
    async with clean.transaction():
        before = await scans(clean)
        assert await retention.prune(clean, ALL, RIPE) == {Status.FAILED: 1}
        assert await scans(clean) == before


async def scans(db: Connection) -> list[dict[str, Any]]:
    return await rows(
        db,
        "select relname, seq_scan from pg_stat_xact_user_tables where schemaname = 'fcs'"
        " and relname in ('tasks', 'attempts', 'late_reports') order by 1",
    )


@pytest.fixture
async def other(clean_url: str) -> AsyncIterator[Connection]:
    async with await connect(clean_url, part="test other") as other:
        yield other


async def test_a_task_that_somebody_holds_is_left_for_the_next_round(
    clean: Connection, other: Connection
) -> None:
    await freeze(clean, NOON)
    await ended(clean, 1, Status.SUCCEEDED, NOON - HOUR)
    await retention.set_up(clean, lock=0.01)
    async with other.transaction():
        await other.execute("select from fcs.tasks for update")
        assert await retention.prune(clean, ALL, RIPE) == {}

    assert await retention.prune(clean, ALL, RIPE) == {Status.SUCCEEDED: 1}


async def test_one_prunes_at_a_time(clean: Connection, other: Connection, clean_url: str) -> None:
    assert await retention.try_turn(clean)
    assert not await retention.try_turn(other)
    await clean.close()

    while not await retention.try_turn(other):
        pass


async def move(db: Connection) -> Moved | None:
    """Move all rows that can be moved."""
    return await retention.move_rows(db, after="(0,0)", before="(1000000,0)", rows=1_000)


async def test_a_row_that_is_moved_leaves_its_page_and_stays_as_it_is(db: Connection) -> None:
    """Live or final, with all that it says."""
    await add_workers(db, 7)
    await add_tasks(db, 1)
    await add_running(db, 7, 2)
    await ended(db, 3, Status.FAILED, NOON)
    await freeze(db, NOON + 6 * SECOND)
    before = [await row(db, n) for n in (1, 2, 3)]
    lay = {await page_of(db, n) for n in (1, 2, 3)}

    moved = await move(db)

    lie = {await page_of(db, n) for n in (1, 2, 3)}
    assert not lie & lay
    assert moved is not None
    assert moved.farthest == max(lie)
    assert [await row(db, n) for n in (1, 2, 3)] == before


async def page_of(db: Connection, n: int) -> int:
    return int((await place_of(db, n))[1:].partition(",")[0])


async def place_of(db: Connection, n: int) -> Any:
    [found] = await rows(db, "select ctid::text as at from fcs.tasks where id = %s", task_id(n))
    return found["at"]


async def test_a_row_that_somebody_holds_is_not_moved(clean: Connection, other: Connection) -> None:
    await freeze(clean, NOON)
    await add_tasks(clean, 1, 2, 3)
    await freeze(clean, NOON + 6 * SECOND)
    lay = [await place_of(clean, n) for n in (1, 2, 3)]
    async with other.transaction():
        await other.execute("select from fcs.tasks where id = %s for update", [task_id(2)])
        assert await move(clean)

    lie = [await place_of(clean, n) for n in (1, 2, 3)]
    assert [here == there for here, there in zip(lay, lie, strict=True)] == [False, True, False]


async def test_a_row_that_has_just_changed_is_not_moved(db: Connection) -> None:
    """Somebody may be about to change it again, and would wait."""
    await add_tasks(db, 1)
    await freeze(db, NOON + 6 * SECOND)
    await add_tasks(db, 2)
    lay = [await place_of(db, n) for n in (1, 2)]

    assert await move(db)
    lie = [await place_of(db, n) for n in (1, 2)]
    assert [here == there for here, there in zip(lay, lie, strict=True)] == [False, True]


async def test_where_nothing_is_to_be_moved_it_says_so(db: Connection) -> None:
    assert await move(db) is None


async def test_rows_are_moved_in_the_order_in_which_they_lie(db: Connection) -> None:
    """Or some would be passed over."""
    await history.fill(db, tasks=2_000)
    places = "select ctid::text as at from fcs.tasks order by tasks.ctid"
    lay = [found["at"] for found in await rows(db, places)]

    moved = await retention.move_rows(db, after="(0,0)", before="(1000000,0)", rows=150)

    assert moved is not None
    assert moved.last == lay[149]
    lie = {found["at"] for found in await rows(db, places)}
    assert not lie & set(lay[:150])
    assert set(lay[150:]) <= lie


async def test_the_space_that_tasks_take_is_known(db: Connection) -> None:
    await history.fill(db, tasks=2_000)
    space = await retention.space(db)

    assert space.rows >= 2_000
    assert space.pages * 0.5 < space.pages_needed < space.pages * 2 + 64
    assert not space.has_leftovers
    assert await retention.owns_tasks(db)

"""News rides in the statement that makes it true: who hears of what, in words that fit."""

from collections import defaultdict

import pytest
from tests.database.scene import (
    Ears,
    add_dispatched,
    add_running,
    add_tasks,
    add_workers,
    ending,
    incarnation,
    listen,
    new,
    rows,
    run_id,
    task_id,
    to,
)

from fcs.database import reports, runs, sleep, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.runs import Again, Evidence
from fcs.domain import hints
from fcs.domain.hints import (
    SUPERVISOR_CHANNEL,
    CancelAsked,
    Rescan,
    Scan,
    TasksNamed,
    parse_for_supervisor,
    parse_for_worker,
    worker_channel,
)
from fcs.domain.ids import TaskId
from fcs.domain.task import AttemptOutcome

W, RIVAL = incarnation(7), incarnation(8)


async def test_a_supervisor_that_is_awake_is_not_rung(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    """F-86: a notification makes commits wait for each other."""
    await sleep.wake_up(sleeper)
    await add_workers(clean, 7)
    await add_running(clean, 7, 2)
    await ears.heard()
    await tasks.create(clean, [new(1)])
    await runs.finish(clean, [ending(2)], "report", is_urgent=False)
    assert await ears.heard() == []

    assert await sleep.fall_asleep(sleeper)
    await tasks.create(clean, [new(3)])
    assert await ears.payloads() == [f"tasks {task_id(3)}"]


async def test_who_is_told_in_a_transaction_falls_asleep_after_it(
    clean: Connection, sleeper: Connection
) -> None:
    """What a sleeper was not rung for is there to be seen when it falls asleep."""
    await sleep.wake_up(sleeper)
    await add_workers(clean, 7)
    await add_running(clean, 7, 1)
    async with clean.transaction():
        await runs.finish(clean, [ending(1)], "report", is_urgent=False)
        assert not await sleep.fall_asleep(sleeper)

    assert await sleep.fall_asleep(sleeper)


async def test_whoever_creates_in_a_longer_transaction_rings(
    clean: Connection, ears: Ears, sleeper: Connection
) -> None:
    """Nobody knows when it commits: it neither keeps a supervisor awake nor is overlooked."""
    await sleep.wake_up(sleeper)
    async with clean.transaction():
        await tasks.create(clean, [new(1)])
        assert await sleep.fall_asleep(sleeper)

    assert await ears.payloads() == [f"tasks {task_id(1)}"]


async def test_a_task_of_a_later_time_rings_whoever_is_awake(clean: Connection, ears: Ears) -> None:
    """A look at what is due does not find it."""
    await tasks.create(clean, [new(1, delay=60.0)])

    assert await ears.payloads() == [f"tasks {task_id(1)}"]


async def test_an_urgent_report_rings_whoever_is_awake(clean: Connection, ears: Ears) -> None:
    await add_workers(clean, 7)
    await add_running(clean, 7, 1)
    await ears.heard()
    await runs.succeed(clean, [ending(1)], "report", is_urgent=True)

    assert await ears.payloads() == ["report"]


async def test_an_urgent_report_is_written_where_that_was_asked_for(
    clean: Connection, ears: Ears
) -> None:
    """A ring wakes everybody who listens, and of many workers everyone does."""
    await add_workers(clean, 7, 8)
    await add_running(clean, 7, 1)
    await add_running(clean, 8, 2)
    await reports.ask_for(clean, [W])
    await ears.heard()
    await runs.succeed(clean, [ending(1)], f"report {W} 1 0 1", is_urgent=True)
    await runs.succeed(clean, [ending(2)], f"report {RIVAL} 1 0 1", is_urgent=True)
    await runs.report(clean, f"report {W} 2 0 1")

    assert await ears.payloads() == [f"report {RIVAL} 1 0 1"]
    assert await reports.read(clean) == [f"report {W} 2 0 1"]


@pytest.mark.usefixtures("sleeper")
async def test_who_sleeps_is_rung_whatever_was_asked_for(clean: Connection, ears: Ears) -> None:
    """A sleeper does not read."""
    await add_workers(clean, 7)
    await add_running(clean, 7, 1)
    await reports.ask_for(clean, [W])
    await ears.heard()
    await runs.finish(clean, [ending(1)], f"report {W} 1 0 1", is_urgent=True)
    await runs.report(clean, f"report {W} 2 0 1")

    assert await ears.payloads() == [f"report {W} 1 0 1", f"report {W} 2 0 1"]


async def test_reports_in_writing_are_asked_of_the_named_and_of_no_others(
    clean: Connection,
) -> None:
    await reports.ask_for(clean, [W])
    await runs.report(clean, f"report {W} 1 0 1")
    await reports.ask_for(clean, [W, RIVAL])
    # What was written stays: it may not have been read.
    assert await reports.read(clean) == [f"report {W} 1 0 1"]

    await reports.ask_for(clean, [RIVAL])
    assert await reports.read(clean) == []


@pytest.mark.usefixtures("sleeper")
async def test_the_supervisor_hears_which_tasks_are_new(clean: Connection, ears: Ears) -> None:
    await tasks.create(clean, [new(1)])
    await tasks.create(clean, [new(1), new(2), new(3)])

    first, second = [parse_for_supervisor(hint) for hint in await ears.payloads()]
    assert first == TasksNamed([task_id(1)])
    assert isinstance(second, TasksNamed)
    assert set(second.ids) == {task_id(2), task_id(3)}


@pytest.mark.usefixtures("sleeper")
async def test_who_creates_nothing_new_rings_nobody(clean: Connection, ears: Ears) -> None:
    await add_tasks(clean, 1)
    await ears.heard()
    await tasks.create(clean, [new(1)])

    assert await ears.heard() == []


@pytest.mark.usefixtures("sleeper")
@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 1_000])
async def test_hints_fit_and_none_is_lost(clean: Connection, ears: Ears, count: int) -> None:
    """E1: a notification of 8,000 bytes would be an error, and take the create along."""
    await add_tasks(clean, *range(1, count + 1))

    [hint] = await ears.payloads()
    assert len(hint.encode()) < 8_000
    if count <= 200:
        named = parse_for_supervisor(hint)
        assert isinstance(named, TasksNamed)
        assert sorted(named.ids) == [task_id(n) for n in range(1, count + 1)]
    else:
        assert parse_for_supervisor(hint) == Scan()


@pytest.mark.usefixtures("sleeper")
async def test_a_create_that_is_rolled_back_leaves_no_task_and_no_hint(
    clean: Connection, ears: Ears
) -> None:
    """F-91: in the seed the hint does not belong to the transaction."""
    async with clean.transaction(force_rollback=True):
        await add_tasks(clean, 1)

    assert await rows(clean, "select from fcs.tasks") == []
    assert await ears.heard() == []


async def test_a_task_in_somebody_s_transaction_becomes_visible_with_it(
    clean: Connection, ears: Ears, clean_url: str
) -> None:
    async with await connect(clean_url, part="other") as other, other.transaction():
        await other.execute("create temporary table orders ()")
        await add_tasks(other, 1)
        assert await rows(clean, "select from fcs.tasks") == []
        assert await ears.heard() == []

    assert len(await rows(clean, "select from fcs.tasks")) == 1
    assert await ears.payloads() == [f"tasks {task_id(1)}"]


async def test_each_worker_hears_of_its_own_tasks_and_of_all_of_them(clean: Connection) -> None:
    """E1: hints of many tasks are cut into pieces that fit."""
    await add_workers(clean, 7, 8, 9)
    await add_tasks(clean, *range(1, 1_001))
    channels = {worker_channel(incarnation(n)): n for n in (7, 8, 9)}
    ears = await listen(clean, list(channels))

    plan = to(7, *range(1, 602)) + to(8, *range(602, 802)) + to(9, *range(802, 1_001))
    assert len(await tasks.dispatch(clean, plan)) == 1_000

    named = defaultdict[int, list[TaskId]](list)
    for channel, payload in await ears.heard():
        hint = parse_for_worker(payload)
        assert isinstance(hint, TasksNamed)
        ids = hint.ids
        assert ids
        assert len(ids) <= 200
        assert len(payload.encode()) < 8_000
        named[channels[channel]] += ids
    assert {n: len(ids) for n, ids in named.items()} == {7: 601, 8: 200, 9: 199}
    assert sorted(id for ids in named.values() for id in ids) == [
        task_id(n) for n in range(1, 1_001)
    ]


async def test_who_loses_the_race_rings_nobody(clean: Connection) -> None:
    await add_workers(clean, 7, 8)
    await add_dispatched(clean, 7, 1)
    ears = await listen(clean, [worker_channel(incarnation(8))])
    await tasks.dispatch(clean, to(8, 1))

    assert await ears.heard() == []


async def test_the_worker_s_account_goes_out_with_it(clean: Connection) -> None:
    await add_workers(clean, 7)
    await add_running(clean, 7, 1)
    ears = await listen(clean, [SUPERVISOR_CHANNEL])
    account = hints.report(incarnation(7), 3, 0, 1)
    await runs.finish(clean, [ending(1)], account)

    assert await ears.payloads() == [account]


async def test_the_supervisor_hears_what_is_pending_again(clean: Connection) -> None:
    """E1: in words that fit."""
    few, many = range(1, 11), range(11, 311)
    await add_workers(clean, 7)
    await add_running(clean, 7, *few, *many)
    ears = await listen(clean, [SUPERVISOR_CHANNEL])

    for numbers in (few, many):
        await runs.release(clean, [(task_id(n), run_id(n)) for n in numbers])
        [hint] = await ears.payloads()
        assert_names(hint, numbers)

        await tasks.dispatch(clean, to(7, *numbers))
        await tasks.hand_back(clean, W, [(task_id(n), 2) for n in numbers])
        [hint] = await ears.payloads()
        assert_names(hint, numbers)


def assert_names(hint: str, numbers: range) -> None:
    assert len(hint.encode()) < 8_000
    named = parse_for_supervisor(hint)
    if len(numbers) > 200:
        assert named == Rescan()
    else:
        assert isinstance(named, TasksNamed)
        assert sorted(named.ids) == [task_id(n) for n in numbers]


async def test_who_gives_nothing_back_rings_nobody(clean: Connection) -> None:
    ears = await listen(clean, [SUPERVISOR_CHANNEL])
    assert await runs.release(clean, [(task_id(1), run_id(1))]) == set()
    assert await tasks.hand_back(clean, W, [(task_id(1), 1)]) == set()
    assert await tasks.hand_back(clean, W, []) == set()

    assert await ears.heard() == []


async def test_a_worker_is_told_of_its_tasks_once_more(clean: Connection) -> None:
    ears = await listen(clean, [worker_channel(W), worker_channel(RIVAL)])
    ids = [task_id(n) for n in range(1, 201)]
    await tasks.hint_again(clean, W, ids)

    [(channel, payload)] = await ears.heard()
    assert channel == worker_channel(W)
    assert parse_for_worker(payload) == TasksNamed(ids)


async def test_the_supervisor_hears_of_another_attempt_and_of_the_free_slot(
    clean: Connection, ears: Ears
) -> None:
    await add_workers(clean, 7)
    await add_running(clean, 7, 1)
    evidence = Evidence(AttemptOutcome.FAILED, "ValueError", "ouch")
    again = [Again(task_id(1), run_id(1), 0.0, evidence, 1)]
    await ears.heard()

    await runs.retry(clean, again, "my report")
    assert sorted(await ears.payloads()) == ["my report", f"tasks {task_id(1)}"]

    await runs.retry(clean, again, "my report")
    assert await ears.payloads() == ["my report"]


async def test_a_worker_hears_of_cancelled_tasks_that_it_runs_and_of_no_others(
    clean: Connection,
) -> None:
    await add_workers(clean, 7, 8)
    await add_running(clean, 7, *range(1, 402))
    await add_running(clean, 8, 501)
    await add_dispatched(clean, 7, 502)
    ears = await listen(clean, [worker_channel(W), worker_channel(RIVAL)])

    await tasks.cancel(clean, [task_id(n) for n in [*range(1, 402), 502]], reason="no need")

    heard = await ears.heard()
    assert {channel for channel, _ in heard} == {worker_channel(W)}
    named = []
    for _, payload in heard:
        hint = parse_for_worker(payload)
        assert isinstance(hint, CancelAsked)
        assert len(payload.encode()) < 8_000
        named += hint.ids
    assert sorted(named) == [task_id(n) for n in range(1, 402)]


async def test_who_joins_drains_or_leaves_says_so_at_once(clean: Connection, ears: Ears) -> None:
    """F-48: and who drains already need not say it again."""
    await add_workers(clean, 7)
    assert await ears.payloads() == ["workers"]

    await workers.drain(clean, W)
    await workers.drain(clean, W)
    assert await ears.payloads() == ["workers"]

    await workers.end_worker(clean, W, state="gone")
    assert await ears.payloads() == ["workers"]


async def test_a_beat_rings_nobody(clean: Connection, ears: Ears) -> None:
    """F-86: a thousand workers would ring a thousand times a second."""
    await add_workers(clean, 7)
    await ears.heard()
    await workers.beat(clean, W, report_no=1, slots_busy=0, tasks_taken=0)

    assert await ears.heard() == []

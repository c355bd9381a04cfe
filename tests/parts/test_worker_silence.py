"""A line that is never answered and never breaks: what hangs on the way acknowledges for ever."""

import asyncio

import pytest
from msgspec.structs import replace
from tests.parts.proxy import Kind, proxied
from tests.parts.stage import count, give, reach, until, until_so, working
from tests.parts.topology import QUICK

import fcs
from fcs import App, Backoff, Status
from fcs.database.connect import Connection

SLOTS = 4

IMPATIENT = replace(QUICK, hint_again_after=0.2, take_back_after=0.5)


@pytest.mark.parametrize("statement", ["held", "fetch", "begin", "succeed", "finish"])
async def test_a_task_runs_once_though_a_line_of_its_worker_falls_silent(
    app: App, database_url: str, db: Connection, statement: str
) -> None:
    """LIVE: the worker beats over another line, so nobody would come for what it holds."""
    starts = 0

    @app.task
    async def counted() -> str | None:
        nonlocal starts
        starts += 1
        return "with a result" if statement == "finish" else None

    task = await counted.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=QUICK) as hired,
    ):
        silence = proxy.trouble(Kind.HOLD, statement)
        await give(db, hired.incarnation, [task.id])
        await silence.reached.wait()
        [seen] = await reach(db, [task.id], Status.SUCCEEDED)
        await hired.leave()
    assert (starts, seen.attempt) == (1, 1)
    assert await count(db, "select count(*) from fcs.late_reports") == 0


async def test_another_attempt_is_asked_for_though_a_line_falls_silent(
    app: App, database_url: str, db: Connection
) -> None:
    @app.task(max_attempts=2, backoff=Backoff(first=0))
    async def failing() -> None:
        raise ValueError("as asked")

    task = await failing.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=QUICK) as hired,
    ):
        silence = proxy.trouble(Kind.HOLD, "retry")
        await give(db, hired.incarnation, [task.id])
        await silence.reached.wait()
        await reach(db, [task.id], Status.PENDING)


async def test_progress_is_told_though_a_line_falls_silent(
    app: App, database_url: str, db: Connection
) -> None:
    gate = asyncio.Event()

    @app.task
    async def halfway() -> None:
        fcs.current().progress(0.5)
        await gate.wait()

    task = await halfway.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=QUICK) as hired,
    ):
        silence = proxy.trouble(Kind.HOLD, "report_progress")
        await give(db, hired.incarnation, [task.id])
        await silence.reached.wait()
        told = "select count(*) from fcs.tasks where progress is not null"
        await until(lambda: count(db, told))
        gate.set()


async def test_who_cannot_begin_says_that_it_has_no_slot_free(
    app: App, database_url: str, db: Connection
) -> None:
    """LIVE: it beats, so it would be handed tasks for ever that others could run."""

    @app.task
    async def noop() -> None: ...

    task = await noop.enqueue()
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=IMPATIENT, slots=SLOTS) as hired,
    ):
        proxy.silence("begin")
        await give(db, hired.incarnation, [task.id])
        await until(lambda: busy(db, SLOTS))
        proxy.calm_down()
        await reach(db, [task.id], Status.SUCCEEDED)
        await until(lambda: busy(db, 0))


async def busy(db: Connection, slots: int) -> bool:
    query = "select count(*) from fcs.workers where slots_busy = %s"
    return await count(db, query, slots) == 1


@pytest.mark.direct  # whoever polls has no mail to lose
async def test_who_hears_nothing_any_more_listens_anew(
    app: App, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent over that line by itself, so nothing would ever tell."""
    monkeypatch.setattr("fcs.database.mail.ASK_INTERVAL", 0.05)
    monkeypatch.setattr("fcs.database.mail.GREET_WITHIN", 0.5)
    async with (
        proxied(database_url) as proxy,
        working(proxy.url, app.registry, settings=QUICK) as hired,
    ):
        channel = f'listen "fcs_worker_{hired.incarnation.hex}"'
        await until_so(lambda: channel in proxy.statements)
        silence = proxy.trouble_with(Kind.HOLD, "anybody there?")
        await until_so(silence.reached.is_set)
        await until_so(lambda: proxy.statements.count(channel) == 2)

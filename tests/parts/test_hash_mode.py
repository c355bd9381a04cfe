"""Hash mode: each worker hands out to itself, and nothing is missing because nobody leads."""

import asyncio
from collections import Counter

import pytest
from tests.parts.stage import count, until, until_so
from tests.parts.topology import crew, succeeded, switch

from fcs import App
from fcs.database import queues
from fcs.database.connect import Connection
from fcs.domain.supervisor import Supervisor
from fcs.supervisor.office import Seat

ROUNDS_MAX = 30
"""Rounds of planning from one survey to the next, at the most, while nothing happens."""


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often was planned, and how often the workers were looked at."""
    counted: Counter[str] = Counter()
    plan, surveyed = Supervisor.plan, Seat.surveyed

    def counting_plan(*args, **kwargs):  # type: ignore[no-untyped-def]
        counted["plan"] += 1
        return plan(*args, **kwargs)

    def counting_surveyed(*args, **kwargs):  # type: ignore[no-untyped-def]
        counted["survey"] += 1
        return surveyed(*args, **kwargs)

    monkeypatch.setattr(Supervisor, "plan", counting_plan)
    monkeypatch.setattr(Seat, "surveyed", counting_surveyed)
    return counted


async def rests(rounds: Counter[str]) -> None:
    """See it plan now and then, and not all the time."""
    before = rounds.copy()
    await until_so(lambda: rounds["survey"] >= before["survey"] + 30)
    surveys = rounds["survey"] - before["survey"]
    assert rounds["plan"] - before["plan"] <= ROUNDS_MAX * surveys


async def running(db: Connection, number: int) -> None:
    async def so_many() -> bool:
        return await count(db, "select count(*) from fcs.tasks where status = 'running'") == number

    await until(so_many)


# Resting


async def test_it_rests_while_its_worker_is_full(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    gate = asyncio.Event()

    @app.task
    async def hold() -> None:
        await gate.wait()

    await switch(db, "hash")
    async with crew(database_url, app, 1, slots=2):
        await hold.enqueue_many([{}] * 5)
        await running(db, 2)
        await rests(rounds)
        gate.set()
        await succeeded(db, 5)


async def test_it_rests_while_a_queue_is_paused_and_goes_on_when_it_is_resumed(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    @app.task(queue="mail")
    async def send() -> None: ...

    @app.task
    async def other() -> None: ...

    await switch(db, "hash")
    await queues.pause(db, "mail", by="me", why="")
    async with crew(database_url, app, 2):
        await send.enqueue_many([{}] * 20)
        await other.enqueue_many([{}] * 20)
        await succeeded(db, 20)
        await rests(rounds)
        await succeeded(db, 20)
        await queues.resume(db, "mail")
        await succeeded(db, 40)


async def test_it_rests_while_a_limit_is_full(
    app: App, database_url: str, db: Connection, rounds: Counter[str]
) -> None:
    gate = asyncio.Event()

    @app.task(queue="mail")
    async def send() -> None:
        await gate.wait()

    await switch(db, "hash")
    await queues.set_limits(db, "mail", {"running_max": 1})
    async with crew(database_url, app, 1):
        await send.enqueue_many([{}] * 5)
        await running(db, 1)
        await rests(rounds)
        await running(db, 1)
        gate.set()
        await succeeded(db, 5)

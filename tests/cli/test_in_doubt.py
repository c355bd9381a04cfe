"""Answers that were lost while the database stays away: nobody is told to do the same again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.cli.said import Fcs, Said
from tests.cli.test_task import Rows, put
from tests.parts.proxy import Kind, Proxy, Trouble, proxied

from fcs.cli.common import Common
from fcs.cli.task.acting import Matching
from fcs.cli.task.choice import Choice
from fcs.domain.bulk import Action, Filter

COPYING = "Create tasks anew that have ended"
ALL = Choice(ids=(), status=None, ty="baz", queue=None, older_than=None, dry_run=False, yes=True)


@pytest.fixture
async def proxy(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    monkeypatch.setattr("fcs.cli.surely.PATIENCE", 0.5)
    monkeypatch.setattr("fcs.cli.task.acting.PATIENCE", 0.5)
    async with proxied(database_url) as proxy:
        monkeypatch.setenv("FCS_DATABASE", proxy.url)
        yield proxy


async def told(proxy: Proxy, lost: Trouble, fcs: Fcs, *arguments: object) -> Said:
    """Let the database go away when it has done what it was asked for, and before it says so."""
    asked = asyncio.create_task(asyncio.to_thread(fcs, *arguments))
    await proxy.leave_after(lost, asked)
    return await asked


def new_ones(rows: Rows) -> list[str]:
    found = rows.execute("select id::text from fcs.tasks where status = 'pending'").fetchall()
    return [row[0] for row in found]


async def test_a_retry_of_one_names_the_new_task(anywhere: Fcs, proxy: Proxy, rows: Rows) -> None:
    id = put(rows, status="failed")
    lost = proxy.trouble_with(Kind.LOSE_ANSWER, COPYING)
    said = (await told(proxy, lost, anywhere, "task", "retry", id)).fails(69)
    [new] = new_ones(rows)
    assert f"not known whether task {new} was created" in said
    assert f"fcs task show {new}" in said


async def test_a_retry_of_all_does_not_say_that_the_rest_is_untouched(
    anywhere: Fcs, proxy: Proxy, rows: Rows
) -> None:
    for _ in range(3):
        put(rows, status="failed")
    lost = proxy.trouble_with(Kind.LOSE_ANSWER, COPYING)
    asked = ["task", "retry", "--status", "failed", "--yes"]
    said = (await told(proxy, lost, anywhere, *asked)).fails(69)
    assert len(new_ones(rows)) == 3
    assert "not known whether up to 500 more" in said
    assert "two of each" in said


async def test_who_interrupts_a_retry_of_all_is_told_how_far_it_came(
    proxy: Proxy, database_url: str, rows: Rows, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        put(rows, status="failed")
    held = proxy.trouble_with(Kind.HOLD, COPYING)
    sweep = Matching(Common(), Action.RETRY, Filter(ty="baz"), ALL, "")
    asked = asyncio.create_task(sweep.carry_out())
    await held.reached.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert "interrupted; 0 tasks created anew, and it is not known" in capfd.readouterr().err


async def test_a_run_of_a_schedule_names_the_task(anywhere: Fcs, proxy: Proxy, rows: Rows) -> None:
    asked = ["schedule", "create", "tidy", "@daily", "baz"]
    assert (await asyncio.to_thread(anywhere, *asked)).code == 0
    lost = proxy.trouble(Kind.LOSE_ANSWER, "create")
    said = (await told(proxy, lost, anywhere, "schedule", "run", "tidy")).fails(69)
    [new] = new_ones(rows)
    assert f"not known whether task {new} was created" in said

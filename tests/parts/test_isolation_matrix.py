"""What becomes of a task: kind of body by act, as the guide has it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.parts import matrix
from tests.parts.stage import count, reach, recipe_for, supervising, until, view, working

from fcs.client.task import Task
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.settings import Settings
from fcs.domain.task import Status

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "isolation.md"
DRAWN = re.compile(r"<!-- matrix:begin -->\n(.*?)<!-- matrix:end -->", re.DOTALL)

KINDS = ["async", "thread", "process"]
ACTS = ["cancel", "timeout", "crash", "memory"]

PLACE = "tests.parts.matrix:app"

MORTAL = Settings(beat_interval=0.2, lease=1.5, survey_interval=0.1, rescan_interval=0.2)
"""A worker that dies is noticed soon."""


async def test_what_becomes_of_a_task_is_what_the_guide_says(
    database_url: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FCS_DATABASE", database_url)
    seen: dict[tuple[str, str], str] = {}
    async with supervising(database_url, MORTAL):
        for kind in KINDS[:2]:
            async with doomed_worker(database_url, db):
                seen[kind, "crash"] = await outcome(db, await create(f"crash_{kind}"))
        recipe = recipe_for(PLACE)
        async with working(database_url, matrix.app.registry, settings=MORTAL, recipe=recipe):
            seen["process", "crash"] = await outcome(db, await create("crash_process"))
            for kind in KINDS:
                seen[kind, "cancel"] = await outcome(db, await cancelled(db, f"wait_{kind}"))
                timed = await create(f"wait_{kind}", timeout=0.1)
                seen[kind, "timeout"] = await outcome(db, timed)
                seen[kind, "memory"] = await outcome(db, await create(f"eat_{kind}"))
    await matrix.app.close()

    table = drawn(seen)
    print(f"\n{table}")  # noqa: T201
    shown = DRAWN.search(PAGE.read_text("utf-8"))
    assert shown
    assert shown[1] == table


async def create(ty: str, *, timeout: float | None = None) -> Task[object]:
    handler = getattr(matrix, ty)
    made: Task[object] = await (handler.using(timeout=timeout) if timeout else handler).enqueue()
    return made


async def cancelled(db: Connection, ty: str) -> Task[object]:
    task = await create(ty)
    await reach(db, [task.id], Status.RUNNING)
    await tasks.cancel(db, [task.id], reason="")
    return task


async def outcome(db: Connection, task: Task[object]) -> str:
    async def final() -> bool:
        return (await view(db, task.id)).status.is_final

    await until(final)
    end = await view(db, task.id)
    return f"`{end.status}`" + (f": {end.error}" if end.error else "")


@asynccontextmanager
async def doomed_worker(url: str, db: Connection) -> AsyncIterator[None]:
    """A worker in a process of its own, which a body is about to end."""
    variables = {
        "FCS_DATABASE": url,
        "FCS_BEAT_INTERVAL": str(MORTAL.beat_interval),
        "FCS_LEASE": str(MORTAL.lease),
        "FCS_SURVEY_INTERVAL": str(MORTAL.survey_interval),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fcs", "work", "-q", "--app", PLACE, env=os.environ | variables
    )
    try:

        async def is_there() -> int:
            return await count(db, "select count(*) from fcs.workers where state = 'live'")

        await until(is_there)
        yield
        assert await process.wait() == 3
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def drawn(seen: dict[tuple[str, str], str]) -> str:
    rows = [
        ["", *ACTS],
        ["---"] * (1 + len(ACTS)),
        *([f"**{kind}**", *(seen[kind, act] for act in ACTS)] for kind in KINDS),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("|  |", "| |")

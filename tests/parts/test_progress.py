"""Progress: bodies in threads speak at any time, and their last word is kept."""

import asyncio
from contextlib import suppress
from random import Random
from time import sleep
from typing import Any

import pytest
from tests.parts.stage import count, give, hire_fake, until

from fcs.body.context import Context, Progress
from fcs.client.ids import new_task_id
from fcs.database import tasks
from fcs.database.connect import Connection
from fcs.domain.ids import RunId, TaskId
from fcs.domain.task import NewTask
from fcs.worker.progress import ProgressReporter


class Slow(dict[Any, Any]):
    """Whoever puts something in is held up in the midst of it."""

    def __setitem__(self, key: object, value: object) -> None:
        sleep(0.3)
        super().__setitem__(key, value)


async def test_a_word_that_comes_while_others_are_written_down_is_not_lost(
    db: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcs.worker.progress.INTERVAL", 0.05)
    fake = await hire_fake(db, ["baz"])
    ids = [new_task_id(), new_task_id()]
    assert await tasks.create(db, [NewTask(id, "baz", b"{}") for id in ids]) == 2
    await give(db, fake.incarnation, ids)
    first, second = [_context(id, await fake.begin(id)) for id in ids]

    reporter = ProgressReporter(database_url, rng=Random(1), lease=5.0)
    monkeypatch.setattr(reporter, "_told", Slow({(first.id, first.run_id): Progress(1)}))
    writing = asyncio.create_task(reporter.run())
    await asyncio.to_thread(reporter.tell, second, Progress(2))
    await until(lambda: _all_told(db))
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing


def _context(id: TaskId, run_id: RunId) -> Context:
    return Context(id=id, run_id=run_id, ty="baz")


async def _all_told(db: Connection) -> bool:
    return await count(db, "select count(*) from fcs.tasks where progress is not null") == 2

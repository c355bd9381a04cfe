"""What pruning costs: how long it takes, what is left on disk, and how long others wait for it."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from uuid import uuid4

from fcs.client.ids import new_run_ids, new_task_id
from fcs.database import backlog, history, retention, runs, tasks, workers
from fcs.database.connect import connect
from fcs.database.runs import Beginning, Ending
from fcs.database.workers import Registration
from fcs.domain.facts import Assignment
from fcs.domain.ids import Incarnation, WorkerId
from fcs.domain.retention import cutoffs, everywhere
from fcs.domain.settings import Settings
from fcs.domain.task import NewTask, Status
from fcs.supervisor import pruning

QUIET = 2.0
MEGABYTE = 1e6


async def retention_figures(url: str, count: int) -> AsyncIterator[tuple[str, str, float]]:
    """Prune so many tasks of which 1 % stays, beside a caller that goes on with its own."""
    async with await connect(url, part="bench", keys_only=True) as db:
        await history.fill(db, tasks=count)
        await retention.vacuum(db)
        yield ("size before pruning", "MB", (await retention.space(db)).bytes / MEGABYTE)

        bystander = Bystander()
        going_on = asyncio.create_task(bystander.go_on(url))
        await asyncio.sleep(QUIET)
        yield ("longest wait before", "ms", bystander.longest())

        keep, now, began = Settings().keep, await backlog.now(db), perf_counter()
        ripe = cutoffs(keep, now)
        async for _ in pruning.prune(db, everywhere(keep, now), ripe, at=perf_counter):
            pass
        yield ("prune", "s", perf_counter() - began)
        await pruning.reclaim(db, at=perf_counter)
        yield ("prune and give space back", "s", perf_counter() - began)
        yield ("longest wait meanwhile", "ms", bystander.longest())
        bystander.is_done = True
        await going_on
        yield ("size after pruning", "MB", (await retention.space(db)).bytes / MEGABYTE)


class Bystander:
    """Somebody who creates, dispatches, begins and finishes tasks, one after the other."""

    def __init__(self) -> None:
        self.is_done = False
        self._longest = 0.0

    def longest(self) -> float:
        """Milliseconds of the longest statement since it was last asked."""
        longest, self._longest = self._longest, 0.0
        return longest * 1e3

    async def go_on(self, url: str) -> None:
        async with await connect(url, part="bench", keys_only=True) as db:
            incarnation = Incarnation(uuid4())
            papers = Registration(
                WorkerId(uuid4()), incarnation, 1, [], ["noop"], "bench", 1, "0", None
            )
            await workers.register(db, papers, replaces=None)
            while not self.is_done:
                id, [run_id] = new_task_id(), new_run_ids(1)
                self._at = perf_counter()
                await tasks.create(db, [NewTask(id, "noop", b"{}")])
                self._note()
                [found] = await backlog.find(db, [id])
                self._note()
                await tasks.dispatch(db, [Assignment(found, incarnation)])
                self._note()
                await runs.begin(db, incarnation, [Beginning(id, 1, run_id)])
                self._note()
                await runs.finish(db, [Ending(id, run_id, Status.SUCCEEDED, None)], "report")
                self._note()

    def _note(self) -> None:
        now = perf_counter()
        self._longest, self._at = max(self._longest, now - self._at), now

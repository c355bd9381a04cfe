"""Hash mode: whichever workers die at once, the others do what is to be done about it."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import combinations, count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.system.harness import Cluster, Load, Worker, eventually, new_task
from tests.system.leaders import assert_nothing_is_lost

from fcs.database import tasks
from fcs.database.connect import connect
from fcs.domain.facts import Assignment, Lane, Waiting
from fcs.domain.ids import Incarnation
from fcs.domain.task import NewTask

pytestmark = pytest.mark.slow

WORKERS = 5
NOON = datetime(2018, 1, 1, 12, 0, tzinfo=UTC)
EVERY = [some for size in range(1, WORKERS) for some in combinations(range(WORKERS), size)]
"""Whoever may die of five, by their places on the ring: all but everybody."""

SOME = [(1, 2), (0, 1, 2, 3)]
"""Neighbours, so that the reaper of one is dead as well; all but one."""


@pytest.mark.parametrize(
    "chosen",
    [pytest.param(SOME, id="some"), pytest.param(EVERY, id="all", marks=pytest.mark.nightly)],
)
def test_whichever_workers_die_the_others_see_to_what_they_held(
    database_url: str, tmp_path: Path, chosen: Sequence[tuple[int, ...]]
) -> None:
    """F-74: any four of five, also those who would have to reap each other."""
    with Cluster(database_url, tmp_path) as cluster:
        cluster.execute("update fcs.cluster set mode = 'hash'")
        crew = Crew(cluster)
        with Load(database_url, ahead=5.0) as load:
            for places in chosen:
                crew.fill()
                crew.lose(places)
        assert_nothing_is_lost(cluster, load, wronged=crew.killed)
        crew.assert_told_the_truth()


class Crew:
    """Five workers that hand out to themselves, and what became of those who were killed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._workers: list[Worker] = []
        self._serials = count(1)
        self.killed: set[UUID] = set()
        self._pids: set[int] = set()

    def fill(self) -> None:
        """Put others in the places of the dead; all of them hand out when this returns."""
        missing = WORKERS - len(self._workers)
        self._workers += [self._cluster.work(slots=8) for _ in range(missing)]
        self._cluster.wait_for_workers(*self._workers)
        seats = [worker.process.log for worker in self._workers]
        eventually(lambda: all("supervisor ready" in log() for log in seats))

    def lose(self, places: Iterable[int]) -> None:
        """Kill those at these places on the ring, each with tasks that run and others that it has
        not begun; return when the truth about all of them is known."""
        ring = self._ring()
        doomed = [ring[place] for place in places]
        running = [self._give(incarnation, "hold", gate="/nowhere") for incarnation, _ in doomed]
        self._cluster.ledger.wait_begun(*running)
        for _, worker in doomed:
            worker.process.pause()
        waiting = [self._give(incarnation, "nap") for incarnation, _ in doomed for _ in range(2)]
        for _, worker in doomed:
            self.killed.add(worker.id)
            self._pids.add(worker.process.pid)
            worker.process.kill()
            self._workers.remove(worker)

        self._cluster.wait_for_status("interrupted", *running)
        self._cluster.wait_for_status("succeeded", *waiting)
        by = """
            select distinct worker_id
              from fcs.tasks
             where (args ->> 'serial')::int = any(%(serials)s)
        """
        elsewhere = {id for (id,) in self._cluster.rows(by, {"serials": waiting})}
        assert elsewhere <= {worker.id for worker in self._workers}

    def assert_told_the_truth(self) -> None:
        """Whatever a body of the killed had begun, and not ended, is interrupted."""
        begun, ended = set[int](), set[int]()
        for entry in self._cluster.ledger.entries():
            if entry.pid in self._pids:
                (begun if entry.mark == "began" else ended).add(entry.serial)
        statuses = self._cluster.statuses()
        interrupted = {serial for serial, status in statuses.items() if status == "interrupted"}
        # And so are some that were killed in the moment before the body, or after it.
        assert begun - ended <= interrupted

    def _ring(self) -> list[tuple[Incarnation, Worker]]:
        """The workers in their order on the ring."""
        rows = self._cluster.rows("select id, incarnation from fcs.workers where state = 'live'")
        incarnations = dict(rows)
        return sorted((Incarnation(incarnations[one.id]), one) for one in self._workers)

    def _give(self, incarnation: Incarnation, ty: str, **arguments: Any) -> int:
        """Hand a task to a worker, whoever it would fall to; return its serial number."""
        serial = next(self._serials)
        new = new_task(ty, serial, **arguments)
        asyncio.run(give(self._cluster.url, incarnation, new))
        return serial


async def give(url: str, incarnation: Incarnation, new: NewTask) -> None:
    async with await connect(url, part="test") as db, db.transaction():
        # Nobody else sees it before it is handed out.
        await tasks.create(db, [new])
        waiting = Waiting(Lane(new.queue, new.ty, new.priority), NOON, new.id)
        assert await tasks.dispatch(db, [Assignment(waiting, incarnation)])

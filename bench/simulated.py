"""Simulated workers: rows that beat, listen, fetch, begin and finish by the product's statements.

One connection each, no bodies, many in a process: `python -m bench.simulated WORKERS SLOTS`. A
thousand of them ask of the database and of the supervisor what a thousand workers do.
"""

import asyncio
import os
import sys
from uuid import uuid4

import uvloop
from psycopg import Notify

from bench.tally import own_count
from fcs.client.ids import new_run_ids
from fcs.database import runs, tasks, workers
from fcs.database.connect import Connection, connect
from fcs.database.mail import listen
from fcs.database.runs import Beginning, Ending
from fcs.database.workers import Registration
from fcs.domain import hints
from fcs.domain.hints import TasksNamed, worker_channel
from fcs.domain.ids import Incarnation, TaskId, WorkerId
from fcs.domain.settings import Settings
from fcs.domain.task import Status

DIAL_TOGETHER = 20


class Simulated:
    """One worker."""

    def __init__(self, slots: int, count: memoryview) -> None:
        self._incarnation = Incarnation(uuid4())
        self._papers = Registration(
            WorkerId(uuid4()),
            self._incarnation,
            slots,
            [],
            ["noop"],
            "bench",
            os.getpid(),
            "0",
            None,
        )
        self._count = count
        self._taken = self._report_no = 0
        self._named: dict[TaskId, None] = {}

    async def work(self, url: str, dialling: asyncio.Semaphore) -> None:
        async with dialling:
            db = await connect(url, part="worker simulated", keys_only=True)
        # Also what arrives together with an answer.
        db.add_notify_handler(self._hear)
        async with db:
            await listen(db, worker_channel(self._incarnation))
            await workers.register(db, self._papers, replaces=None)
            beat_at, clock = 0.0, asyncio.get_running_loop().time
            while True:
                if clock() >= beat_at:
                    beat_at = clock() + Settings().beat_interval
                    await self._beat(db)
                if not self._named:
                    await self._listen(db, within=max(0.0, beat_at - clock()))
                if self._named:
                    ids = list(self._named)
                    self._named.clear()
                    await self._run(db, ids)

    async def _beat(self, db: Connection) -> None:
        self._report_no += 1
        await workers.beat(
            db,
            self._incarnation,
            report_no=self._report_no,
            slots_busy=0,
            tasks_taken=self._taken,
        )

    async def _listen(self, db: Connection, *, within: float) -> None:
        """Wait for something to read, and read it: one connection for everything."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(db.fileno(), arrived.set)
        try:
            async with asyncio.timeout(within):
                await arrived.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(db.fileno())
        db.pgconn.consume_input()
        while mail := db.pgconn.notifies():
            self._take_in(mail.extra.decode())

    def _hear(self, mail: Notify) -> None:
        self._take_in(mail.payload)

    def _take_in(self, payload: str) -> None:
        match hints.parse_for_worker(payload):
            case TasksNamed(ids):
                self._named.update(dict.fromkeys(ids))

    async def _run(self, db: Connection, ids: list[TaskId]) -> None:
        found = await tasks.fetch(db, self._incarnation, ids, limit=len(ids))
        run_ids = dict(zip([row.id for row in found], new_run_ids(len(found)), strict=True))
        beginnings = [
            Beginning(row.id, row.dispatch_no, run_ids[row.id], row.attempt) for row in found
        ]
        begun = await runs.begin(db, self._incarnation, beginnings)
        self._taken += len(begun)
        self._report_no += 1
        account = hints.report(self._incarnation, self._report_no, 0, self._taken)
        endings = [Ending(id, run_ids[id], Status.SUCCEEDED) for id in begun]
        ended = await runs.succeed(db, endings, account)
        self._count[0] += len(ended)


async def _work(url: str, *, count: int, slots: int) -> None:
    counted, dialling = own_count(), asyncio.Semaphore(DIAL_TOGETHER)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(Simulated(slots, counted).work(url, dialling))


if __name__ == "__main__":
    number, slots = map(int, sys.argv[1:])
    uvloop.run(_work(os.environ["FCS_DATABASE"], count=number, slots=slots))

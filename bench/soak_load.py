"""The load of the soak: so much of everything a second, and old tasks pruned after seconds."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import perf_counter

from bench.soak_app import app, flaky, in_child, in_thread, quick, sleeper
from fcs.database import backlog, insights
from fcs.database.connect import Connection, connect
from fcs.domain.retention import cutoffs, everywhere
from fcs.domain.task import Status
from fcs.supervisor import pruning

KEEP = dict.fromkeys(Status, 10.0)
TURN = 1.0


@asynccontextmanager
async def working(db: Connection) -> AsyncIterator[None]:
    """Create, cancel, ask and prune for as long as the block runs."""
    [worker] = await insights.list_workers(db)
    assert worker.listen
    load = asyncio.gather(_create(f"http://{worker.listen}"), _prune(db.info.dsn))
    try:
        yield
    finally:
        if load.done():
            load.result()
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load
        await app.close()


async def _create(door: str) -> None:
    began = perf_counter()
    for turn in count():
        await _one_turn(turn, door)
        # By the clock, so that a slow turn does not make the load smaller.
        await asyncio.sleep(max(0.0, began + (turn + 1) * TURN - perf_counter()))


async def _one_turn(turn: int, door: str) -> None:
    """Some 130 tasks of all kinds."""
    keyed = quick.using(key=f"turn {turn}")
    await asyncio.gather(
        *(quick.enqueue(number) for number in range(40)),
        *(flaky.enqueue(number) for number in range(9)),
        *(in_thread.enqueue(number) for number in range(10)),
        *(in_child.enqueue(number) for number in range(5)),
        quick.enqueue_many({"serial": number} for number in range(50)),
        keyed.enqueue(0),
        keyed.enqueue(0),
    )
    first = await quick.using(delay=1).enqueue(0)
    await quick.using(after=[first]).enqueue(0)
    running, waiting = await sleeper.enqueue(60), await sleeper.using(delay=60).enqueue(60)
    await asyncio.to_thread(_ask, f"{door}/tasks?limit=20")
    await asyncio.to_thread(_ask, f"{door}/tasks", b'{"def":{"ty":"quick","serial":1}}')
    await running.cancel("the soak goes on")
    await waiting.cancel("the soak goes on")


def _ask(address: str, body: bytes | None = None) -> None:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


async def _prune(url: str) -> None:
    """What a supervisor does, after seconds and not after days."""
    async with await connect(url, part="soak", keys_only=True) as db:
        while True:
            now = await backlog.now(db)
            stretches, ripe = everywhere(KEEP, now), cutoffs(KEEP, now)
            async for _ in pruning.prune(db, stretches, ripe, at=perf_counter):
                pass
            await asyncio.sleep(KEEP[Status.SUCCEEDED])

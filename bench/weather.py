"""A steady drain beside whatever else goes on: `python -m bench weather`.

As many tasks are created as are drained, for a minute, beside a transaction that holds an old
snapshot or beside none, with autovacuum or without: what of a decline is whose doing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from bench import backlog
from bench.bar import Bar, Reported, Sample
from bench.stage import Stage
from bench.tally import Tally, open_tally
from fcs.database.connect import Connection, connect
from fcs.node.bench import cluster

SLOTS = 4_000
SECONDS = 60.0
WINDOW = 10.0
WARM_UP = 2.0

NO_AUTOVACUUM = "alter table fcs.tasks set (autovacuum_enabled = off)"


async def drain(
    stage: Stage, waiting: int, *, is_held: bool, is_vacuumed: bool = True
) -> tuple[float, float]:
    """Tasks a second in the first ten seconds and in the last, so many waiting throughout.

    `is_held`: beside a transaction that keeps every dead row.
    """
    scale = stage.size(60, small=2) / 60
    async with stage.database() as url, AsyncExitStack() as beside:
        db = await beside.enter_async_context(await connect(url, part="bench"))
        if not is_vacuumed:
            await db.execute(NO_AUTOVACUUM)
        await backlog.fill(url, waiting)
        with open_tally() as tally:
            async with (
                cluster.workers(
                    url, count=1, slots=SLOTS, app="bench.counted:app", also=tally.environment
                ),
                _topped_up(url, waiting, tally),
                cluster.supervisor(url),
            ):
                if is_held:
                    await beside.enter_async_context(db.transaction())
                    await _look(db)
                while not tally.total():
                    await asyncio.sleep(0.01)
                await asyncio.sleep(WARM_UP)
                return await _rates(tally, SECONDS * scale, WINDOW * scale)


async def _look(onlooker: Connection) -> None:
    await onlooker.execute("set local idle_in_transaction_session_timeout = 0")
    await onlooker.execute("set transaction isolation level repeatable read")
    await onlooker.execute("select from fcs.tasks limit 1")


@asynccontextmanager
async def _topped_up(url: str, waiting: int, tally: Tally) -> AsyncIterator[None]:
    creator = asyncio.create_task(backlog.keep_up(url, waiting, target=waiting, done=tally.total))
    try:
        yield
    finally:
        creator.cancel()
        with suppress(asyncio.CancelledError):
            await creator


async def _rates(tally: Tally, seconds: float, window: float) -> tuple[float, float]:
    """Bodies a second in the first window of a stretch of time, and in the last."""
    first = await _rate(tally, window)
    await asyncio.sleep(seconds - 2 * window)
    return first, await _rate(tally, window)


async def _rate(tally: Tally, seconds: float) -> float:
    clock = asyncio.get_running_loop().time
    began, before = clock(), tally.total()
    await asyncio.sleep(seconds)
    return (tally.total() - before) / (clock() - began)


@dataclass(frozen=True)
class Weather:
    """What goes on beside a drain."""

    size: str
    waiting: int
    is_held: bool
    is_vacuumed: bool

    @property
    def __name__(self) -> str:
        snapshot = "snapshot held" if self.is_held else "no snapshot"
        return f"{self.size}, {snapshot}, autovacuum {'on' if self.is_vacuumed else 'off'}"

    async def __call__(self, stage: Stage) -> AsyncIterator[Sample]:
        first, last = await drain(
            stage,
            stage.size(self.waiting, small=500),
            is_held=self.is_held,
            is_vacuumed=self.is_vacuumed,
        )
        yield Sample(f"{self.__name__}, first 10 s", "/s", first)
        yield Sample(f"{self.__name__}, last 10 s", "/s", last)


KINDS = [
    Weather(size, waiting, is_held, is_vacuumed)
    for size, waiting in (("10k", 10_000), ("1M", 1_000_000))
    for is_held in (False, True)
    for is_vacuumed in (True, False)
]

BAR = Bar(
    "weather",
    "a steady drain for 60 s beside a held snapshot or none, with autovacuum or without",
    KINDS,
    [Reported(f"{kind.__name__}, last 10 s", f"{kind.__name__}, first 10 s") for kind in KINDS],
)

"""The three topologies side by side: `python -m bench modes`.

The same drains and the same lone tasks, handed out by a supervisor of its own, by one of the
workers, or by each worker for itself; and how evenly the tasks are spread.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.bar import Bar, Measure, Reported, Sample
from bench.stage import Account, Stage
from fcs.database.connect import connect
from fcs.domain.topology import Mode
from fcs.node.bench import cluster, measures

SLOTS = 4_000
CROWDS = (2, 8, 32)

_SPREAD = """
    select sum(tasks)::float ^ 2 / (count(*) * sum(tasks ^ 2)),
           max(tasks) / avg(tasks)::float
      from (
                select workers.id, count(tasks.id) as tasks
                  from fcs.workers
                  left join fcs.tasks on tasks.worker_id = workers.id
              group by workers.id
           ) as shares
"""


@asynccontextmanager
async def _led(
    url: str, mode: Mode, *, workers: int, slots: int
) -> AsyncIterator[dict[str, list[int]]]:
    """A cluster in a mode; yields its processes by role."""
    async with await connect(url, part="bench") as db:
        await db.execute("update fcs.cluster set mode = %s::fcs.mode", [mode])
    also = {"FCS_ELECT": "1"} if mode is Mode.ELECTED else {}
    async with AsyncExitStack() as stack:
        crew = cluster.workers(url, count=workers, slots=slots, also=also)
        roles = {"workers": await stack.enter_async_context(crew)}
        if mode is Mode.DEDICATED:
            roles["supervisor"] = await stack.enter_async_context(cluster.supervisor(url))
        yield roles


@dataclass(frozen=True)
class Drain:
    """How fast what waits is drained, by so many workers."""

    mode: Mode
    workers: int

    @property
    def __name__(self) -> str:
        return f"drain by {self.workers}, {self.mode}"

    async def __call__(self, stage: Stage) -> AsyncIterator[Sample]:
        count = stage.size(100_000, small=500)
        async with stage.database() as url:
            await measures.preload(url, count)
            async with _led(
                url, self.mode, workers=self.workers, slots=SLOTS // self.workers
            ) as roles:
                account: Account
                async with stage.account(url, **roles) as account:
                    seconds = await measures.drained(url, count, progress=lambda _: None)
                yield Sample(self.__name__, "/s", count / seconds)
                cpu = sum(account.cpu.values())
                yield Sample(f"{self.__name__}, CPU", "µs/task", cpu / count * 1e6)


@dataclass(frozen=True)
class Latency:
    """From create to the body's first line, idle, with two workers."""

    mode: Mode

    @property
    def __name__(self) -> str:
        return f"create to body, {self.mode}"

    async def __call__(self, stage: Stage) -> AsyncIterator[Sample]:
        async with stage.database() as url, _led(url, self.mode, workers=2, slots=8):
            p50, p99 = await measures.waits(url, stage.size(500, small=20))
        yield Sample(f"{self.__name__}, p50", "ms", p50)
        yield Sample(f"{self.__name__}, p99", "ms", p99)


@dataclass(frozen=True)
class Spread:
    """How evenly tasks that come one by one are spread over so many workers."""

    mode: Mode
    workers: int

    @property
    def __name__(self) -> str:
        return f"{self.workers} workers, {self.mode}"

    async def __call__(self, stage: Stage) -> AsyncIterator[Sample]:
        count = stage.size(6_400, small=200)
        workers = stage.size(self.workers, small=2)
        async with stage.database() as url:
            async with _led(url, self.mode, workers=workers, slots=8):
                await measures.enqueue_rate(url, count)
                await measures.drained(url, count, progress=lambda _: None)
            async with await connect(url, part="bench") as db:
                row = await (await db.execute(_SPREAD)).fetchone()
        assert row is not None
        even, most = row
        yield Sample(f"{self.__name__}, evenness", "", even)
        yield Sample(f"{self.__name__}, busiest", "times the mean", most)


MEASURES: list[Measure] = [
    *(Drain(mode, workers) for workers in (2, 8) for mode in Mode),
    *(Latency(mode) for mode in Mode),
    *(Spread(mode, workers) for workers in CROWDS for mode in Mode),
]

BAR = Bar(
    "modes",
    "dedicated, elected and hash mode in one run: drain, latency, and how even the spread is",
    MEASURES,
    [
        *(
            Reported(f"drain by {workers}, {mode}", f"drain by {workers}, {Mode.DEDICATED}")
            for workers in (2, 8)
            for mode in Mode
        ),
        *(
            Reported(
                f"drain by {workers}, {mode}, CPU", f"drain by {workers}, {Mode.DEDICATED}, CPU"
            )
            for workers in (2, 8)
            for mode in Mode
        ),
        *(
            Reported(f"create to body, {mode}, {cut}", f"create to body, {Mode.DEDICATED}, {cut}")
            for cut in ("p50", "p99")
            for mode in Mode
        ),
        *(
            Reported(f"{workers} workers, {mode}, {what}")
            for what in ("evenness", "busiest")
            for workers in CROWDS
            for mode in Mode
        ),
    ],
)

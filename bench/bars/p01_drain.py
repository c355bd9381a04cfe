"""P1: how fast a full queue is drained by one supervisor and one worker process."""

from collections.abc import AsyncIterator

from bench.bar import AtLeast, Bar, Reported, Sample
from bench.peers import measures as peers
from bench.stage import Account, Stage
from fcs.node.bench import cluster, measures, raw

SLOTS = 4_000
PLAIN, TUNED = "raw lifecycle, plain schema", "raw lifecycle, tuned schema"
DRAIN = "drain, fcs"


def tasks(stage: Stage) -> int:
    return stage.size(100_000, small=500)


async def raw_lifecycle(stage: Stage) -> AsyncIterator[Sample]:
    """What any queue must do for a task, over one connection: in a plain table and a tuned one."""
    async with stage.database() as url:
        yield Sample(PLAIN, "/s", await raw.lifecycle_rate(url, tasks(stage), plain=True))
        yield Sample(TUNED, "/s", await raw.lifecycle_rate(url, tasks(stage)))


async def drain(stage: Stage) -> AsyncIterator[Sample]:
    """The drain by one worker process, and what it cost each role."""
    rate, account = await drain_rate(stage, workers=1)
    yield Sample(DRAIN, "/s", rate)
    for role, seconds in account.cpu.items():
        yield Sample(f"drain, CPU of the {role}", "µs/task", seconds / tasks(stage) * 1e6)
    yield Sample("drain, cores in use", "cores", sum(account.cpu.values()) * rate / tasks(stage))
    yield Sample("drain, WAL", "B/task", account.written.wal_bytes / tasks(stage))
    yield Sample("drain, commits", "/task", account.written.transactions / tasks(stage))


async def drain_rate(stage: Stage, *, workers: int) -> tuple[float, Account]:
    """Tasks a second, from the first begin to the last end; and the books of it."""
    count = tasks(stage)
    async with stage.database() as url:
        await measures.preload(url, count)
        async with (
            cluster.workers(url, count=workers, slots=SLOTS // workers) as worker,
            cluster.supervisor(url) as supervisor,
            stage.account(url, worker=worker, supervisor=supervisor) as account,
        ):
            seconds = await measures.drained(url, count, progress=lambda _: None)
        return count / seconds, account


BAR = Bar(
    "P1",
    "drain of 100,000 waiting no-op tasks: one supervisor, one worker process",
    [raw_lifecycle, drain, peers.drain_by_peers],
    [
        AtLeast(DRAIN, PLAIN, 0.8),
        Reported(DRAIN, TUNED),
        AtLeast(DRAIN, "drain, PgQueuer", 1.5),
        Reported(DRAIN, "drain, Procrastinate"),
        Reported("drain, CPU of the worker"),
        Reported("drain, CPU of the supervisor"),
        Reported("drain, CPU of the server"),
        Reported("drain, cores in use"),
    ],
)

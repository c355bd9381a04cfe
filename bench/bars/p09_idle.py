"""P9: what an idle cluster asks of its database and its processors."""

import asyncio
from collections.abc import AsyncIterator

from bench.bar import Bar, Reported, Sample, Within
from bench.stage import Stage
from bench.statements import logged
from fcs.node.bench import cluster

SUPERVISOR, WORKER = "idle, statements of a supervisor", "idle, statements of a worker"
HEARTBEATS = "idle, heartbeats of a worker"
ROLES = ("supervisor", "worker", "server")

_SUPERVISOR_PARTS = ("supervisor", "retention")

# What a start brings along is over by then.
_SETTLED = 12


async def idle(stage: Stage) -> AsyncIterator[Sample]:
    """One supervisor and one worker with nothing to do; the log of Postgres has what they send."""
    seconds = stage.size(30, small=2)
    async with (
        stage.database() as url,
        logged(stage, url) as statements,
        cluster.workers(url, count=1, slots=8) as worker,
        cluster.supervisor(url) as supervisor,
    ):
        await asyncio.sleep(stage.size(_SETTLED, small=2))
        statements.start()
        async with stage.account(url, worker=worker, supervisor=supervisor) as account:
            await asyncio.sleep(seconds)
        count = statements.count()
    beats = count.pop("heartbeat", 0)
    of_worker = sum(sent for part, sent in count.items() if part.startswith("worker"))
    of_supervisor = sum(sent for part, sent in count.items() if part.startswith(_SUPERVISOR_PARTS))
    yield Sample(SUPERVISOR, "/s", of_supervisor / seconds)
    yield Sample(WORKER, "/s", of_worker / seconds)
    yield Sample(HEARTBEATS, "/s", beats / seconds)
    for role in ROLES:
        yield Sample(f"idle, CPU of {role}", "% of a core", account.cpu[role] / seconds * 100)


BAR = Bar(
    "P9",
    "idle cluster of a supervisor and a worker: statements a second besides heartbeats, and"
    " processor time",
    [idle],
    [
        Within(SUPERVISOR, 1),
        Within(WORKER, 1),
        Reported(HEARTBEATS),
        *(Reported(f"idle, CPU of {role}") for role in ROLES),
    ],
)

"""What each process holds and spends: `python -m bench footprint`.

A supervisor, a worker that answers HTTP as well, its child processes and the server; first with
nothing to do, then under a load of all kinds. Memory that processes share counts for none of
them: the server's shared buffers, and what children have from the process that started them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

from bench import processes, soak_load
from bench.bar import Bar, Reported, Sample
from bench.soak import APP, QUIET, using
from bench.stage import Account, Stage
from fcs.database.connect import connect
from fcs.node.bench import cluster

SLOTS = 50
ROLES = ("worker", "children", "supervisor", "server")

_MIB = 1024 * 1024


async def footprint(stage: Stage) -> AsyncIterator[Sample]:
    """Under load as the soak makes it: some 120 tasks a second, of all kinds."""
    seconds = stage.size(20, small=2)
    async with stage.database() as url:
        with using(url):
            async with (
                cluster.workers(url, count=1, slots=SLOTS, app=APP, also=QUIET) as worker,
                cluster.supervisor(url) as supervisor,
                await connect(url, part="bench") as db,
            ):
                await asyncio.sleep(stage.size(5, small=1))
                async with stage.account(url, worker=worker, supervisor=supervisor) as idle:
                    await asyncio.sleep(seconds)
                for sample in _samples("idle", _memory(stage, worker, supervisor), idle, seconds):
                    yield sample
                async with soak_load.working(db):
                    await asyncio.sleep(stage.size(5, small=1))
                    async with stage.account(url, worker=worker, supervisor=supervisor) as busy:
                        await asyncio.sleep(seconds)
                    memory = _memory(stage, worker, supervisor)
                for sample in _samples("busy", memory, busy, seconds):
                    yield sample


def _samples(
    state: str, memory: Mapping[str, float], account: Account, seconds: float
) -> list[Sample]:
    return [
        *(
            Sample(f"{state}, memory of {role}", "MiB", held / _MIB)
            for role, held in memory.items()
        ),
        *(
            Sample(f"{state}, CPU of {role}", "% of a core", spent / seconds * 100)
            for role, spent in account.cpu.items()
        ),
    ]


def _memory(stage: Stage, worker: list[int], supervisor: list[int]) -> dict[str, float]:
    assert stage.server.pid
    families = {
        "worker": worker,
        "children": processes.children(worker[0]),
        "supervisor": supervisor,
        "server": [stage.server.pid, *processes.children(stage.server.pid)],
    }
    return {role: sum(map(processes.private, pids)) for role, pids in families.items()}


BAR = Bar(
    "footprint",
    "memory that a process shares with no other, and processor time: with nothing to do, and"
    " under some 120 tasks a second of all kinds; children are the processes of isolated bodies",
    [footprint],
    [
        *(Reported(f"{state}, memory of {role}") for state in ("idle", "busy") for role in ROLES),
        *(
            Reported(f"{state}, CPU of {role}")
            for state in ("idle", "busy")
            for role in ("worker", "supervisor", "server")
        ),
    ],
)

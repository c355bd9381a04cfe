"""Everything at once for a long time: `python -m bench.soak SECONDS` prints what grew.

A cluster is given a little of everything that fcs can do, always as much a second, and old tasks
are pruned as a supervisor does it, only sooner. So nothing has a reason to grow once the load has
gone on for a while: the second quarter of the time is held against the last.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from bench import processes, soak_load
from fcs.database.connect import Connection, connect
from fcs.database.scratch import scratch_database
from fcs.embedded import Postgres
from fcs.node.bench import cluster

SAMPLES = 120

_SETTINGS = {"max_wal_size": "128MB"}
_ENVIRONMENT = {"FCS_KEEP_KEYS": "10", "FCS_LISTEN": "127.0.0.1:0"}
# Tasks fail by the thousand here, as they are meant to.
QUIET = {"FCS_LOG_LEVEL": "error"}
APP = "bench.soak_app:app"

_BOOKS = """
    select (select sum(n_dead_tup) from pg_stat_user_tables where schemaname = 'fcs')::float,
           (
               select sum(pg_total_relation_size(relid)) from pg_stat_user_tables
                where schemaname = 'fcs'
           )::float,
           (select count(*) from pg_stat_activity where datname = current_database())::float,
           (select sum(size) from pg_ls_waldir())::float,
           (select count(*) from fcs.tasks)::float,
           pg_notification_queue_usage()
"""
_BOOK_NAMES = ("dead rows", "bytes of tables", "connections", "bytes of WAL", "tasks", "notices")


class Bound(NamedTuple):
    """How much a quantity may grow: so many times, and so much more."""

    times: float
    more: float


_MIB = 1024 * 1024
_BOUNDS = {
    "memory": Bound(1.1, 8 * _MIB),
    "open files": Bound(1, 8),
    "threads": Bound(1, 8),
    "processes": Bound(1, 2),
    "dead rows": Bound(1.5, 10_000),
    "bytes of tables": Bound(1.5, 16 * _MIB),
    "connections": Bound(1, 4),
    "bytes of WAL": Bound(1, 256 * _MIB),
    "tasks": Bound(1.5, 2_000),
    "notices": Bound(1, 0.01),
}
"""By the first words of a quantity's name."""


class Growth(NamedTuple):
    """A quantity early in the soak and at its end."""

    name: str
    early: float
    late: float
    allowed: float

    @property
    def is_bounded(self) -> bool:
        return self.late <= self.allowed


def growths(samples: Sequence[Mapping[str, float]]) -> list[Growth]:
    """Each quantity: the median of the second quarter of the samples against that of the last."""
    quarter = len(samples) // 4
    found = []
    for name in samples[-1]:
        early = median(sample.get(name, 0.0) for sample in samples[quarter : 2 * quarter])
        late = median(sample.get(name, 0.0) for sample in samples[-quarter:])
        bound = next(bound for word, bound in _BOUNDS.items() if name.startswith(word))
        found.append(Growth(name, early, late, early * bound.times + bound.more))
    return found


async def soak(seconds: float) -> list[Growth]:
    """Let it work for so long; tell how everything grew."""
    with TemporaryDirectory(prefix="fcs-soak-") as folder:
        server = Postgres(Path(folder), settings=_SETTINGS)
        await asyncio.to_thread(server.start)
        try:
            async with scratch_database(server.url(), name="fcs_soak") as url:
                with using(url):
                    return growths(await _soak(server, url, seconds))
        finally:
            await asyncio.to_thread(server.stop)


async def _soak(server: Postgres, url: str, seconds: float) -> list[Mapping[str, float]]:
    samples: list[Mapping[str, float]] = []
    async with (
        cluster.workers(url, count=1, slots=50, app=APP, also=QUIET) as [worker],
        cluster.supervisor(url) as [supervisor],
        await connect(url, part="soak") as db,
        soak_load.working(db),
    ):
        assert server.pid
        watched = {"worker": worker, "supervisor": supervisor, "server": server.pid}
        began = perf_counter()
        while perf_counter() - began < seconds:
            await asyncio.sleep(seconds / SAMPLES)
            samples.append(await _sample(db, watched))
    return samples


@contextmanager
def using(url: str) -> Iterator[None]:
    """Make this process, and those that it starts, use a database in the way of the soak."""
    before = dict(os.environ)
    os.environ |= {"FCS_DATABASE": url} | _ENVIRONMENT
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


async def _sample(db: Connection, watched: Mapping[str, int]) -> Mapping[str, float]:
    [row] = await (await db.execute(_BOOKS)).fetchall()
    sample = dict(zip(_BOOK_NAMES, map(float, row), strict=True))
    for role, pid in watched.items():
        sample[f"open files of {role}"] = processes.open_files(pid)
        sample[f"threads of {role}"] = processes.threads(pid)
        family = [pid, *processes.children(pid)]
        sample[f"processes of {role}"] = len(family)
        # Connections come and go, and each has a process of the server.
        counted = [pid] if role == "server" else family
        sample[f"memory of {role}"] = sum(map(processes.private, counted))
    return sample


def page(found: list[Growth]) -> str:
    """A table for people."""
    return "\n".join(
        [
            "| What | Early | Late | Allowed | |",
            "|---|---|---|---|---|",
            *(
                f"| {it.name} | {it.early:,.6g} | {it.late:,.6g} | {it.allowed:,.6g} |"
                f" {'' if it.is_bounded else '**grows**'} |"
                for it in found
            ),
        ]
    )


if __name__ == "__main__":
    _growths = asyncio.run(soak(float(sys.argv[1])))
    print(page(_growths))
    sys.exit(any(not growth.is_bounded for growth in _growths))

"""The bare hops from create to body: three connections, three commits, two notifications.

One process inserts and notifies; a second hears it, updates and notifies; a third hears that and
updates. No fences, no accounts, no choice of a worker: the least that a push through Postgres
costs. The last one tells the first how long it took, by the machine's monotonic clock.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from statistics import quantiles

import psycopg
from psycopg import sql

WARM_UP = 20

_TABLE = """
    create schema fcs_bench
        create table hops (no bigint primary key, status smallint not null default 0, port int,
                           sent_at bigint)
"""
_CREATE = """
    with created as (
        insert into fcs_bench.hops (no, port, sent_at) values (%s, %s, %s) returning no
    )
    select pg_notify('fcs_bench_created', no::text) from created
"""
_DISPATCH = """
       update fcs_bench.hops set status = 1 where no = %s and status = 0
    returning pg_notify('fcs_bench_dispatched', no::text)
"""
_BEGIN = """
       update fcs_bench.hops set status = 2 where no = %s and status = 1
    returning port, sent_at
"""

READY = b"ready\n"


async def latency(url: str, count: int) -> tuple[float, float]:
    """Milliseconds from the insert to the end of the last update: p50 and p99."""
    loop = asyncio.get_running_loop()
    waited: list[float] = []
    with (
        psycopg.connect(url, autocommit=True) as db,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox,
    ):
        db.execute(_TABLE)
        inbox.bind(("127.0.0.1", 0))
        inbox.setblocking(False)
        port = inbox.getsockname()[1]
        async with _part("dispatch", url), _part("begin", url):
            for no in range(WARM_UP + count):
                db.execute(_CREATE, (no, port, time.monotonic_ns()), prepare=True)
                waited.append(int(await loop.sock_recv(inbox, 64)) / 1e6)
                await asyncio.sleep(0.01)
    cuts = quantiles(waited[WARM_UP:], n=100)
    return cuts[49], cuts[98]


@asynccontextmanager
async def _part(name: str, url: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.hops", name, url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = await process.stdout.readline()
        assert said == READY, f"the {name} part of the bare hops did not start"
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def dispatch(url: str) -> None:
    """Hand on whatever is heard of."""
    with psycopg.connect(url, autocommit=True) as db:
        for no in _heard(db, "fcs_bench_created"):
            db.execute(_DISPATCH, (no,), prepare=True)


def begin(url: str) -> None:
    """Begin whatever is heard of, and say so."""
    with (
        psycopg.connect(url, autocommit=True) as db,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        for no in _heard(db, "fcs_bench_dispatched"):
            row = db.execute(_BEGIN, (no,), prepare=True).fetchone()
            assert row is not None
            port, sent_at = row
            out.sendto(str(time.monotonic_ns() - sent_at).encode(), ("127.0.0.1", port))


def _heard(db: psycopg.Connection[tuple[object, ...]], channel: str) -> Iterator[int]:
    db.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    while True:
        # One at a time: nothing can be executed while the driver listens.
        for notification in list(db.notifies(stop_after=1)):
            yield int(notification.payload)


if __name__ == "__main__":
    {"dispatch": dispatch, "begin": begin}[sys.argv[1]](sys.argv[2])

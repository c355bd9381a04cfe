"""What every peer is asked for, and the one line in which it answers.

Runs inside a peer's own environment: the standard library and uvloop are all it may import.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from time import monotonic_ns, perf_counter
from typing import NoReturn

import uvloop

PRELOAD_BATCH = 1_000
TOGETHER = 32
WARM_UP = 20
PAUSE = 0.01  # between two samples of the latency, so that each finds an idle system
ANSWER_WITHIN = 10.0


class Side(ABC):
    """One peer, as its users would call it. The no-op and the answering body are its tasks."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    async def install(self) -> None:
        """Bring its schema into an empty database."""

    @abstractmethod
    async def producer(self, callers: int) -> Callable[[], Awaitable[object]]:
        """How one no-op task is created, set up for so many callers at once."""

    @abstractmethod
    async def create_many(self, count: int) -> None:
        """Create so many no-op tasks by one call."""

    @abstractmethod
    async def create_answer(self, port: int, sent_at: int) -> None:
        """Create the task that tells `port` how long after `sent_at` it began."""

    @abstractmethod
    async def drain(self) -> int:
        """Run one worker until nothing is left; how many bodies ran."""

    @abstractmethod
    async def drained(self) -> tuple[int, float]:
        """By its own records: tasks that succeeded, seconds from first start to last end."""

    @abstractmethod
    async def work(self, ready: Callable[[], None]) -> None:
        """Run one worker until the process is ended; say when it is about to listen."""


def answer(port: int, sent_at: int) -> None:
    """Tell how many nanoseconds ago, on this machine's monotonic clock, the task was created."""
    waited = monotonic_ns() - sent_at
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(str(waited).encode(), ("127.0.0.1", port))


async def drain(side: Side, tasks: int) -> dict[str, float]:
    for start in range(0, tasks, PRELOAD_BATCH):
        await side.create_many(min(PRELOAD_BATCH, tasks - start))
    ran = await side.drain()
    ended, seconds = await side.drained()
    if not ran == ended == tasks:
        fail(f"of {tasks} tasks {ran} ran and {ended} are recorded as ended")
    return {"value": tasks / seconds}


async def enqueue(side: Side, tasks: int) -> dict[str, float]:
    return await _create(side, tasks, callers=1)


async def enqueue32(side: Side, tasks: int) -> dict[str, float]:
    return await _create(side, tasks, callers=TOGETHER)


async def _create(side: Side, tasks: int, *, callers: int) -> dict[str, float]:
    create = await side.producer(callers)
    await create()
    each = tasks // callers

    async def caller() -> None:
        for _ in range(each):
            await create()

    began = perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return {"value": each * callers / (perf_counter() - began)}


async def enqueue_many(side: Side, tasks: int) -> dict[str, float]:
    await side.create_many(1)
    began = perf_counter()
    await side.create_many(tasks)
    return {"value": tasks / (perf_counter() - began)}


async def latency(side: Side, tasks: int) -> dict[str, float]:
    """From the call that creates to the body's first line, one at a time, worker elsewhere."""
    loop, waited = asyncio.get_running_loop(), list[float]()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox,
        _worker(side.url),
    ):
        inbox.bind(("127.0.0.1", 0))
        inbox.setblocking(False)
        port = inbox.getsockname()[1]
        for _ in range(WARM_UP + tasks):
            await side.create_answer(port, monotonic_ns())
            try:
                said = await asyncio.wait_for(loop.sock_recv(inbox, 64), ANSWER_WITHIN)
            except TimeoutError:
                fail(f"no body began within {ANSWER_WITHIN:g} s of its creation")
            waited.append(int(said) / 1e6)
            await asyncio.sleep(PAUSE)
    cuts = quantiles(waited[WARM_UP:], n=100)
    return {"value": cuts[49], "p99": cuts[98]}


@contextmanager
def _worker(url: str) -> Iterator[None]:
    """A worker process of the peer; the block begins once it says that it listens."""
    with subprocess.Popen(
        [sys.executable, Path(sys.argv[0]), "work", "--url", url], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                fail("the worker ended before it was ready")
            yield
        finally:
            process.kill()


MEASURES = {
    "drain": (drain, "/s"),
    "enqueue": (enqueue, "/s"),
    "enqueue32": (enqueue32, "/s"),
    "enqueue_many": (enqueue_many, "/s"),
    "latency": (latency, "ms"),
}


def fail(message: str) -> NoReturn:
    """End with what happened on standard error."""
    sys.exit(message)


def main(kind: type[Side]) -> None:
    """`bench_peer.py MEASURE --url URL --tasks N`: print one JSON line, or fail in words."""
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", choices=[*MEASURES, "work"])
    parser.add_argument("--url", required=True, help="an empty database")
    parser.add_argument("--tasks", type=int, default=1_000)
    asked = parser.parse_args()
    side = kind(asked.url)
    if asked.measure == "work":
        uvloop.run(side.work(lambda: print("ready", flush=True)))
        return
    measure, unit = MEASURES[asked.measure]

    async def run() -> dict[str, float]:
        await side.install()
        return await measure(side, asked.tasks)

    print(json.dumps({"measure": asked.measure, "unit": unit, **uvloop.run(run())}))

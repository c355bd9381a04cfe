"""Where measures are taken: a Postgres of its own, scratch databases, and the books kept of them.

Whatever a stage makes it removes, also when a measure fails or somebody presses Ctrl-C.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from bench import processes
from bench.ledger import Written, written
from fcs.database.connect import connect
from fcs.database.scratch import scratch_database
from fcs.embedded import Postgres

T = TypeVar("T")

SETTINGS = {
    "shared_buffers": "512MB",
    # A checkpoint in the middle of a round would be weather; the log of a round has room.
    "max_wal_size": "4GB",
    "max_connections": "1200",
}
"""What differs from `fcs up`. Durability (`fsync`, `synchronous_commit`) is Postgres' own."""


class Account:
    """What a block cost: seconds of processor time for each role, and what was written."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.written = Written(0, 0)


class Stage:
    """One server for a whole run. `small` asks for sizes that a test can afford."""

    def __init__(self, server: Postgres, rest: AsyncExitStack, *, small: bool) -> None:
        self.server = server
        self.small = small
        self._rest = rest
        self._kept: dict[Callable[..., Any], Any] = {}
        self._numbers = itertools.count(1)

    def size(self, full: int, *, small: int) -> int:
        """How many: as asked, or few when a test only wants to see it run."""
        return small if self.small else full

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A scratch database with the schema, removed afterwards; yields its URL."""
        name = f"fcs_bench_{os.getpid()}_{next(self._numbers)}"
        async with scratch_database(self.server.url(), name=name) as url:
            yield url

    async def keep(self, make: Callable[["Stage"], AbstractAsyncContextManager[T]]) -> T:
        """What is dear to make: made when first asked for, and kept until the stage ends."""
        if make not in self._kept:
            self._kept[make] = await self._rest.enter_async_context(make(self))
        kept: T = self._kept[make]
        return kept

    @asynccontextmanager
    async def account(self, url: str, **roles: Iterable[int]) -> AsyncIterator[Account]:
        """Keep the books of a block; `roles` name the processes that were started for it.

        Those of the server are `server`: all of them together, with the writers of the log and
        of checkpoints and with connections that ended meanwhile. They must be alive at the end.
        """
        assert self.server.pid, "the server runs as long as the stage"
        account, postmaster = Account(), self.server.pid
        async with await connect(url, part="bench") as db:
            books = await written(db)
            before = {role: sum(map(processes.cpu, pids)) for role, pids in roles.items()}
            server = processes.family_cpu(postmaster)
            yield account
            account.cpu = {
                role: sum(map(processes.cpu, pids)) - before[role] for role, pids in roles.items()
            }
            account.cpu["server"] = processes.family_cpu(postmaster) - server
            account.written = (await written(db)).since(books)


@asynccontextmanager
async def open_stage(*, small: bool = False) -> AsyncIterator[Stage]:
    """A stage on a Postgres that is made for it and goes with it."""
    with TemporaryDirectory(prefix=f"fcs-bench-{os.getpid()}-") as folder:
        server = Postgres(Path(folder), settings=SETTINGS)
        await asyncio.to_thread(server.start)
        try:
            async with AsyncExitStack() as rest:
                yield Stage(server, rest, small=small)
        finally:
            await asyncio.to_thread(server.stop)

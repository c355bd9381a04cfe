"""A server whose commits wait for a standby that is not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from psycopg import OperationalError
from tests.parts.stage import connected, count, until

from fcs.database.connect import Connection

WAITING = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"


class Future(Protocol):
    def done(self) -> bool: ...


class Lonely:
    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def without_standby(self) -> AsyncIterator[Connection]:
        """Until the block ends, commits wait; those of the connection that it gets do not."""
        async with connected(self.url) as db:
            await db.execute("set synchronous_commit = local")
            await _want_standby(db, "nobody")
            await self._until_commits_wait(db)
            try:
                yield db
            finally:
                await _want_standby(db, "")

    async def _until_commits_wait(self, db: Connection) -> None:
        """Sessions know the setting at once; it is the checkpointer who then makes commits wait."""

        async def write() -> None:
            while True:
                await probe.execute("select pg_logical_emit_message(true, 'tests', 'probe')")

        async with connected(self.url) as probe:
            pid = probe.info.backend_pid
            writing = asyncio.create_task(write())
            await until(lambda: count(db, f"{WAITING} and pid = {pid}"))
            await db.execute("select pg_terminate_backend(%s)", [pid])
            with suppress(OperationalError):
                await writing

    async def end_wait(self, db: Connection, end: str) -> None:
        """End the wait of a commit, by cancelling it or by ending its session."""
        await until(lambda: count(db, WAITING))
        await db.execute(f"select {end}(pid) from pg_stat_activity where wait_event = 'SyncRep'")

    async def until_waiting_or(self, db: Connection, future: Future) -> None:
        """Until a commit waits again, or somebody has taken the first one for done."""

        async def so() -> bool:
            return future.done() or bool(await count(db, WAITING))

        await until(so)


async def _want_standby(db: Connection, name: str) -> None:
    await db.execute(f"alter system set synchronous_standby_names = '{name}'")
    await db.execute("select pg_reload_conf()")

    async def is_wanted() -> bool:
        row = await (await db.execute("show synchronous_standby_names")).fetchone()
        return row is not None and bool(row[0] == name)

    await until(is_wanted)

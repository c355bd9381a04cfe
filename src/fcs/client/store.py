"""How an app reaches the database: one writer for creates that meet, one line for questions."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from time import monotonic, sleep
from typing import Any, TypeVar

import psycopg

from fcs.database import insights, tasks
from fcs.database.connect import connect_sync
from fcs.database.line import Line, is_passing
from fcs.database.writer import Writer
from fcs.domain.backoff import full_jitter
from fcs.domain.errors import InvalidSettings
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask, TaskView

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for which a create keeps at it while the database is away."""


class Store:
    """Connections are made when first needed, and belong to the event loop that needs them."""

    def __init__(self, database: str | None) -> None:
        self._database = database
        self._rng = Random()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: Writer | None = None
        self._reader: Line | None = None
        self._sync = _SyncLine(self.url, self._rng)

    def url(self) -> str:
        """The database: as given, or `FCS_DATABASE`, or `DATABASE_URL`."""
        url = self._database or os.environ.get("FCS_DATABASE") or os.environ.get("DATABASE_URL")
        if not url:
            raise InvalidSettings(
                "no database was named",
                hint="Set FCS_DATABASE, or say App(database='postgres://…').",
            )
        return url

    async def create(self, new: Sequence[NewTask]) -> None:
        self._adopt_loop()
        if self._writer is None:
            self._writer = Writer(self.url(), rng=self._rng, patience=PATIENCE)
        await self._writer.create(new)

    async def find(self, id: TaskId) -> TaskView | None:
        self._adopt_loop()
        if self._reader is None:
            self._reader = Line(self.url(), part="client", rng=self._rng, keys_only=False)
        give_up_at = monotonic() + PATIENCE
        return await self._reader.carry_out(
            lambda db: insights.find_task(db, id), give_up=lambda: monotonic() >= give_up_at
        )

    def create_sync(self, new: Sequence[NewTask]) -> None:
        self._sync.carry_out(lambda db: tasks.create_sync(db, new))

    def find_sync(self, id: TaskId) -> TaskView | None:
        return self._sync.carry_out(lambda db: insights.find_task_sync(db, id))

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()
        if self._reader is not None:
            await self._reader.close()
        self._writer = self._reader = None
        self._sync.close()

    def _adopt_loop(self) -> None:
        """Connections of a loop that has ended cannot be used in another: let go of them."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._writer, self._reader = loop, None, None


class _SyncLine:
    """One connection for code without an event loop; its threads take turns."""

    def __init__(self, url: Callable[[], str], rng: Random) -> None:
        self._url, self._rng = url, rng
        self._turn = threading.Lock()
        self._db: psycopg.Connection[Any] | None = None

    def carry_out(self, act: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Carry out an act that may be sent twice, for as long as patience lasts."""
        give_up_at = monotonic() + PATIENCE
        tries = 0
        with self._turn:
            while True:
                try:
                    if self._db is None or self._db.closed:
                        self._db = connect_sync(self._url(), part="client")
                    return act(self._db)
                except Exception as error:
                    self.close()
                    tries += 1
                    if not is_passing(error) or monotonic() >= give_up_at:
                        raise
                    sleep(full_jitter(tries, self._rng))

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(Exception):
                db.close()

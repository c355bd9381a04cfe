"""How an app reaches the database: one writer for creates that meet, one line for questions."""

import asyncio
import os
import threading
from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import NamedTuple

from fcs.database import insights, tasks
from fcs.database.line import Line, SyncLine
from fcs.database.writer import Writer
from fcs.domain.errors import InvalidSettings
from fcs.domain.ids import TaskId
from fcs.domain.task import NewTask, TaskView

PATIENCE = 10.0
"""Seconds for which a create keeps at it while the database is away."""


class _Lines(NamedTuple):
    """What belongs to one event loop: no other can use its connections."""

    loop: asyncio.AbstractEventLoop
    writer: Writer
    reader: Line


class Store:
    """Connections are made when first needed, and belong to the event loop that needs them."""

    def __init__(self, database: str | None) -> None:
        self._database = database
        self._rng = Random()
        # Threads may each run an event loop at the same time.
        self._here = threading.local()
        self._sync = SyncLine(part="client", rng=self._rng)

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
        await self._lines().writer.create(new)

    async def find(self, id: TaskId) -> TaskView | None:
        give_up_at = monotonic() + PATIENCE
        return await self._lines().reader.carry_out(
            lambda db: insights.find_task(db, id), give_up=lambda: monotonic() >= give_up_at
        )

    def create_sync(self, new: Sequence[NewTask]) -> None:
        self._sync.carry_out(self.url(), lambda db: tasks.create_sync(db, new), patience=PATIENCE)

    def find_sync(self, id: TaskId) -> TaskView | None:
        return self._sync.carry_out(
            self.url(), lambda db: insights.find_task_sync(db, id), patience=PATIENCE
        )

    async def close(self) -> None:
        """Close what this event loop uses, and what code without one uses."""
        lines: _Lines | None = getattr(self._here, "lines", None)
        if lines is not None:
            self._here.lines = None
            await lines.writer.close()
            await lines.reader.close()
        self._sync.close()

    def _lines(self) -> _Lines:
        """The connections of the running event loop; those of one that has ended are let go."""
        loop = asyncio.get_running_loop()
        lines: _Lines | None = getattr(self._here, "lines", None)
        if lines is not None and lines.loop is loop:
            return lines
        if lines is not None:
            lines.writer.abandon()
            lines.reader.abandon()
        url = self.url()
        self._here.lines = _Lines(
            loop,
            Writer(url, rng=self._rng, patience=PATIENCE),
            Line(url, part="client", rng=self._rng, keys_only=False),
        )
        return self._lines()

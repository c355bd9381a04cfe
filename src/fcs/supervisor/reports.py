"""Reports of many workers: read from rows while the supervisor is awake.

Each notification wakes every listener of the database. Where hundreds of workers listen, their
reports would cost the server more than the tasks do.
"""

from collections.abc import Callable, Collection

from fcs.database import reports
from fcs.database.connect import Connection
from fcs.domain.facts import WorkerReported
from fcs.domain.hints import parse_for_supervisor
from fcs.domain.ids import Incarnation
from fcs.domain.pace import pause_after
from fcs.domain.supervisor import Supervisor

MANY = 32
"""From so many workers on a look at all rows costs less than their rings."""

READ_INTERVAL = 0.01
READ_SHARE = 0.1
"""Seconds between two looks, and the share of the time that they may take."""


class Reports:
    """Tells the supervisor what the workers have written. `at` is the local clock in seconds."""

    def __init__(self, supervisor: Supervisor, *, at: Callable[[], float]) -> None:
        self._supervisor, self._at = supervisor, at
        self._asked: frozenset[Incarnation] | None = None
        self._seen: set[str] = set()
        self._next_read = at()

    @property
    def are_written(self) -> bool:
        return bool(self._asked)

    async def ask(self, db: Connection, workers: Collection[Incarnation]) -> None:
        """Have these workers write, if they are many. What a supervisor before this one asked
        for is forgotten."""
        wanted = frozenset(workers if len(workers) >= MANY else ())
        if wanted != self._asked:
            await reports.ask_for(db, wanted)
            self._asked = wanted

    async def look(self, db: Connection) -> None:
        """Read, as often as the time it takes allows."""
        if self._asked and (began := self._at()) >= self._next_read:
            await self.read(db)
            now = self._at()
            self._next_read = now + pause_after(
                now - began, interval=READ_INTERVAL, share=READ_SHARE
            )

    async def read(self, db: Connection) -> None:
        """Read now."""
        if not self._asked:
            return
        written = set(await reports.read(db))
        for text in written - self._seen:
            match parse_for_supervisor(text):
                case WorkerReported() as report:
                    self._supervisor.learn(report, at=self._at())
                case _:
                    # Written by hand: the next beat tells.
                    pass
        self._seen = written

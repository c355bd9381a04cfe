"""How many commits ring: those that carry a notification, which wake every listener there is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fcs.database.connect import Connection, connect
from fcs.database.mail import listen
from fcs.domain.hints import SUPERVISOR_CHANNEL, worker_channel
from fcs.domain.ids import Incarnation


class Bells:
    """Commits heard so far.

    Postgres delivers commit by commit, each with the sender's process. Two commits of one sender
    in a row are told apart by a channel that rings twice, as a commit names a worker once: it may
    be that some are counted as one, and one that names a worker more than once as several.
    """

    def __init__(self) -> None:
        self.commits = 0
        self.notifications = 0
        self._sender = 0
        self._rung: set[str] = set()

    def hear(self, sender: int, channel: str) -> None:
        self.notifications += 1
        if sender != self._sender or channel in self._rung:
            self.commits += 1
            self._sender = sender
            self._rung.clear()
        self._rung.add(channel)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Bells]:
    """Hear whatever rings for the supervisor, and for the workers that are registered now."""
    bells = Bells()
    async with await connect(url, part="bench bells") as db:
        found = await db.execute("select incarnation from fcs.workers")
        for [incarnation] in await found.fetchall():
            await listen(db, worker_channel(Incarnation(incarnation)))
        await listen(db, SUPERVISOR_CHANNEL)
        hearing = asyncio.create_task(_hear(db, bells))
        try:
            yield bells
        finally:
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing


async def _hear(db: Connection, bells: Bells) -> None:
    async for notification in db.notifies():
        bells.hear(notification.pid, notification.channel)

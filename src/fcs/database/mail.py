"""Mail: notifications as hints. Losing one costs time, never truth."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from psycopg import sql

from fcs.database.connect import GREET_WITHIN, Connection, answering_within

MAIL_MAX = 100_000
MAIL_LENGTH_MAX = 10_000_000
"""So many hints, and so long in all, are kept unread; for what is beyond, a scan stands in."""

UNDISTURBED = 0.003
"""Seconds of a nap in which no hint wakes."""

ASK_INTERVAL = 30.0
"""So often a listener sees whether its line still leads anywhere: nobody else would tell."""

_ASK: Final = "select 'anybody there?'"


async def listen(db: Connection, channel: str) -> None:
    """Subscribe. Committed when this returns: whoever scans next misses nothing."""
    await db.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))


async def unlisten(db: Connection, channel: str) -> None:
    """Subscribe no more: what nobody reads would be kept in memory, however much it is."""
    await db.execute(sql.SQL("unlisten {}").format(sql.Identifier(channel)))


async def hints(db: Connection) -> AsyncIterator[str]:
    """What is heard, for ever. Raises what psycopg raises when the line is gone, or leads nowhere:
    what hangs on the way acknowledges for ever, and a listener sends nothing."""
    while True:
        async for notification in db.notifies(timeout=ASK_INTERVAL):
            yield notification.payload
        with answering_within(GREET_WITHIN, db):
            await db.execute(_ASK)


class Inbox:
    """Hints that came in, kept until somebody looks."""

    def __init__(self) -> None:
        self._hints: deque[str] = deque()
        self._length = 0
        self._arrived = asyncio.Event()
        self.overflowed = False

    async def receive(self, db: Connection) -> None:
        """Collect hints until cancelled or cut off."""
        async for hint in hints(db):
            self.put(hint)

    def put(self, hint: str) -> None:
        if len(self._hints) < MAIL_MAX and self._length + len(hint) <= MAIL_LENGTH_MAX:
            self._hints.append(hint)
            self._length += len(hint)
        else:
            self.overflowed = True
        self._arrived.set()

    def wake(self) -> None:
        """End the present wait, although there is no hint."""
        self._arrived.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a hint, or for so long."""
        if seconds <= 0:
            # Let the receiver run: who never waits must hear all the same.
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            pass

    async def nap(self, seconds: float) -> None:
        """Wait for so long, though hints come: they are dealt with together. Only the
        first milliseconds of a longer nap are not to be disturbed."""
        undisturbed = min(seconds, UNDISTURBED)
        await asyncio.sleep(max(0.0, undisturbed))
        if seconds > undisturbed:
            await self.wait(seconds - undisturbed)

    def take(self) -> list[str]:
        """All hints that came in since the last look."""
        self._arrived.clear()
        hints = list(self._hints)
        self._hints.clear()
        self._length = 0
        return hints

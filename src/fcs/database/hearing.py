"""Whether a connection hears notifications: behind a pooler of transactions none does."""

import asyncio
from typing import Final

from psycopg import sql

from fcs.database import insights
from fcs.database.connect import Connection, connect
from fcs.database.mail import listen
from fcs.database.session import is_shared

PATIENCE: Final = 1.0
"""Seconds for which a notification is waited for that comes at once if it comes at all."""

NO_HINTS: Final = (
    "no hints arrive, as behind a pooler of transactions, so the rows are polled;"
    " --database-direct (FCS_DATABASE_DIRECT) names a way around it"
)

_TRIES: Final = 20
_ROUNDS: Final = 5


async def hears(db: Connection, url: str, *, direct: str | None) -> bool:
    """Whether what is sent by way of `url` reaches this connection while it waits.

    A session of one's own at that very place hears. Any other is tried: it may be shared, and
    `direct` may lead to another database.
    """
    if direct is None and not is_shared(db):
        return True
    if is_shared(db) and await _moves(db, direct or url):
        return False
    row = await (await db.execute("select 'fcs_probe_' || gen_random_uuid()")).fetchone()
    assert row is not None
    channel = str(row[0])
    await listen(db, channel)
    async with await connect(url, part="probe") as other:
        await insights.ring(other, channel, "ring")
    async for _ in db.notifies(timeout=PATIENCE, stop_after=1):
        return True
    await forget(db, channel)
    return False


async def _moves(db: Connection, url: str) -> bool:
    """Whether a connection meets another session while somebody holds the one that it had.

    If not, that proves nothing, for others come in between; but it is unlikely by now, and
    listening leaves no trace where a session is kept.
    """
    async with await connect(url, part="probe") as other:
        try:
            async with asyncio.timeout(PATIENCE):
                return any([await _is_moved(db, other) for _ in range(_ROUNDS)])
        except TimeoutError:
            # There is but one session for all.
            return True


async def _is_moved(db: Connection, other: Connection) -> bool:
    before = await insights.backend_pid(db)
    async with other.transaction():
        await insights.backend_pid(other)
        return await insights.backend_pid(db) != before


async def forget(db: Connection, channel: str) -> None:
    """Let nobody's session go on listening: meet it once more, which is soon."""
    query = "select %s = any (select pg_listening_channels())"
    for _ in range(_TRIES):
        async with db.transaction():
            row = await (await db.execute(query, [channel])).fetchone()
            if row == (True,):
                await db.execute(sql.SQL("unlisten {}").format(sql.Identifier(channel)))
                return

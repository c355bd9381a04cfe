"""What a server has written so far, for all of its databases."""

from typing import NamedTuple

from fcs.database.connect import Connection

_WRITTEN = """
    select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


class Written(NamedTuple):
    """Bytes of write-ahead log, and transactions that wrote something.

    The server counts commits as well, but hears of a session's own only now and then.
    """

    wal_bytes: int
    transactions: int

    def since(self, before: "Written") -> "Written":
        return Written(self.wal_bytes - before.wal_bytes, self.transactions - before.transactions)


async def written(db: Connection) -> Written:
    """The books as they stand now."""
    row = await (await db.execute(_WRITTEN)).fetchone()
    assert row is not None
    return Written(*row)

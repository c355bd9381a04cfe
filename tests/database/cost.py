"""What a block costs the database: how many pages it looks at, and whether it scans the tasks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fcs.database.connect import Connection

# Of this transaction alone, by this session's own account: exact, whatever else goes on.
FETCHED = """
    select sum(pg_stat_get_xact_blocks_fetched(oid))::int,
           pg_stat_get_xact_numscans('fcs.tasks'::regclass)::int
      from pg_class
     where relnamespace = 'fcs'::regnamespace
       and relkind in ('r', 'i')
"""


@dataclass
class Cost:
    pages: int = 0
    """Pages of tables and indexes looked at, each as often as it was."""

    scans: int = 0
    """How often the tasks were read from one end to the other."""


@asynccontextmanager
async def measured(db: Connection) -> AsyncIterator[Cost]:
    """The cost of a block that runs within a transaction."""
    cost = Cost()
    before = await _fetched(db)
    yield cost
    after = await _fetched(db)
    cost.pages, cost.scans = after[0] - before[0], after[1] - before[1]


async def _fetched(db: Connection) -> tuple[int, int]:
    row = await (await db.execute(FETCHED)).fetchone()
    assert row is not None
    return row[0], row[1]

"""How the cluster is led: one function for each statement of `queries/cluster.sql`."""

from typing import NamedTuple

from fcs.database.connect import Connection
from fcs.database.leadership import SESSIONS
from fcs.database.sql import load
from fcs.domain.cluster import Candidates, ClusterView, Leader
from fcs.domain.errors import FcsError
from fcs.domain.ids import NodeId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part

_SQL = load("cluster")


class Led(NamedTuple):
    """How the cluster is led."""

    mode: Mode
    strategy: Strategy


async def show(db: Connection) -> ClusterView:
    """Look at the cluster as a whole. Raises `FcsError` where a row is missing."""
    params = {
        "supervisor": f"fcs {SESSIONS[Part.SUPERVISOR]}",
        "electable_worker": f"fcs {SESSIONS[Part.ELECTABLE_WORKER]}",
    }
    row = await (await db.execute(_SQL["show"], params)).fetchone()
    if row is None:
        raise FcsError(
            "fcs.cluster or fcs.leadership has lost its row, so nobody knows how to lead",
            hint="insert into fcs.cluster default values on conflict do nothing; and the same for"
            " fcs.leadership.",
        )
    now, mode, strategy, changed_at, term, expires_in, *counts, node, part, host, pid, since = row
    return ClusterView(
        now,
        Mode(mode),
        Strategy(strategy),
        changed_at,
        term,
        None if node is None else Leader(NodeId(node), Part(part), host, pid, since),
        expires_in,
        Candidates(*counts),
    )


async def hold(db: Connection) -> Led:
    """Lock how the cluster is led for the rest of the caller's transaction."""
    row = await (await db.execute(_SQL["hold"])).fetchone()
    assert row is not None
    return Led(Mode(row[0]), Strategy(row[1]))


async def change(db: Connection, *, mode: Mode | None, strategy: Strategy | None) -> Led | None:
    """Change what is given, and leave the rest.

    `None` where queues have limits that nobody would keep. The caller holds the row.
    """
    params = {"mode": mode, "strategy": strategy}
    row = await (await db.execute(_SQL["change"], params)).fetchone()
    return Led(Mode(row[0]), Strategy(row[1])) if row else None

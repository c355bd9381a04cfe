"""Who leads: as `fcs.database.leadership` and `queries/leadership.sql`."""

from datetime import timedelta

from msgspec.structs import replace

from fcs.database.leadership import CANDIDATES_CHANNEL, Candidate, Look
from fcs.domain.ids import NodeId
from fcs.domain.leadership import LeaseSeen
from fcs.domain.topology import Part
from proof.sim.database.tables import Transaction


def look(db: Transaction) -> Look:
    """Look who leads."""
    row = db.tables.leadership
    is_gone = (
        row.node is not None and row.backend is not None and row.backend not in db.world.backends
    )
    expires_in = (row.expires_at - db.now).total_seconds()
    holder = None if row.node is None else Candidate(row.node, Part(row.part), "", 0)
    return Look(LeaseSeen(row.term, row.node, expires_in, is_gone), holder, db.tables.mode)


def bid(db: Transaction, me: Candidate, *, term: int, lease: float) -> bool:
    """Take the next term, if this one is vacant, or was this node's own."""
    db.lazily()
    row = db.tables.leadership
    is_vacant = (
        row.node in (None, me.node)
        or row.expires_at <= db.now
        or (row.backend is not None and row.backend not in db.world.backends)
    )
    if row.term != term - 1 or not is_vacant:
        return False
    db.write().leadership = replace(
        row,
        term=term,
        node=me.node,
        part=me.part,
        expires_at=db.now + timedelta(seconds=lease),
        backend=db.backend,
    )
    return True


def resign(db: Transaction, node: NodeId, *, term: int) -> None:
    """Give a term up, and tell those who stand by."""
    row = db.tables.leadership
    if (row.term, row.node) == (term, node):
        db.write().leadership = replace(row, node=None, expires_at=db.now)
        db.notify(CANDIDATES_CHANNEL, "vacant")

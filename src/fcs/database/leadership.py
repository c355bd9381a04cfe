"""Who leads: one function for each statement of `queries/leadership.sql`."""

from typing import Final, NamedTuple

from fcs.database.connect import Connection
from fcs.database.session import own_backend
from fcs.database.sql import load
from fcs.domain.ids import NodeId
from fcs.domain.leadership import LeaseSeen
from fcs.domain.topology import Mode, Part

_SQL = load("leadership")

CANDIDATES_CHANNEL: Final = "fcs_candidates"

SESSIONS: Final = {
    Part.SUPERVISOR: "candidate",
    Part.ELECTABLE_WORKER: "candidate worker",
    Part.WORKER: "seat",
}
"""What the session is called by which a process looks who leads; candidates are counted by it."""


class Candidate(NamedTuple):
    """A process that may lead: what others see of it while it does."""

    node: NodeId
    part: Part
    host: str
    pid: int

    def __str__(self) -> str:
        return f"node={self.node} part={self.part} host={self.host} pid={self.pid}"


class Look(NamedTuple):
    """The lease, who holds it if anybody does, and the mode of the cluster."""

    lease: LeaseSeen
    holder: Candidate | None
    mode: Mode


async def look(db: Connection) -> Look:
    """Look who leads."""
    row = await (await db.execute(_SQL["look"])).fetchone()
    assert row is not None
    term, node, expires_in, is_gone, mode, part, host, pid = row
    holder = None if node is None else Candidate(NodeId(node), Part(part), host, pid)
    return Look(LeaseSeen(term, node, expires_in, is_gone), holder, Mode(mode))


async def bid(db: Connection, me: Candidate, *, term: int, lease: float) -> bool:
    """Take a term for `lease` seconds; `False` if the one before it is not vacant (any more)."""
    params = me._asdict() | {"term": term, "lease": lease, "backend": own_backend(db)}
    return (await db.execute(_SQL["bid"], params)).rowcount == 1


async def resign(db: Connection, node: NodeId, *, term: int) -> None:
    """Give up a term, if it is still this node's."""
    await db.execute(_SQL["resign"], {"node": node, "term": term})

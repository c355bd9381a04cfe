"""Which database this is: one function for each statement of `queries/identity.sql`."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from fcs.database.connect import Connection
from fcs.database.sql import load
from fcs.domain.identity import BINDS_FOR, Claim, Origin, Place
from fcs.domain.ids import TaskId, WorkerId
from fcs.domain.task import Status

_SQL = load("identity")

UNKNOWN: Final = (
    "it was handed to a worker before the database was copied or promoted, and that worker has not"
    " told whether it began"
)

_UNNAMED = "walreceiver"
"""By that name a standby is known that has none."""


class Witness(NamedTuple):
    """A worker that was there; `silent` is in seconds. One is awaited that will tell, or might."""

    id: WorkerId
    host: str
    silent: float
    has_testified: bool
    is_awaited: bool


class InHand(NamedTuple):
    """A task that a worker had in hand, and whether that worker has told what it had begun."""

    id: TaskId
    ty: str
    status: Status
    worker_id: WorkerId
    has_testified: bool
    may_retry: bool


class Looked(NamedTuple):
    """What is known of a database, and what a look at it found.

    `name` is that of the server as a standby; `None` where it cannot be read. On a standby there is
    no place to be found. `server_started_at` is `None` until somebody has begun something.
    """

    id: UUID
    known: Place | None
    claim: Claim
    on_hold_since: datetime | None
    on_hold_why: str
    server_started_at: datetime | None
    is_open: bool
    found: Place | None
    found_server_started_at: datetime
    standbys_in_force: str
    standbys_there: list[str]
    name: str | None
    origin: Origin | None = None

    @property
    def is_same_server(self) -> bool:
        """Whether the server has not been started anew since somebody looked."""
        return self.server_started_at == self.found_server_started_at

    @property
    def binds_for(self) -> float:
        """Seconds for which a claim keeps anything from being begun; none or less: it does not."""
        if self.claim.standbys in ("", self.standbys_in_force):
            return 0.0
        return BINDS_FOR - self.claim.age


async def look(db: Connection) -> Looked:
    """Look at what is known, and at what Postgres says of itself."""
    row = await (await db.execute(_SQL["look"])).fetchone()
    assert row is not None
    id, system, database, timeline, made_system, made_timeline, standbys, age, *rest = row
    since, why, started_at, is_open, *rest = rest
    is_standby, found_system, found_database, found_timeline, found_started_at, *names = rest
    in_force, there, primary_conninfo, cluster_name = names
    return Looked(
        id,
        None if system is None else Place(system, database, timeline),
        Claim(standbys, age),
        since,
        why,
        started_at,
        is_open,
        None if is_standby else Place(found_system, found_database, found_timeline),
        found_started_at,
        in_force,
        there,
        _name(primary_conninfo, cluster_name),
        None if made_system is None else Origin(made_system, made_timeline),
    )


async def record(db: Connection, seen: Looked) -> bool:
    """Take what was found for the database that fcs knows, unless that has changed meanwhile."""
    assert seen.found is not None
    return (await db.execute(_SQL["record"], _as_seen(seen) | seen.found._asdict())).rowcount == 1


async def hold(db: Connection, seen: Looked, *, why: str) -> bool:
    """Let nothing be handed out or begun until somebody adopts what was found."""
    return (await db.execute(_SQL["hold"], _as_seen(seen) | {"why": why})).rowcount == 1


async def claim(db: Connection, standbys: str, *, in_force: str) -> bool:
    """Write down whom commits wait for, empty for nobody, while this setting is in force."""
    params = {"standbys": standbys, "in_force": in_force}
    return (await db.execute(_SQL["claim"], params)).rowcount == 1


async def witnesses(db: Connection, *, patience: float) -> list[Witness]:
    """The workers that were there when the cluster was put on hold. They may still come for
    `patience` seconds since."""
    cursor = await db.execute(_SQL["witnesses"], {"patience": patience})
    return [Witness(*row) for row in await cursor.fetchall()]


async def in_hand(db: Connection, *, limit: int) -> list[InHand]:
    """What workers had in hand."""
    cursor = await db.execute(_SQL["in_hand"], {"limit": limit})
    return [
        InHand(id, ty, Status(status), *rest) for id, ty, status, *rest in await cursor.fetchall()
    ]


async def adopt(db: Connection, seen: Looked) -> list[TaskId] | None:
    """Take what was found for the database that fcs knows, whatever it has forgotten; return the
    tasks of which nobody knows whether they had begun, `None` if there was nothing to adopt any
    more."""
    assert seen.found is not None
    params = _as_seen(seen) | seen.found._asdict()
    params |= {"on_hold_since": seen.on_hold_since, "reason": UNKNOWN}
    row = await (await db.execute(_SQL["adopt"], params)).fetchone()
    return None if row is None else list(row[0])


def _as_seen(seen: Looked) -> dict[str, object]:
    return {
        "id": seen.id,
        "server_started_at": seen.server_started_at,
        "found_server_started_at": seen.found_server_started_at,
    }


def _name(primary_conninfo: str | None, cluster_name: str) -> str | None:
    """As Postgres finds the name by which a standby goes."""
    if primary_conninfo is None:
        return cluster_name or None
    given = conninfo_to_dict(primary_conninfo).get("application_name")
    return str(given or cluster_name or _UNNAMED)

"""What `fcs doctor` looks at: a few questions over two connections."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic

from fcs.cli.findings import Facts
from fcs.database import backlog, cluster, insights, retention
from fcs.database.connect import Connection, connect
from fcs.database.hearing import forget
from fcs.database.home import hold_on
from fcs.database.mail import listen
from fcs.database.migrate import check_schema
from fcs.domain.cluster import ClusterView
from fcs.domain.errors import FcsError
from fcs.domain.retention import cutoffs
from fcs.domain.settings import Settings
from fcs.domain.task import Status

RING_PATIENCE = 5.0
OLDEST = 1_000


async def examine(url: str, settings: Settings) -> Facts:
    """Look at everything once. Raises `DatabaseUnavailable` when there is nothing to look at."""
    async with await connect(url, part="doctor") as db, await connect(url, part="doctor") as other:
        health = await insights.health(db)
        local_now = datetime.now(UTC)
        schema_error = await _schema_error(db)
        return Facts(
            settings=await insights.settings(db),
            health=health,
            local_now=local_now,
            pin=await insights.pin(db),
            schema_error=schema_error,
            hold=None if schema_error else await hold_on(db),
            unlogged=[] if schema_error else await insights.unlogged(db),
            is_direct=await _is_direct(db, other),
            ring_seconds=None if health.in_recovery else await _ring(db, other),
            overripe=None if schema_error else await _overripe(db, settings.keep),
            cluster=None if schema_error else await _cluster(db),
            leader_lease=settings.leader_lease,
        )


async def _cluster(db: Connection) -> ClusterView | FcsError:
    try:
        return await cluster.show(db)
    except FcsError as error:
        return error


async def _overripe(db: Connection, keep: Mapping[Status, float]) -> float | None:
    ripe = cutoffs(keep, await backlog.now(db))
    return await retention.overripe(db, ripe, rows=OLDEST)


async def _schema_error(db: Connection) -> FcsError | None:
    try:
        await check_schema(db)
    except FcsError as error:
        return error
    return None


async def _is_direct(db: Connection, other: Connection) -> bool:
    """Whether one server process answers throughout, and is the one that greeted the driver."""
    async with other.transaction():
        # Whoever pools transactions gives this one the process that was just free.
        await insights.backend_pid(other)
        during = await insights.backend_pid(db)
    return {during, await insights.backend_pid(db)} == {db.info.backend_pid}


async def _ring(db: Connection, other: Connection) -> float | None:
    """Send a notification from one connection to the other; how long did it take?"""
    channel, word = f"fcs_doctor_{uuid.uuid4().hex}", "ring"
    await listen(db, channel)
    began = monotonic()
    await insights.ring(other, channel, word)
    async for _ in db.notifies(timeout=RING_PATIENCE, stop_after=1):
        return monotonic() - began
    await forget(db, channel)
    return None

"""The acts about what there is one of: the lease of who leads, the mode, limits, a schedule."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from tests.database.scene import NOON, new, task_id, to

from fcs.database import cluster, leadership, queues, schedules, tasks, workers
from fcs.database.connect import Connection
from fcs.database.leadership import Candidate
from fcs.database.schedules import Fire, Firing
from fcs.database.workers import Tenure
from fcs.domain.ids import NodeId
from fcs.domain.strategy import Strategy
from fcs.domain.topology import Mode, Part
from proof.interleavings.acts import act

LEASE = 5.0
HOUR = timedelta(hours=1)


def candidate(n: int) -> Candidate:
    return Candidate(NodeId(UUID(int=n)), Part.SUPERVISOR, "here", n)


LEADER, SUCCESSOR, OTHER = candidate(1), candidate(2), candidate(3)


@act
async def bid(db: Connection) -> Any:
    return await leadership.bid(db, SUCCESSOR, term=2, lease=LEASE)


@act
async def bid_as_rival(db: Connection) -> Any:
    return await leadership.bid(db, OTHER, term=2, lease=LEASE)


@act
async def bid_again(db: Connection) -> Any:
    return await leadership.bid(db, LEADER, term=2, lease=LEASE)


@act
async def renew(db: Connection) -> Any:
    return (await workers.survey(db, Tenure(LEADER.node, 1, LEASE))).is_renewed


@act
async def renew_as_successor(db: Connection) -> Any:
    return (await workers.survey(db, Tenure(SUCCESSOR.node, 2, LEASE))).is_renewed


@act
async def resign(db: Connection) -> Any:
    await leadership.resign(db, LEADER.node, term=1)


@act
async def dispatch_as_leader(db: Connection) -> Any:
    return await tasks.dispatch(db, to(7, 1), term=1)


@act
async def dispatch_as_successor(db: Connection) -> Any:
    return await tasks.dispatch(db, to(8, 1), term=2)


async def switch_to_hash(db: Connection) -> AsyncIterator[Any]:
    await cluster.hold(db)
    yield None
    yield await cluster.change(db, mode=Mode.HASH, strategy=None)


async def switch_to_elected(db: Connection) -> AsyncIterator[Any]:
    await cluster.hold(db)
    yield None
    yield await cluster.change(db, mode=Mode.ELECTED, strategy=None)


async def switch_strategy(db: Connection) -> AsyncIterator[Any]:
    before = await cluster.hold(db)
    yield None
    yield before, await cluster.change(db, mode=None, strategy=Strategy.STICKY)


@act
async def limit(db: Connection) -> Any:
    return await queues.set_limits(db, "default", {"running_max": 3})


@act
async def limit_rate(db: Connection) -> Any:
    return await queues.set_limits(db, "default", {"rate": 1.0, "burst": 2})


@act
async def lift_limits(db: Connection) -> Any:
    nothing: dict[str, float | None] = {"running_max": None, "rate": None}
    return await queues.set_limits(db, "default", nothing)


@act
async def pause_queue(db: Connection) -> Any:
    await queues.pause(db, "default", by="me", why="tired")


async def fire(db: Connection) -> AsyncIterator[Any]:
    async for answer in _fire(db, 11):
        yield answer


async def fire_as_rival(db: Connection) -> AsyncIterator[Any]:
    async for answer in _fire(db, 12):
        yield answer


async def _fire(db: Connection, n: int) -> AsyncIterator[Any]:
    """As who has found the schedule due does: its moment, and the task, in one transaction."""
    firing = Firing("hourly", NOON, NOON + HOUR, [Fire(NOON, task_id(n))])
    wanted = await schedules.fire(db, [firing])
    yield None
    if wanted:
        await tasks.create(db, [replace(new(n), scheduled_at=NOON)])
    yield sorted(wanted)


@act
async def pause_schedule(db: Connection) -> Any:
    return await schedules.pause(db, "hourly", by="me", why="tired")


@act
async def resume_schedule(db: Connection) -> Any:
    return await schedules.resume(db, "hourly", next_fire_at=NOON + HOUR, as_of=NOON)


@act
async def delete_schedule(db: Connection) -> Any:
    return await schedules.delete_schedule(db, "hourly")

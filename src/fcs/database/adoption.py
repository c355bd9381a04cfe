"""Adopting a database that may have forgotten something: who knows what, and what becomes of it.

Workers that are there tell what they had begun. They are waited for a little, because what they
do not tell in time nobody knows.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

import msgspec

from fcs.database import identity
from fcs.database.connect import Connection
from fcs.database.home import verdict_on
from fcs.database.identity import InHand, Looked, Witness
from fcs.domain.errors import DatabaseUnavailable
from fcs.domain.identity import Fate, fate_of

LOOK_AGAIN: Final = 0.2
SHOWN_MAX: Final = 1_000


class Found(msgspec.Struct, frozen=True):
    """A task that a worker had in hand, and what becomes of it."""

    id: UUID
    type: str
    status: str
    worker_id: UUID
    fate: Fate


class Adoption(msgspec.Struct, frozen=True):
    """Why nothing begins, since when, who has told what it had begun, and what is in hand, up to
    `SHOWN_MAX` of it. `adopted`: it goes on now."""

    why: str
    since: datetime | None
    workers: Sequence[Witness]
    tasks: Sequence[Found]
    adopted: bool


async def examine(db: Connection) -> Adoption | None:
    """What an adoption would find; `None` when there is nothing to adopt."""
    seen = await _look(db)
    verdict = verdict_on(seen)
    return None if verdict.is_home else await _adoption(db, seen, verdict.why)


async def adopt(
    db: Connection, *, patience: float, wait: Callable[[Sequence[Witness]], None]
) -> Adoption | None:
    """Let everything go on, `None` when there is nothing to adopt.

    Workers are waited for at most `patience` seconds; `wait` is told of whom.
    """
    while True:
        seen = await _look(db)
        if (verdict := verdict_on(seen)).is_home:
            return None
        if seen.on_hold_since is None:
            await identity.hold(db, seen, why=verdict.why)
            continue
        await _hear_witnesses(db, patience, wait)
        found = await _adoption(db, seen, verdict.why)
        if await identity.adopt(db, seen) is not None:
            return msgspec.structs.replace(found, adopted=True)


async def _look(db: Connection) -> Looked:
    seen = await identity.look(db)
    if seen.found is None:
        raise DatabaseUnavailable(
            "this server is a standby, which takes no writes", hint="Promote it first."
        )
    return seen


async def _hear_witnesses(
    db: Connection, patience: float, wait: Callable[[Sequence[Witness]], None]
) -> None:
    """Until those have spoken who beat here, or may still come."""
    give_up_at = monotonic() + patience
    named = False
    while monotonic() < give_up_at:
        every = await identity.witnesses(db, patience=patience)
        if not (awaited := [one for one in every if one.is_awaited]):
            return
        if not named:
            wait(awaited)
            named = True
        await asyncio.sleep(LOOK_AGAIN)


async def _adoption(db: Connection, seen: Looked, why: str) -> Adoption:
    tasks = [_found(one) for one in await identity.in_hand(db, limit=SHOWN_MAX)]
    witnesses = await identity.witnesses(db, patience=0.0)
    return Adoption(why, seen.on_hold_since, witnesses, tasks, adopted=False)


def _found(task: InHand) -> Found:
    fate = fate_of(task.status, has_testified=task.has_testified, may_retry=task.may_retry)
    return Found(task.id, task.ty, task.status, task.worker_id, fate)

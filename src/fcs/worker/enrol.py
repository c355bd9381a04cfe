"""Taking up a worker id: one live process at a time, and the dead one's tasks moved first."""

import asyncio
import logging
from math import ceil
from random import Random

from fcs.database import tasks, workers
from fcs.database.connect import Connection
from fcs.database.home import Home
from fcs.database.line import Line
from fcs.database.workers import Registered, Registration
from fcs.domain.errors import WorkerIdTaken
from fcs.domain.ids import Incarnation

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.25


async def enrol(
    url: str, registration: Registration, *, lease: float, rng: Random, patience: float
) -> None:
    """Register a process under its worker id.

    An id whose process is silent is waited for until its lease is over; then its tasks are
    moved, as a reaper would, and the id is taken over. While the cluster is on hold it waits.

    Raises `WorkerIdTaken` as soon as the other process is seen to beat, and
    `DatabaseUnavailable` after `patience` seconds without an answer.
    """
    enter = Home(part="worker").enter
    line = Line(url, part="worker", rng=rng, answer_within=lease, on_dialled=enter)
    clock = asyncio.get_running_loop().time
    answered_at = clock()

    async def attempt(db: Connection) -> Registered | None:
        return await _attempt(db, registration, lease)

    def give_up() -> bool:
        return clock() >= answered_at + patience

    seen: set[tuple[Incarnation, int]] = set()
    try:
        # Counted in looks: while Postgres is away nobody can beat, and that proves nothing.
        for _ in range(1 + ceil(patience / LOOK_AGAIN)):
            held = await line.carry_out(attempt, give_up=give_up)
            if held is None:
                return
            answered_at = clock()
            seen.add((held.incarnation, held.beat_no))
            if len(seen) > 1:
                break
            await asyncio.sleep(LOOK_AGAIN)
        raise _taken(registration)
    finally:
        await line.close()


async def _attempt(db: Connection, registration: Registration, lease: float) -> Registered | None:
    """Try once; return whoever holds the id, `None` when it is ours."""
    async with db.transaction():
        held = await workers.lock_registration(db, registration.id)
        if held is not None and held.incarnation == registration.incarnation:
            return None
        if held is not None and held.state in ("live", "draining"):
            if held.silent < lease:
                return held
            await _move_tasks(db, held)
        replaces = held.incarnation if held is not None else None
        if await workers.register(db, registration, replaces=replaces):
            return None
    # Somebody registered the same new id at the same moment: look at the row again.
    return await _attempt(db, registration, lease)


async def _move_tasks(db: Connection, held: Registered) -> None:
    moved = await tasks.reap(
        db, held.incarnation, reason="its worker fell silent and was started anew"
    )
    log.warning(
        "worker id taken over: silent_seconds=%.1f interrupted=%d returned=%d",
        held.silent,
        len(moved.interrupted),
        len(moved.returned),
    )


def _taken(registration: Registration) -> WorkerIdTaken:
    return WorkerIdTaken(
        f"worker id {registration.id} is in use: another process beats under it",
        hint="Give each worker an --id of its own (uuidgen makes one), or leave --id out.",
    )

"""Pruning from the command line: the steps that a supervisor takes, everywhere at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from fcs.cli.common import Common
from fcs.cli.output import say
from fcs.database import backlog, retention
from fcs.database.connect import Connection
from fcs.database.session import is_shared
from fcs.domain.errors import InvalidSettings
from fcs.domain.retention import KEEP_MIN, cutoffs, everywhere
from fcs.domain.task import Status
from fcs.supervisor.pruning import count, prune, reclaim

TURN_INTERVAL = 0.2
SAY_EVERY = 1_000_000


class Order(NamedTuple):
    """For how many seconds which tasks are kept."""

    keep: Mapping[Status, float]
    dry_run: bool

    @classmethod
    def of(
        cls,
        keep: Mapping[Status, float],
        wanted: Sequence[Status],
        *,
        older_than: float | None,
        dry_run: bool,
    ) -> "Order":
        """Raises `InvalidSettings` when tasks would go that a client may still ask about."""
        if older_than is not None and older_than < KEEP_MIN:
            raise InvalidSettings(
                f"--older-than is {older_than:g} s, and less than an hour",
                hint="A create that is sent again must find its task: say 1h or more.",
            )
        return cls(
            {status: keep[status] if older_than is None else older_than for status in wanted},
            dry_run,
        )


class Result(NamedTuple):
    """How many tasks went, and the bytes on disk of those and all others, before and after."""

    tasks: Mapping[Status, int]
    bytes_before: int
    bytes_after: int


async def carry_out(common: Common, db: Connection, order: Order) -> Result:
    """Prune, or only count, everywhere at once; then give the space back."""
    now = await backlog.now(db)
    stretches, ripe = everywhere(order.keep, now), cutoffs(order.keep, now)
    before = await retention.space(db)
    if order.dry_run:
        tasks = await _add_up(common, order, count(db, stretches, ripe), "counted")
        return Result(tasks, before.bytes, before.bytes)
    await _wait_for_turn(common, db)
    tasks = await _add_up(common, order, prune(db, stretches, ripe, at=monotonic), "pruned")
    # Whatever the statistics say: they may not know yet of what somebody else has pruned.
    if not is_shared(db) and await retention.owns_tasks(db):
        await reclaim(db, at=monotonic)
    else:
        say(
            common,
            "note: only the owner of fcs.tasks can give the space back to the system, and only"
            " around a pooler of transactions",
        )
    return Result(tasks, before.bytes, (await retention.space(db)).bytes)


async def _wait_for_turn(common: Common, db: Connection) -> None:
    said = False
    while not await retention.try_turn(db):
        if not said:
            say(common, "a supervisor is pruning; waiting until it is done")
            said = True
        await asyncio.sleep(TURN_INTERVAL)


async def _add_up(
    common: Common, order: Order, steps: AsyncIterator[Mapping[Status, int]], done: str
) -> dict[Status, int]:
    total: Counter[Status] = Counter()
    said = 0
    async for step in steps:
        total.update(step)
        if total.total() - said >= SAY_EVERY:
            said = total.total()
            say(common, f"{done} {said:,}")
    return {status: total[status] for status in order.keep}

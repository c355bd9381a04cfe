"""Pruning, step by step: delete what is ripe, then give the space back.

Each step is one short transaction, and takes a rest as long as it took: whoever creates,
dispatches and finishes tasks meanwhile hardly notices.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime

from fcs.database import retention
from fcs.database.connect import Connection
from fcs.database.retention import place
from fcs.domain.retention import Space, Stretch
from fcs.domain.task import Status

log = logging.getLogger(__name__)

STEP_ROWS = 5_000
COUNT_ROWS = 50_000

MOVED_ROWS = 25
"""Rows moved in one step; whoever wants one of them waits that long."""

TAIL_PAGES = 500
PASSES_MAX = 3
PASS_PAUSE = 6.0

STEP_LOCK = 0.1
"""Seconds that a step waits for a lock before it leaves the rows to the next round."""

RECLAIM_LOCK = 10.0
"""Seconds that giving space back waits for other people's transactions, and holds nothing."""


async def prune(
    db: Connection,
    stretches: Sequence[Stretch],
    ripe: Mapping[Status, datetime],
    *,
    at: Callable[[], float],
) -> AsyncIterator[dict[Status, int]]:
    """Delete ripe tasks; yields after each step how many of each status it deleted."""
    await retention.set_up(db, lock=STEP_LOCK)
    for stretch in stretches:
        while stretch.after < stretch.upto:
            began = at()
            end = await retention.step_end(db, stretch, rows=STEP_ROWS)
            yield await retention.prune(db, Stretch(stretch.after, end), ripe)
            stretch = Stretch(end, stretch.upto)  # noqa: PLW2901 - what is left of it
            await asyncio.sleep(at() - began)


async def count(
    db: Connection, stretches: Sequence[Stretch], ripe: Mapping[Status, datetime]
) -> AsyncIterator[dict[Status, int]]:
    """Look where `prune` would delete; yields after each step how many it would."""
    for stretch in stretches:
        while stretch.after < stretch.upto:
            end = await retention.step_end(db, stretch, rows=COUNT_ROWS)
            yield await retention.count_ripe(db, Stretch(stretch.after, end), ripe)
            stretch = Stretch(end, stretch.upto)  # noqa: PLW2901 - what is left of it


async def reclaim(db: Connection, *, at: Callable[[], float]) -> None:
    """Give back to the system what pruned tasks took on disk. The role must own the table.

    Does what it can: a transaction that stays open may keep some of it for another time.
    """
    await retention.set_up(db, lock=RECLAIM_LOCK)
    is_clear = await retention.drop_unfinished_index(db) and await retention.drop_replaced_index(db)
    await _draw_together(db, at=at)
    if is_clear and (await retention.space(db)).is_index_sparse:
        await retention.reindex(db)


async def _draw_together(db: Connection, *, at: Callable[[], float]) -> None:
    """Cut off the end of the table.

    Vacuuming makes all space usable, but cuts off only what is empty, and at the end lie some of
    the few rows that stay. These are moved to the front first.
    """
    if not await retention.vacuum(db):
        return
    for _ in range(PASSES_MAX):
        space = await retention.space(db)
        if not space.is_sparse or not await _empty_tail(db, space, at=at):
            return
        if not await retention.vacuum(db) or not (await retention.space(db)).is_sparse:
            return
        # What was too fresh to be moved is so no more.
        await asyncio.sleep(PASS_PAUSE)


async def _empty_tail(db: Connection, space: Space, *, at: Callable[[], float]) -> bool:
    """Move the rows of the last pages to the front; `False` if not even the first found room."""
    before = space.pages
    while before > space.pages_needed:
        first = max(space.pages_needed, before - TAIL_PAGES)
        after = place(first)
        while True:
            began = at()
            moved = await retention.move_rows(
                db, after=after, before=place(before), rows=MOVED_ROWS
            )
            if moved is None:
                break
            if moved.farthest is not None and moved.farthest >= first:
                return before < space.pages
            after = moved.last
            await asyncio.sleep(at() - began)
        before = first
    return True

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
from fcs.database.retention import page_of, place
from fcs.domain.retention import Space, Stretch
from fcs.domain.task import Status

log = logging.getLogger(__name__)

STEP_ROWS = 5_000
COUNT_ROWS = 50_000

HELD_ROWS = 25
"""Rows moved in one transaction; whoever wants one of them waits that long."""

TAIL_PAGES = 500
PASSES_MAX = 3

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
    for _ in range(PASSES_MAX):
        if not await retention.vacuum(db):
            return
        space = await retention.space(db)
        if not space.is_sparse or not await _empty_tail(db, space, at=at):
            return
    await retention.vacuum(db)


async def _empty_tail(db: Connection, space: Space, *, at: Callable[[], float]) -> bool:
    """Move the rows of the last pages to the front; `False` if not even the first found room."""
    before = space.pages
    while before > space.pages_needed:
        first = max(space.pages_needed, before - TAIL_PAGES)
        after: str | None = place(first)
        while after is not None:
            began = at()
            async with db.transaction():
                held = await retention.hold_tail(
                    db, after=after, before=place(before), rows=HELD_ROWS
                )
                farthest = await _move(db, held)
            if farthest >= first:
                return before < space.pages
            after = held[-1] if held else None
            await asyncio.sleep(at() - began)
        before = first
    return True


async def _move(db: Connection, held: Sequence[str]) -> int:
    """Write rows anew until all have left their pages; return the last page they came to.

    Each version takes room on its page until there is none, and no update can be told to leave
    its page sooner. In one transaction, so that nobody sees them on their way.
    """
    left = {page_of(place) for place in held}
    farthest, places = 0, held
    while places:
        pages = {place: page_of(place) for place in await retention.rewrite(db, places)}
        farthest = max([farthest, *(page for page in pages.values() if page not in left)])
        places = [place for place, page in pages.items() if page in left]
    return farthest

"""The retention of a supervisor: prune what is ripe, on a connection of its own.

Of several supervisors one prunes at a time. Trouble with it is told and tried again later; it
never keeps tasks from being dispatched.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from fcs.database import backlog, retention
from fcs.database.connect import Connection, connect
from fcs.database.line import is_passing
from fcs.database.migrate import check_schema
from fcs.database.session import is_shared
from fcs.domain.retention import Rounds, cutoffs
from fcs.domain.settings import Settings
from fcs.domain.task import Status
from fcs.supervisor import pruning

log = logging.getLogger(__name__)

ROUND_INTERVAL = 60.0
RECLAIM_INTERVAL = 600.0


async def run(url: str, settings: Settings, *, at: Callable[[], float]) -> None:
    """Prune until cancelled. `at` is the local clock in seconds.

    Through a pooler of transactions it deletes, but gives no space back to the system.
    """
    keeper = Keeper(settings, at=at)
    while True:
        try:
            async with await connect(url, part="retention", keys_only=True) as db:
                await check_schema(db)
                await keeper.go_round(db)
        except Exception as error:  # noqa: BLE001 - dispatching must go on, whatever this is
            if not is_passing(error):
                log.warning("pruning failed, trying again later: reason=%s", error)
        await asyncio.sleep(ROUND_INTERVAL)


class Keeper:
    """What one supervisor remembers of its rounds."""

    def __init__(self, settings: Settings, *, at: Callable[[], float]) -> None:
        self._keep = settings.keep
        self._at = at
        self._rounds = Rounds(settings.keep)
        self._next_reclaim = at()

    async def go_round(self, db: Connection) -> None:
        """Prune where it is time to look, unless another supervisor is at it."""
        if not await retention.try_turn(db):
            return
        now = await backlog.now(db)
        pruned: Counter[Status] = Counter()
        ripe = cutoffs(self._keep, now)
        async for step in pruning.prune(db, self._rounds.plan(now), ripe, at=self._at):
            pruned.update(step)
        self._rounds.done(now)
        if pruned:
            counts = " ".join(f"{status}={number}" for status, number in sorted(pruned.items()))
            log.info("tasks pruned: %s", counts)
        await self._reclaim_now_and_then(db, pruned=pruned.total())

    async def _reclaim_now_and_then(self, db: Connection, *, pruned: int) -> None:
        if self._at() < self._next_reclaim or is_shared(db) or not await retention.owns_tasks(db):
            return
        before = await retention.space(db)
        if not before.is_wasteful(pruned=pruned):
            return
        # Not again at once: an old snapshot may keep the dead rows where they are.
        self._next_reclaim = self._at() + RECLAIM_INTERVAL
        await pruning.reclaim(db, at=self._at)
        after = await retention.space(db)
        log.info(
            "space of pruned tasks reclaimed: pages=%d index_pages=%d before=%d before_index=%d",
            after.pages,
            after.index_pages,
            before.pages,
            before.index_pages,
        )

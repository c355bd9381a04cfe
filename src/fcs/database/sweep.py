"""A sweep: one act on all tasks that match, from the newest to the oldest, in bounded steps.

Each part of a step is one statement and whole by itself, so a sweep may stop anywhere: what is
done is done, the rest is untouched, and `before` is where to go on. What is created meanwhile is
newer than where the sweep began, so a sweep never meets its own tasks.
"""

from collections import Counter
from collections.abc import Callable
from typing import assert_never

from fcs.database import bulk, tasks
from fcs.database.bulk import PAGE
from fcs.database.connect import Connection
from fcs.domain.bulk import Action, Filter, statuses_for
from fcs.domain.ids import TaskId
from fcs.domain.task import Status

AT_A_TIME = 500


class Sweep:
    """`counts` tells how many tasks were met so far, by the status in which they were.

    With `dry_run` nothing is done to them. `new_id` makes the ids of tasks that are created.
    """

    def __init__(
        self,
        filter: Filter,
        action: Action,
        *,
        new_id: Callable[[], TaskId],
        reason: str = "",
        before: TaskId | None = None,
        dry_run: bool = False,
    ) -> None:
        self._filter, self._action = filter, action
        self._new_id, self._reason, self._dry_run = new_id, reason, dry_run
        self._statuses = statuses_for(action, filter.status)
        self._copies: dict[TaskId, TaskId] = {}
        self.before = before
        self.counts: Counter[Status] = Counter()
        self.is_over = not self._statuses
        self.creates = action is Action.RETRY and not dry_run
        """Whether it adds tasks: to do the same once more would add them once more."""

    async def step(self, db: Connection) -> None:
        """Take in one page of the table. May be sent again after an unknown answer."""
        page = await bulk.match(
            db, self._filter, statuses=self._statuses, before=self.before, limit=PAGE
        )
        for start in range(0, len(page.matches), AT_A_TIME):
            part = page.matches[start : start + AT_A_TIME]
            await self._act(db, part)
            self.before = part[-1][0]
        if page.last is None:
            self.is_over = True
        else:
            self.before = page.last

    async def _act(self, db: Connection, part: list[tuple[TaskId, Status]]) -> None:
        ids = [id for id, _ in part]
        if self._dry_run:
            self.counts.update(status for _, status in part)
            return
        match self._action:
            case Action.CANCEL:
                found = await tasks.cancel(db, ids, reason=self._reason)
            case Action.DELETE:
                deletions = await tasks.delete(db, ids)
                found = {id: held.status for id, held in deletions.items() if held.is_done}
            case Action.RETRY:
                # The same new ids when it is sent again: nothing is created twice.
                copies = {id: self._copies.setdefault(id, self._new_id()) for id in ids}
                found = await bulk.repeat(db, copies)
                self._copies.clear()
            case _:
                assert_never(self._action)
        # Between the look and the act a task may have moved on; then nothing was done to it.
        self.counts.update(status for status in found.values() if status in self._statuses)

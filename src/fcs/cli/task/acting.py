"""Acting on tasks from the command line, one by one or on all that match."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import SystemRandom
from time import monotonic
from typing import Any

from fcs.cli.common import Common
from fcs.cli.database import ask, run_async
from fcs.cli.output import emit, say
from fcs.cli.settings import database_url
from fcs.cli.surely import PATIENCE, create_surely
from fcs.cli.task.choice import Choice
from fcs.cli.task.ids import missing, resolve
from fcs.client.ids import new_task_id
from fcs.database import insights, tasks
from fcs.database.bulk import repeat
from fcs.database.connect import Connection
from fcs.database.line import Line, is_passing
from fcs.database.migrate import check_schema
from fcs.database.sweep import AT_A_TIME, Sweep
from fcs.database.tasks import Deletion
from fcs.domain.bulk import Action, Filter
from fcs.domain.errors import DatabaseUnavailable, FcsError, InvalidInput, TaskNeeded, WrongStatus
from fcs.domain.ids import TaskId
from fcs.domain.task import Status

_DONE = {Action.CANCEL: "cancelled", Action.RETRY: "created anew", Action.DELETE: "deleted"}


def act(common: Common, action: Action, choice: Choice, reason: str = "") -> None:
    """Act on the tasks that were named, or on all that match."""
    filter = Filter(
        status=Status(choice.status) if choice.status else None,
        ty=choice.ty,
        queue=choice.queue,
        older_than=choice.older_than,
    )
    if bool(choice.ids) != filter.is_empty:
        raise InvalidInput(
            "ids and a filter were both given" if choice.ids else "it was not said which tasks",
            hint="Name tasks by their ids, or all that match by --status, --type, --queue or"
            " --older-than.",
        )
    if choice.ids:
        _act_on_named(common, action, choice, reason)
    else:
        run_async(Matching(common, action, filter, choice, reason).carry_out())


# --- named ---


Told = dict[str, Any]
"""What became of one task, for programs."""


def _act_on_named(common: Common, action: Action, choice: Choice, reason: str) -> None:
    """What can be done is done and told; the first that cannot be is raised after that."""

    async def carry_out(db: Connection) -> Sequence[Told | FcsError]:
        ids = [await resolve(db, text) for text in choice.ids]
        if choice.dry_run:
            return [{"id": id, "status": await _status(db, id)} for id in ids]
        match action:
            case Action.CANCEL:
                found = await tasks.cancel(db, ids, reason=reason)
                return [_cancelled(id, found.get(id)) for id in ids]
            case Action.DELETE:
                deletions = await tasks.delete(db, ids)
                return [_deleted(id, deletions.get(id)) for id in ids]
            case Action.RETRY:
                for id in ids:
                    copies.setdefault(id, new_task_id())
                found = await repeat(db, copies)
                return [_repeated(id, found.get(id), copies[id]) for id in ids]

    copies: dict[TaskId, TaskId] = {}
    if action is Action.RETRY:
        url = database_url(common, os.environ)
        answers = run_async(create_surely(url, carry_out, copies.values()))
    else:
        answers = ask(common, carry_out)
    told = [answer for answer in answers if not isinstance(answer, FcsError)]
    if told:
        emit(common, told[0] if len(answers) == 1 else told, lambda: "\n".join(map(_line, told)))
    for answer in answers:
        if isinstance(answer, FcsError):
            raise answer


def _cancelled(id: TaskId, status: Status | None) -> Told | FcsError:
    if status is None:
        return missing(id)
    if status.is_final and status is not Status.CANCELLED:
        return WrongStatus(
            f"task {id} is {status}; it has ended and cannot be cancelled any more",
            hint=f"See:  fcs task show {id}",
        )
    return {"id": id, "found": status, "cancelled": status is not Status.RUNNING}


def _deleted(id: TaskId, deletion: Deletion | None) -> Told | FcsError:
    if deletion is None:
        return missing(id)
    if deletion.is_awaited:
        return TaskNeeded(
            f"other tasks wait for the end of task {id}",
            hint="Delete or cancel those first, or delete it when it has ended.",
        )
    if not deletion.is_done:
        return WrongStatus(
            f"task {id} is running; only tasks that are not can be deleted",
            hint=f"Cancel it first:  fcs task cancel {id}",
        )
    return {"id": id, "deleted": True}


def _repeated(id: TaskId, status: Status | None, new_id: TaskId) -> Told | FcsError:
    if status is None:
        return missing(id)
    if not status.is_final:
        return WrongStatus(
            f"task {id} is {status}; only a task that has ended can be run once more",
            hint=f"Wait for its end, or cancel it first:  fcs task cancel {id}",
        )
    return {"id": new_id, "retry_of": id}


async def _status(db: Connection, id: TaskId) -> Status:
    task = await insights.find_task(db, id)
    if task is None:  # deleted in between
        raise missing(id)
    return task.status


def _line(told: Mapping[str, Any]) -> str:
    if "status" in told:
        return f"{told['id']} is {told['status']}; nothing was done"
    if "deleted" in told:
        return f"deleted {told['id']}"
    if "retry_of" in told:
        return str(told["id"])
    if told["cancelled"]:
        return f"cancelled {told['id']}"
    return f"{told['id']} is running: its body was asked to end"


# --- all that match ---


class Matching:
    """An act on all tasks that match, in bounded steps."""

    def __init__(
        self, common: Common, action: Action, filter: Filter, choice: Choice, reason: str
    ) -> None:
        self._common, self._action, self._filter = common, action, filter
        self._choice, self._reason = choice, reason
        self._answered_at: float | None = None

    async def carry_out(self) -> None:
        url = database_url(self._common, os.environ)
        line = Line(url, part="cli", rng=SystemRandom(), keys_only=False)
        try:
            await line.carry_out(self._check, give_up=lambda: self._answered_at is None)
            counts = await self._sweep(line, dry_run=True)
            if not self._choice.dry_run:
                self._require_consent(counts)
                counts = await self._sweep(line, dry_run=False)
        finally:
            await line.close()
        self._tell(counts)

    async def _check(self, db: Connection) -> None:
        await check_schema(db)
        self._answered_at = monotonic()

    async def _sweep(self, line: Line, *, dry_run: bool) -> Counter[Status]:
        sweep = Sweep(
            self._filter,
            self._action,
            new_id=new_task_id,
            reason=self._reason,
            dry_run=dry_run,
        )
        while not sweep.is_over:
            try:
                await line.carry_out(sweep.step, give_up=_patience())
            except Exception as error:
                if dry_run or not is_passing(error):
                    raise
                raise self._cut_short("the database went away", sweep) from error
            except asyncio.CancelledError:
                if not dry_run:
                    told = self._cut_short("interrupted", sweep)
                    say(self._common, f"note: {told}. {told.hint}")
                raise
        return sweep.counts

    def _cut_short(self, why: str, sweep: Sweep) -> DatabaseUnavailable:
        done = f"{why}; {_words(sweep.counts)} {_DONE[self._action]}"
        if sweep.creates:
            return DatabaseUnavailable(
                f"{done}, and it is not known whether up to {AT_A_TIME} more are",
                hint="Asked again, there would be two of each. Look first which are there:"
                "  fcs task list --status pending",
            )
        return DatabaseUnavailable(
            f"{done}, all that matched down to {sweep.before}",
            hint="What is older is untouched: see what is left with --dry-run.",
        )

    def _require_consent(self, counts: Counter[Status]) -> None:
        if counts.total() > 1 and not self._choice.yes:
            raise InvalidInput(
                f"{_words(counts)} match; nothing was done",
                hint=f"Say --yes to {self._action} them all.",
            )

    def _tell(self, counts: Counter[Status]) -> None:
        document = {
            "action": self._action,
            "dry_run": self._choice.dry_run,
            "tasks": counts.total(),
            "by_status": dict(sorted(counts.items())),
        }
        done = "match; nothing was done" if self._choice.dry_run else _DONE[self._action]
        if counts[Status.RUNNING] and not self._choice.dry_run:
            done += " or, where they run, asked to end"
        emit(self._common, document, lambda: f"{_words(counts)} {done}")


def _patience() -> Callable[[], bool]:
    give_up_at = monotonic() + PATIENCE
    return lambda: monotonic() >= give_up_at


def _words(counts: Counter[Status]) -> str:
    parts = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts[status])
    tasks = f"{counts.total():,} task{'s' * (counts.total() != 1)}"
    return f"{tasks} ({parts})" if parts else tasks

"""Asserting what was enqueued."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from fcs.client.handler import Handler
from fcs.database import testing
from fcs.database.connect import connect_sync
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.registry.models import write
from fcs.testing.inlining import Inline

LIMIT = 10_000
SHOWN = 5


class Enqueued(NamedTuple):
    """A task that was created, whatever became of it."""

    id: TaskId
    args: dict[str, Any]
    status: Status
    queue: str
    priority: int
    scheduled_at: datetime | None


def assert_enqueued(
    handler: Handler[..., Any, Any],
    *,
    where: Mapping[str, Any] | None = None,
    count: int | None = None,
) -> list[Enqueued]:
    """Assert that tasks of a handler were created, and return them, the newest first.

    `where` names arguments and their values, as one would pass them; other arguments may be
    anything. With `count` there must be exactly so many, without it at least one. Looks at the
    latest 10,000 tasks of the type in the app's database, or at what ran `inline`.
    """
    __tracebackhide__ = True
    wanted = msgspec.json.encode(dict(where or {}), enc_hook=write).decode()
    matching, others = _look(handler, wanted)
    if len(matching) == count or (count is None and matching):
        return matching
    number = "at least one" if count is None else f"{count}"
    lines = [
        f"expected {number} of {handler.task_type.name} where {wanted}, found {len(matching)}",
        *(f"  as wanted: {_line(task)}" for task in matching[:SHOWN]),
        *(f"  otherwise: {_line(task)}" for task in others[:SHOWN]),
    ]
    raise AssertionError("\n".join(lines))


def _look(handler: Handler[..., Any, Any], wanted: str) -> tuple[list[Enqueued], list[Enqueued]]:
    store, name = handler.app.store, handler.task_type.name
    if isinstance(store, Inline):
        tasks = [
            Enqueued(
                view.id,
                msgspec.json.decode(view.args_text),
                view.status,
                view.queue,
                view.priority,
                view.scheduled_at,
            )
            for view in store.views
            if view.ty == name
        ]
        items = msgspec.json.decode(wanted).items()
        matching = [task for task in tasks if items <= task.args.items()]
        return matching, [task for task in tasks if task not in matching]
    with connect_sync(store.url(), part="testing") as db:
        found = testing.find_enqueued(db, name, wanted, limit=LIMIT)
    matching, others = (
        [Enqueued(task.id, msgspec.json.decode(task.args_text), *task[2:]) for task in tasks]
        for tasks in found
    )
    return matching, others


def _line(task: Enqueued) -> str:
    return f"{task.id} {task.status} {msgspec.json.encode(task.args).decode()}"

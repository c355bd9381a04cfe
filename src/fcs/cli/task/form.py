"""A task as the verbs write it: the wire form of HTTP, and tables."""

from typing import Any

from fcs.cli.output import columns, pairs
from fcs.cli.text import cut, moment
from fcs.domain import json
from fcs.domain.errors import FcsError
from fcs.domain.task import TaskView

_SHOWN = TaskView.__struct_fields__[3:13]


def document(task: TaskView) -> dict[str, Any]:
    """A task as programs read it."""
    fields = {name: getattr(task, name) for name in _SHOWN}
    return {"id": task.id, "def": {"ty": task.ty, **_args(task.args_text)}, **fields}


def full_document(task: TaskView) -> dict[str, Any]:
    """The same, with what the worker of a lost run said afterwards."""
    return document(task) | {"late_report": task.late_report}


def table(tasks: list[TaskView]) -> str:
    return columns(
        ["ID", "TYPE", "STATUS", "QUEUE", "PRIORITY", "CREATED", "SCHEDULED", "ERROR"],
        [
            (
                task.id,
                cut(task.ty, 40),
                task.status,
                cut(task.queue, 30),
                task.priority,
                moment(task.created_at),
                moment(task.scheduled_at),
                cut(task.error or "", 60),
            )
            for task in tasks
        ],
    )


def lines(task: TaskView) -> str:
    """Everything about one task."""
    late = task.late_report
    said = f"{late.status} at {moment(late.reported_at)} {late.error or ''}" if late else None
    return pairs(
        [
            ("id", task.id),
            ("type", task.ty),
            ("arguments", task.args_text),
            ("status", task.status),
            ("error", task.error),
            ("late report", said),
            ("queue", task.queue),
            ("priority", task.priority),
            ("attempt", task.attempt),
            ("worker", task.worker_id),
            ("created", moment(task.created_at)),
            ("scheduled", moment(task.scheduled_at)),
            ("started", moment(task.started_at)),
            ("updated", moment(task.updated_at)),
        ]
    )


def _args(text: str) -> dict[str, Any]:
    """The arguments of a row, into which somebody may have put anything by hand."""
    try:
        args = json.parse(text.encode("utf-8", "replace"), bytes_max=64 * json.BYTES_MAX)
    except FcsError:
        args = None
    if not isinstance(args, dict) or "ty" in args:
        return {"args_unreadable": True}
    return args

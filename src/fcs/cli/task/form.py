"""A task as the verbs write it: the wire form of HTTP, and tables."""

from collections.abc import Sequence
from textwrap import indent
from typing import Any

import msgspec

from fcs.cli.output import columns, pairs
from fcs.cli.text import cut, moment, printable
from fcs.domain import json
from fcs.domain.errors import FcsError
from fcs.domain.task import Attempt, CancelRequest, LateReport, StopLevel, TaskView

_HEAD = ("id", "ty", "args_text")
_ONLY_IN_FULL = ("late_report", "key", "after")
_NEW_LINE = "\n"
_RENAMED = {"result_text": "result", "progress_text": "progress"}


def document(task: TaskView) -> dict[str, Any]:
    """A task as programs read it."""
    shown: dict[str, Any] = {"id": task.id, "def": {"ty": task.ty, **_args(task.args_text)}}
    for name in task.__struct_fields__:
        if name in _RENAMED:
            shown[_RENAMED[name]] = _json(getattr(task, name))
        elif name not in _HEAD and name not in _ONLY_IN_FULL:
            shown[name] = getattr(task, name)
    return shown


def full_document(task: TaskView) -> dict[str, Any]:
    """The same, with what only a look at the single task shows."""
    return document(task) | {name: getattr(task, name) for name in _ONLY_IN_FULL}


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
    return pairs(
        [
            ("id", task.id),
            ("type", task.ty),
            ("arguments", task.args_text),
            ("status", task.status),
            ("error", task.error),
            ("result", task.result_text),
            ("progress", task.progress_text),
            ("cancel", _cancel(task.cancel)),
            ("late report", _late(task.late_report)),
            ("queue", task.queue),
            ("priority", task.priority),
            ("attempt", f"{task.attempt} of {task.max_attempts}"),
            ("timeout", task.timeout and f"{task.timeout:g} s"),
            ("on interrupt", task.on_interrupt),
            ("limit key", task.limit_key),
            ("key", task.key),
            ("after", ", ".join(f"{need.id} ({need.status or 'gone'})" for need in task.after)),
            ("worker", task.worker_id),
            ("created", moment(task.created_at)),
            ("scheduled", moment(task.scheduled_at)),
            ("due", moment(task.due_at)),
            ("started", moment(task.started_at)),
            ("updated", moment(task.updated_at)),
        ]
    )


def attempts_table(attempts: Sequence[Attempt]) -> str:
    return columns(
        ["ATTEMPT", "OUTCOME", "STARTED", "TOOK", "WORKER", "ERROR"],
        [
            (
                run.attempt,
                run.outcome or "(runs)",
                moment(run.started_at),
                _took(run),
                run.worker_id,
                cut(run.error or _late(run.late_report) or "", 80),
            )
            for run in attempts
        ],
    )


def attempts_in_full(attempts: Sequence[Attempt]) -> str:
    """Each run with its traceback and what its body logged."""
    return "\n\n".join(_in_full(run) for run in attempts)


def _in_full(run: Attempt) -> str:
    head = pairs(
        [
            ("attempt", run.attempt),
            ("outcome", run.outcome or "(runs)"),
            ("started", moment(run.started_at)),
            ("took", _took(run)),
            ("worker", run.worker_id),
            ("run", run.run_id),
            ("error", run.error),
            ("late report", _late(run.late_report)),
        ]
    )
    blocks = [
        f"{name}:\n{indent(printable(text, keep=_NEW_LINE), '    ')}"
        for name, text in (("traceback", run.trace), ("logs", run.logs))
        if text
    ]
    return "\n".join([head, *blocks])


def _took(run: Attempt) -> str:
    return f"{(run.ended_at - run.started_at).total_seconds():.1f} s" if run.ended_at else ""


def _cancel(cancel: CancelRequest | None) -> str | None:
    if cancel is None:
        return None
    reason = f": {cancel.reason}" if cancel.reason else ""
    level = f" ({_LEVELS[cancel.level]})" if cancel.level else " (asked; it has not ended yet)"
    return f"at {moment(cancel.requested_at)}{reason}{level}"


_LEVELS = {
    StopLevel.BEFORE_START: "before it started",
    StopLevel.FLAG: "the body left when asked",
    StopLevel.CANCEL: "the body was cancelled where it awaited",
    StopLevel.KILL: "its process was killed",
}


def _late(late: LateReport | None) -> str | None:
    return f"{late.status} at {moment(late.reported_at)} {late.error or ''}" if late else None


def _json(text: str | None) -> Any:
    """JSON of a row; somebody may have put anything there by hand."""
    if text is None:
        return None
    try:
        json.parse(text.encode("utf-8", "replace"), bytes_max=64 * json.BYTES_MAX)
    except FcsError:
        return {"unreadable": True}
    return msgspec.Raw(text.encode())


def _args(text: str) -> dict[str, Any]:
    """The arguments of a row, into which somebody may have put anything by hand."""
    try:
        args = json.parse(text.encode("utf-8", "replace"), bytes_max=64 * json.BYTES_MAX)
    except FcsError:
        args = None
    if not isinstance(args, dict) or "ty" in args:
        return {"args_unreadable": True}
    return args

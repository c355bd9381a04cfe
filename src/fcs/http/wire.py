"""Tasks on the wire: what a request may say, and what an answer looks like."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw
from starlette.responses import Response

from fcs.domain import json
from fcs.domain.errors import FcsError
from fcs.domain.ids import TaskId, WorkerId
from fcs.domain.needs import NEEDS_MAX
from fcs.domain.outcome import ATTEMPTS_MAX
from fcs.domain.task import (
    PRIORITY_MAX,
    PRIORITY_MIN,
    CancelRequest,
    LateReport,
    Need,
    OnInterrupt,
    Status,
    TaskView,
    WhenNeedsFail,
)
from fcs.registry.names import LIMIT_KEY_MAX, QUEUE_PATTERN
from fcs.registry.signature import DISCRIMINATOR

_ENCODER = msgspec.json.Encoder()

# Rows may be longer than what the door lets in: jsonb writes numbers out in full.
_ROW_BYTES_MAX = 64 * json.BYTES_MAX

Moment = Annotated[datetime, Meta(tz=True)]
Queue = Annotated[str, Meta(extra_json_schema={"pattern": QUEUE_PATTERN})]
Priority = Annotated[int, Meta(ge=PRIORITY_MIN, le=PRIORITY_MAX)]
Attempts = Annotated[int, Meta(ge=1, le=ATTEMPTS_MAX)]
Stretch = Annotated[
    float | str, Meta(description="A stretch of time: seconds, or text such as 90s, 10m, 1h30m.")
]
AnyJson = Annotated[Raw | None, Meta(description="Any JSON.")]
LimitKey = Annotated[str, Meta(extra_json_schema={"maxLength": LIMIT_KEY_MAX})]
Needs = Annotated[
    list[TaskId], Meta(max_length=NEEDS_MAX, description="Tasks that have to end first.")
]
Definition = Annotated[Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/Definition"})]
AnyDefinition = Annotated[
    Raw,
    Meta(
        description="The type and the arguments. Other nodes may know other types.",
        extra_json_schema={
            "type": "object",
            "properties": {DISCRIMINATOR: {"type": "string"}},
            "required": [DISCRIMINATOR],
        },
    ),
]


class NewTaskDocument(
    msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename={"definition": "def"}
):
    """A task to be. What is not given here is as its type has it.

    `delay` counts from the creation, by the database's clock; it stands in for `scheduled_at`.
    """

    definition: Definition
    scheduled_at: Moment | None = None
    delay: Stretch | None = None
    queue: Queue | None = None
    priority: Priority | None = None
    max_attempts: Attempts | None = None
    timeout: Stretch | None = None
    on_interrupt: OnInterrupt | None = None
    limit_key: LimitKey | None = None
    after: Needs | None = None
    when_needs_fail: WhenNeedsFail | None = None


class CreatedDocument(msgspec.Struct):
    """The answer to a create."""

    id: TaskId


class TaskDocument(msgspec.Struct, rename={"definition": "def"}):
    """A task as it is."""

    id: TaskId
    definition: AnyDefinition
    status: Status
    worker_id: WorkerId | None
    queue: str
    priority: int
    attempt: int
    created_at: Moment
    updated_at: Moment
    scheduled_at: Moment | None
    started_at: Moment | None
    error: str | None
    due_at: Moment | None
    max_attempts: int
    timeout: float | None
    on_interrupt: OnInterrupt
    limit_key: str
    result: AnyJson
    progress: AnyJson
    cancel: CancelRequest | None


class FullTaskDocument(TaskDocument):
    """A task as it is, what the worker of a lost run said of it afterwards, the key under which it
    was created, and the tasks that it waits for: a hundred of them at the most."""

    late_report: LateReport | None
    key: str | None
    after: list[Need]


def answer(
    document: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A document as JSON."""
    return Response(
        _ENCODER.encode(document), status, headers=headers, media_type="application/json"
    )


def show(view: TaskView) -> TaskDocument:
    return TaskDocument(*_fields(view))


def show_in_full(view: TaskView) -> FullTaskDocument:
    return FullTaskDocument(*(*_fields(view), view.late_report, view.key, view.after))


def _fields(view: TaskView) -> tuple[Any, ...]:
    return (
        view.id,
        definition(view.ty, view.args_text),
        view.status,
        view.worker_id,
        view.queue,
        view.priority,
        view.attempt,
        view.created_at,
        view.updated_at,
        view.scheduled_at,
        view.started_at,
        view.error,
        view.due_at,
        view.max_attempts,
        view.timeout,
        view.on_interrupt,
        view.limit_key,
        _raw(view.result_text),
        _raw(view.progress_text),
        view.cancel,
    )


def _raw(text: str | None) -> Raw | None:
    """JSON of a row as it is, unless it cannot be read: somebody may have put anything there."""
    if text is None:
        return None
    raw = text.encode("utf-8", "replace")
    try:
        json.parse(raw, bytes_max=_ROW_BYTES_MAX)
    except FcsError:
        return Raw(b'{"unreadable":true}')
    return Raw(raw)


def definition(ty: str, args_text: str) -> Raw:
    """The type and the arguments as one object.

    The row's own text goes out as it is, but only after a look: somebody may have put anything
    there by hand, and one such row must not spoil a whole list.
    """
    head = b'{"' + DISCRIMINATOR.encode() + b'":' + msgspec.json.encode(ty)
    args = args_text.encode("utf-8", "replace")
    if not _is_readable(args):
        return Raw(head + b',"args_unreadable":true}')
    rest = args.lstrip()[1:].lstrip()
    return Raw(head + (b"," if rest != b"}" else b"") + rest)


def _is_readable(args: bytes) -> bool:
    try:
        value = json.parse(args, bytes_max=_ROW_BYTES_MAX)
    except FcsError:
        return False
    return isinstance(value, dict) and DISCRIMINATOR not in value

"""Schedules on the wire: what a request may say, and what an answer looks like."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from fcs.domain.cron import LENGTH_MAX, Rule
from fcs.domain.ids import TaskId
from fcs.domain.schedule import DEFAULT_TZ, NAME_PATTERN, CatchUp, ScheduleView, Source
from fcs.http.wire import Moment, definition

LIMIT_DEFAULT = 100
LIMIT_MAX = 500
FIRES_SHOWN = 5
FIRES_SHOWN_MAX = 100

Name = Annotated[str, Meta(extra_json_schema={"pattern": NAME_PATTERN})]
Cron = Annotated[
    str, Meta(description="Five fields, or six with seconds first.", max_length=LENGTH_MAX)
]
Zone = Annotated[str, Meta(description="A zone such as Europe/Warsaw.", max_length=100)]
Task = Annotated[
    Raw,
    Meta(
        description="The tasks that it creates, as for POST /tasks, without a time.",
        extra_json_schema={"$ref": "#/components/schemas/NewTaskDocument"},
    ),
]
AnyTask = Annotated[
    Raw,
    Meta(
        description="The tasks that it creates: `def`, and what differs from the usual.",
        extra_json_schema={"type": "object", "required": ["def"]},
    ),
]


class ScheduleQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which schedules to list: those after a name, in the order of their names."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    after: Annotated[str, Meta(max_length=200)] | None = None


class NextQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many fires to show."""

    n: Annotated[int, Meta(ge=1, le=FIRES_SHOWN_MAX)] = FIRES_SHOWN


class NewScheduleDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A schedule to be."""

    name: Name
    cron: Cron
    tz: Zone = DEFAULT_TZ
    catch_up: CatchUp = CatchUp.SKIP
    task: Task


class ScheduleChangeDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be different; `task` replaces the whole of what was there."""

    cron: Cron | None = None
    tz: Zone | None = None
    catch_up: CatchUp | None = None
    task: Task = msgspec.field(default_factory=Raw)


class PauseDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who wants a pause, and why, for others to see."""

    by: Annotated[str, Meta(max_length=200)] = ""
    why: Annotated[str, Meta(max_length=1_000)] = ""


class PreviewRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A rule to try out; `n` is how many fires to show."""

    cron: Cron
    tz: Zone = DEFAULT_TZ
    n: Annotated[int, Meta(ge=1, le=FIRES_SHOWN_MAX)] = FIRES_SHOWN


class PreviewDocument(msgspec.Struct):
    """When a rule fires next, by the clocks of its zone."""

    words: str
    fires: list[Moment]


class ScheduleDocument(msgspec.Struct):
    """A schedule as it is."""

    name: str
    cron: str
    tz: str
    words: str
    catch_up: CatchUp
    task: AnyTask
    source: Source
    declared_by: int | None
    next_fire_at: Moment | None
    last_fire_at: Moment | None
    last_task_id: TaskId | None
    paused_at: Moment | None
    paused_by: str | None
    paused_why: str | None
    created_at: Moment
    updated_at: Moment


def show(view: ScheduleView) -> ScheduleDocument:
    said = view.definition
    task: dict[str, Any] = {"def": definition(said.ty, bytes(said.args).decode()), **said.options}
    return ScheduleDocument(
        name=view.name,
        cron=said.cron,
        tz=said.tz,
        words=view.words,
        catch_up=said.catch_up,
        task=Raw(msgspec.json.encode(task)),
        source=view.source,
        declared_by=view.declared_by,
        next_fire_at=view.next_fire_at,
        last_fire_at=view.last_fire_at,
        last_task_id=view.last_task_id,
        paused_at=view.paused_at,
        paused_by=view.paused_by,
        paused_why=view.paused_why,
        created_at=view.created_at,
        updated_at=view.updated_at,
    )


def preview(rule: Rule, now: datetime, count: int) -> PreviewDocument:
    return PreviewDocument(rule.in_words(), rule.preview(now, count))

"""A schedule as the verbs write it: the wire form of HTTP, and tables."""

from typing import Any

import msgspec

from fcs.cli.output import columns, pairs
from fcs.cli.text import cut, moment
from fcs.domain.schedule import ScheduleView, Source


def document(view: ScheduleView) -> dict[str, Any]:
    """A schedule as programs read it."""
    fields = msgspec.structs.asdict(view)
    said = fields.pop("definition")
    return {
        "name": fields.pop("name"),
        "cron": said.cron,
        "tz": said.tz,
        "words": view.words,
        "catch_up": said.catch_up,
        "task": {"def": {"ty": said.ty, **msgspec.json.decode(said.args)}, **said.options},
        **fields,
    }


def table(views: list[ScheduleView]) -> str:
    return columns(
        ["NAME", "RULE", "TYPE", "NEXT", "LAST", "CATCH UP", "STATE"],
        [
            (
                cut(view.name, 40),
                cut(view.words, 60),
                cut(view.definition.ty, 40),
                moment(view.next_fire_at),
                moment(view.last_fire_at),
                view.definition.catch_up,
                _state(view),
            )
            for view in views
        ],
    )


def lines(view: ScheduleView) -> str:
    """Everything about one schedule."""
    said = view.definition
    options = " ".join(f"{name}={value}" for name, value in said.options.items())
    return pairs(
        [
            ("name", view.name),
            ("rule", view.words),
            ("cron", said.cron),
            ("zone", said.tz),
            ("catch up", said.catch_up),
            ("type", said.ty),
            ("arguments", bytes(said.args).decode()),
            ("options", options),
            ("state", _state(view)),
            ("reason", view.paused_why),
            ("next fire", moment(view.next_fire_at)),
            ("last fire", moment(view.last_fire_at)),
            ("last task", view.last_task_id),
            ("created", moment(view.created_at)),
            ("updated", moment(view.updated_at)),
        ]
    )


def _state(view: ScheduleView) -> str:
    """Whether it rests, and whose it is."""
    paused = f"paused by {view.paused_by}, " if view.paused_by else "paused, "
    return f"{paused if view.paused_at else ''}{_whose(view)}"


def _whose(view: ScheduleView) -> str:
    match view.source, view.declared_by:
        case Source.API, _:
            return "made by hand"
        case _, 0:
            return "not declared by any live worker"
        case _, 1:
            return "declared by 1 worker"
        case _, many:
            return f"declared by {many} workers"

"""What the OpenAPI description says of schedules."""

from collections.abc import Sequence
from typing import Any

from fcs.domain.schedule import NAME_PATTERN
from fcs.http.operations import BODY_PROBLEMS, act, answer, header, problems
from fcs.http.schedule_wire import (
    FIRES_SHOWN,
    FIRES_SHOWN_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    NewScheduleDocument,
    PauseDocument,
    PreviewDocument,
    PreviewRequest,
    ScheduleChangeDocument,
    ScheduleDocument,
)

RECORDS = (
    NewScheduleDocument, ScheduleChangeDocument, PauseDocument, PreviewRequest, PreviewDocument,
    ScheduleDocument,
)  # fmt: skip

_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": NAME_PATTERN},
}
_LIST = [
    {
        "name": "limit",
        "in": "query",
        "schema": {
            "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT,
        },
        "allowEmptyValue": True,
    },
    {
        "name": "after",
        "in": "query",
        "description": "Only those after this name.",
        "schema": {"type": "string", "maxLength": 200},
        "allowEmptyValue": True,
    },
]  # fmt: skip
_COUNT = {
    "name": "n",
    "in": "query",
    "description": "How many fires to show.",
    "schema": {
        "type": "integer", "minimum": 1, "maximum": FIRES_SHOWN_MAX, "default": FIRES_SHOWN,
    },
    "allowEmptyValue": True,
}  # fmt: skip


def schedule_paths(refs: Sequence[Any], created: Any) -> dict[str, Any]:
    """The paths, from references to the schemas of `RECORDS` and of a created task."""
    new, change, pause, try_out, preview, schedule = refs
    here = {"parameters": [_NAME]}
    return {
        "/schedules": {
            "get": {
                "operationId": "listSchedules",
                "summary": "List schedules by name",
                "parameters": _LIST,
                "responses": {
                    "200": answer("A page of schedules", {"type": "array", "items": schedule})
                    | {"headers": {"Link": header('The next page, rel="next"')}},
                    **problems("validation_failed"),
                },
            },
            "post": act(
                "createSchedule", "Create a schedule", new, "201", schedule,
                *BODY_PROBLEMS, "schedule_exists", location="Where the schedule is",
            ),
        },
        "/schedules/preview": {
            "post": act(
                "previewRule", "See when a rule would fire", try_out, "200", preview, *BODY_PROBLEMS
            ),
        },
        "/schedules/{name}": here | {
            "get": act("findSchedule", "Look at a schedule", None, "200", schedule, "not_found"),
            "patch": act(
                "changeSchedule", "Let a schedule say something else", change, "200", schedule,
                *BODY_PROBLEMS, "not_found", "declared_in_code",
            ),
            "delete": {
                "operationId": "deleteSchedule",
                "summary": "Delete a schedule that no live worker declares",
                "responses": {
                    "204": {"description": "It is gone"},
                    **problems("not_found", "declared_in_code"),
                },
            },
        },
        "/schedules/{name}/pause": here | {
            "post": act(
                "pauseSchedule", "Let a schedule rest", pause, "200", schedule, *BODY_PROBLEMS,
                "not_found", required=False,
            ),
        },
        "/schedules/{name}/resume": here | {
            "post": act(
                "resumeSchedule", "Let a schedule go on, from now", None, "200", schedule,
                "not_found",
            ),
        },
        "/schedules/{name}/run": here | {
            "post": act(
                "runSchedule", "Create a task of a schedule now", None, "201", created,
                "not_found", location="Where the task is",
            ),
        },
        "/schedules/{name}/next": here | {
            "get": act(
                "showNextFires", "See when a schedule fires next", None, "200", preview,
                "not_found", "validation_failed",
            ) | {"parameters": [_COUNT]},
        },
    }  # fmt: skip

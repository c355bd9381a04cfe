"""What the OpenAPI description says of schedules."""

from collections.abc import Sequence
from typing import Any

from fcs.domain.schedule import NAME_PATTERN
from fcs.http.problems import KINDS
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

_BODY = ("invalid_json", "too_large", "unsupported_media_type", "validation_failed")


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
                    "200": _answer("A page of schedules", {"type": "array", "items": schedule})
                    | {"headers": {"Link": _header('The next page, rel="next"')}},
                    **_problems("validation_failed"),
                },
            },
            "post": _act(
                "createSchedule", "Create a schedule", new, "201", schedule,
                *_BODY, "schedule_exists", location="Where the schedule is",
            ),
        },
        "/schedules/preview": {
            "post": _act(
                "previewRule", "See when a rule would fire", try_out, "200", preview, *_BODY
            ),
        },
        "/schedules/{name}": here | {
            "get": _act("findSchedule", "Look at a schedule", None, "200", schedule, "not_found"),
            "patch": _act(
                "changeSchedule", "Let a schedule say something else", change, "200", schedule,
                *_BODY, "not_found", "declared_in_code",
            ),
            "delete": {
                "operationId": "deleteSchedule",
                "summary": "Delete a schedule that no live worker declares",
                "responses": {
                    "204": {"description": "It is gone"},
                    **_problems("not_found", "declared_in_code"),
                },
            },
        },
        "/schedules/{name}/pause": here | {
            "post": _act(
                "pauseSchedule", "Let a schedule rest", pause, "200", schedule, *_BODY,
                "not_found", required=False,
            ),
        },
        "/schedules/{name}/resume": here | {
            "post": _act(
                "resumeSchedule", "Let a schedule go on, from now", None, "200", schedule,
                "not_found",
            ),
        },
        "/schedules/{name}/run": here | {
            "post": _act(
                "runSchedule", "Create a task of a schedule now", None, "201", created,
                "not_found", location="Where the task is",
            ),
        },
        "/schedules/{name}/next": here | {
            "get": _act(
                "showNextFires", "See when a schedule fires next", None, "200", preview,
                "not_found", "validation_failed",
            ) | {"parameters": [_COUNT]},
        },
    }  # fmt: skip


def _act(
    operation: str,
    summary: str,
    body: Any,
    status: str,
    answer: Any,
    *problems: str,
    location: str = "",
    required: bool = True,
) -> dict[str, Any]:
    shown = _answer("Done", answer)
    if location:
        shown["headers"] = {"Location": _header(location)}
    described: dict[str, Any] = {"operationId": operation, "summary": summary}
    if body is not None:
        described["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": body}},
        }
    return described | {"responses": {status: shown, **_problems(*problems)}}


def _answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _problems(*codes: str) -> dict[str, Any]:
    ref = {"$ref": "#/components/responses/Problem"}
    every = (*codes, "database_unavailable", "internal_error")
    return {str(KINDS[code].status): ref for code in every}

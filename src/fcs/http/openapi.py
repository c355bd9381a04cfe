"""The OpenAPI 3.1 description of the API, made from the registered task types."""

from collections.abc import Mapping, Sequence
from typing import Any

from fcs.database.insights import WorkerView
from fcs.domain.keys import LENGTH_MAX
from fcs.domain.task import Attempt
from fcs.domain.why import Why
from fcs.http.acts import BulkAnswer, BulkDocument, CancelDocument
from fcs.http.cluster_openapi import RECORDS as CLUSTER_RECORDS
from fcs.http.cluster_openapi import cluster_paths
from fcs.http.keys import KEY_HEADER, REPLAYED_HEADER
from fcs.http.operations import BODY_PROBLEMS, EVERY_PROBLEM
from fcs.http.problems import KINDS, MEDIA_TYPE, ProblemDocument
from fcs.http.query import FindQuery, TaskQuery
from fcs.http.queue_openapi import RECORDS as QUEUE_RECORDS
from fcs.http.queue_openapi import queue_paths
from fcs.http.schedule_openapi import RECORDS as SCHEDULE_RECORDS
from fcs.http.schedule_openapi import schedule_paths
from fcs.http.schedule_wire import PauseDocument
from fcs.http.wire import CreatedDocument, FullTaskDocument, NewTaskDocument, TaskDocument
from fcs.registry import Registry
from fcs.registry.schema import components
from fcs.registry.signature import DISCRIMINATOR

_RECORDS = (
    NewTaskDocument, CreatedDocument, TaskDocument, FullTaskDocument, WorkerView, Attempt,
    CancelDocument, BulkDocument, BulkAnswer, Why, ProblemDocument, TaskQuery, FindQuery,
    *SCHEDULE_RECORDS, *QUEUE_RECORDS, *CLUSTER_RECORDS,
)  # fmt: skip

_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=30` is as good as `?wait=30s`.",
    "schema": {"type": "string"},
}
_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "description": "The same request under the same key gets its first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX},
}
_VERBOSE = {
    "name": "verbose",
    "in": "query",
    "description": "Show what each check found.",
    "schema": {"type": "string"},
    "allowEmptyValue": True,
}


def describe(registry: Registry, *, version: str) -> dict[str, Any]:
    """The whole description, ready to be written as JSON."""
    kinds, every, parts = components(registry, _RECORDS)
    every, led = every[: -len(CLUSTER_RECORDS)], every[-len(CLUSTER_RECORDS) :]
    every, queued = every[: -len(QUEUE_RECORDS)], every[-len(QUEUE_RECORDS) :]
    records, scheduled = every[: -len(SCHEDULE_RECORDS)], every[-len(SCHEDULE_RECORDS) :]
    pause = scheduled[SCHEDULE_RECORDS.index(PauseDocument)]
    *records, query, find = records
    new, created, task, full, worker, attempt, cancel, bulk, bulk_answer, why, problem = records
    query, find = (parts.pop(ref["$ref"].rpartition("/")[2])["properties"] for ref in (query, find))
    parts["Definition"] = _definition([kind["$ref"] for kind in kinds], registry.names())
    _name_moments(parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Free Churro Scheduler",
            "description": "Tasks that start at most once, and the truth about them.",
            "version": version,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "."}],
        "paths": _paths(
            new=new, created=created, task=task, full=full, worker=worker, query=query, find=find
        )
        | _acts(full=full, cancel=cancel, bulk=bulk, bulk_answer=bulk_answer)
        | _questions(attempt=attempt, why=why)
        | schedule_paths(scheduled, created)
        | queue_paths(queued, pause)
        | cluster_paths(led),
        "components": {
            "schemas": parts,
            "responses": {"Problem": _answer("A problem", problem, MEDIA_TYPE)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # On loopback no token is asked.
        "security": [{"token": []}, {}],
    }


def _name_moments(parts: Mapping[str, Any]) -> None:
    """msgspec shows the format of moments only where their type says that they are aware."""
    for part in parts.values():
        for name, field in part.get("properties", {}).items():
            if name.endswith("_at") and field.get("type") == "string":
                field["format"] = "date-time"


def _definition(refs: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """What `def` may be: one of the registered types, told apart by `ty`."""
    description = "The type of the task and its arguments."
    if not refs:
        return {"description": description, "not": {}}
    return {
        "description": description,
        "oneOf": [{"$ref": ref} for ref in refs],
        "discriminator": {
            "propertyName": DISCRIMINATOR,
            "mapping": dict(zip(names, refs, strict=True)),
        },
    }


def _paths(
    *,
    new: Any, created: Any, task: Any, full: Any, worker: Any,
    query: Mapping[str, Any], find: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    many = {"type": "array", "items": new}
    created_many = {"type": "array", "items": created}
    status = {"type": "object", "properties": {"status": {"type": "string"}}}
    create_problems = (*BODY_PROBLEMS, "key_in_flight")
    return {
        "/tasks": {
            "post": {
                "operationId": "createTasks",
                "summary": "Create a task, or many: all or none",
                "parameters": [_KEY],
                "requestBody": {"required": True, "content": _json({"anyOf": [new, many]})},
                "responses": {
                    "201": _created({"anyOf": [created, created_many]}),
                    **_problems(*create_problems, "database_unavailable"),
                },
            },
            "get": {
                "operationId": "listTasks",
                "summary": "List tasks, newest first",
                "parameters": _query(query),
                "responses": {
                    "200": _page({"type": "array", "items": task}),
                    **_problems("validation_failed", "database_unavailable"),
                },
            },
        },
        "/tasks/batch": {
            "post": {
                "operationId": "createTaskBatch",
                "summary": "Create many tasks: all or none",
                "parameters": [_KEY],
                "requestBody": {"required": True, "content": _json(many)},
                "responses": {
                    "201": _created(created_many),
                    **_problems(*create_problems, "database_unavailable"),
                },
            }
        },
        "/tasks/{id}": {
            "parameters": [_ID],
            "get": {
                "operationId": "findTask",
                "summary": "Look at a task, or wait for its end",
                "parameters": [*_query(find), _PREFER],
                "responses": {
                    "200": _answer("The task, ended or not", full),
                    **_problems("not_found", "validation_failed", "database_unavailable"),
                },
            },
            "delete": {
                "operationId": "deleteTask",
                "summary": "Delete a task that is not running",
                "responses": {
                    "204": {"description": "It is gone"},
                    **_problems("not_found", "wrong_status", "database_unavailable"),
                },
            },
        },
        "/workers": {
            "get": {
                "operationId": "listWorkers",
                "summary": "List workers, those that ended lately included",
                "responses": {
                    "200": _answer("The workers", {"type": "array", "items": worker}),
                    **_problems("database_unavailable"),
                },
            }
        },
        "/healthz": {
            "get": {
                "operationId": "checkAlive",
                "summary": "Whether this process is alive",
                "security": [{}],
                "responses": {"200": _answer("It is", status), **_problems()},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "checkReady",
                "summary": "Whether this node can do its work",
                "parameters": [_VERBOSE],
                "responses": {"200": _answer("It can", status), **_problems("not_ready")},
            }
        },
    }


def _questions(*, attempt: Any, why: Any) -> dict[str, Any]:
    """What more can be asked about a task."""
    return {
        "/tasks/{id}/attempts": {
            "parameters": [_ID],
            "get": {
                "operationId": "listAttempts",
                "summary": "List the last hundred runs of a task, in their order",
                "responses": {
                    "200": _answer("The runs", {"type": "array", "items": attempt}),
                    **_problems("not_found", "database_unavailable"),
                },
            },
        },
        "/tasks/{id}/why": {
            "parameters": [_ID],
            "get": {
                "operationId": "explainTask",
                "summary": "Say why a task is not running, and what would change that",
                "responses": {
                    "200": _answer("The cause", why),
                    **_problems("not_found", "database_unavailable"),
                },
            },
        },
    }


def _acts(*, full: Any, cancel: Any, bulk: Any, bulk_answer: Any) -> dict[str, Any]:
    """What acts on tasks that are there."""
    return {
        "/tasks/bulk": {
            "post": {
                "operationId": "actOnTasks",
                "summary": "Cancel, retry or delete all tasks that match, or count them",
                "requestBody": {"required": True, "content": _json(bulk)},
                "responses": {
                    "200": _answer("How far it came", bulk_answer),
                    **_problems(*BODY_PROBLEMS, "database_unavailable"),
                },
            }
        },
        "/tasks/{id}/cancel": {
            "parameters": [_ID],
            "post": {
                "operationId": "cancelTask",
                "summary": "End a task that has not begun; ask one that runs to end",
                "requestBody": {"required": False, "content": _json(cancel)},
                "responses": {
                    "200": _answer("The task: cancelled, or asked to end", full),
                    **_problems(
                        *BODY_PROBLEMS, "not_found", "wrong_status", "database_unavailable"
                    ),
                },
            },
        },
        "/tasks/{id}/retry": {
            "parameters": [_ID],
            "post": {
                "operationId": "retryTask",
                "summary": "Create an ended task anew",
                "responses": {
                    "201": _created(full),
                    **_problems("not_found", "wrong_status", "database_unavailable"),
                },
            },
        },
    }


def _query(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "schema": schema, "allowEmptyValue": True}
        for name, schema in fields.items()
    ]


def _json(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": schema}}


def _answer(description: str, schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": _json(schema, media_type)}


def _created(schema: Any) -> dict[str, Any]:
    location = {
        "description": "Where the task is; absent for many",
        "schema": {"type": "string"},
    }
    replayed = {
        "description": "`true` where the key was used before: the answer is the first one again",
        "schema": {"type": "string"},
    }
    headers = {"Location": location, REPLAYED_HEADER: replayed}
    return _answer("Created, and durable; ids in the order of the request", schema) | {
        "headers": headers
    }


def _page(schema: Any) -> dict[str, Any]:
    link = {
        "description": 'The next page, rel="next"; absent on the last one',
        "schema": {"type": "string"},
    }
    return _answer("A page of tasks", schema) | {"headers": {"Link": link}}


def _problems(*codes: str) -> dict[str, Any]:
    """These, and what may happen to any request, also one that asks no database."""
    ref = {"$ref": "#/components/responses/Problem"}
    return {str(KINDS[code].status): ref for code in (*codes, *EVERY_PROBLEM)}

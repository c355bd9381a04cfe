"""Errors as problem documents (RFC 9457), in one place, and what each of them means."""

from typing import NamedTuple

import msgspec
from starlette.responses import Response

from fcs.domain.errors import FcsError, InvalidInput
from fcs.http.errors import InvalidQuery, MethodNotAllowed, NotReady

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem: its HTTP status, and what the page of documentation says of it."""

    status: int
    title: str
    cure: str


KINDS = {
    "invalid_json": Kind(
        400, "Invalid JSON",
        "The body is not JSON, or holds something that not every reader would read alike: a key "
        "given twice, NaN, a NUL character, half a surrogate pair, a number or a depth beyond "
        "reason.",
    ),
    "validation_failed": Kind(
        422, "Invalid request",
        "A field or a parameter is unknown, missing, or has a wrong value; `errors` names each "
        "by its JSON pointer.",
    ),
    "unknown_type": Kind(
        422, "Unknown task type",
        "`def.ty` names no registered function. Check the spelling, and which application this "
        "node has loaded (--app).",
    ),
    "not_found": Kind(
        404, "Not found",
        "There is no such path, no task with that id or no schedule of that name (any more).",
    ),
    "method_not_allowed": Kind(
        405, "Method not allowed", "The path exists; the header `Allow` lists its methods."
    ),
    "wrong_status": Kind(
        409, "Wrong status", "The status of the task does not allow that, now or ever."
    ),
    "needs_not_found": Kind(
        422, "Needs not found",
        "`after` names tasks that are not there. A task can only wait for one that was created "
        "before it; that may have been deleted since.",
    ),
    "task_needed": Kind(
        409, "Task needed",
        "Other tasks wait for the end of this one. Delete or cancel those first, or delete it "
        "when it has ended.",
    ),
    "key_reused": Kind(
        422, "Key reused",
        "The Idempotency-Key was used before, for another request. Send a new request under a "
        "new key, and a repeated one exactly as it was.",
    ),
    "key_in_flight": Kind(
        409, "Key in flight",
        "The first request with this Idempotency-Key has not been answered yet. Send the same "
        "again in a moment; it then gets the first answer.",
    ),
    "schedule_exists": Kind(
        409, "Schedule exists", "There is a schedule of that name, and it says something else."
    ),
    "declared_in_code": Kind(
        409, "Declared in code",
        "What the schedule says is written in the code of the workers: change it there. Over HTTP "
        "it can be paused, resumed and run.",
    ),
    "limits_need_leader": Kind(
        409, "Limits need a leader",
        "In mode hash nobody hands out the tasks of all workers, so nobody could keep a limit of a "
        "queue. Take limits away before that mode, or choose another one before a limit.",
    ),
    "too_large": Kind(
        413, "Body too large",
        "Keep large data elsewhere and hand over its address; split long lists of tasks.",
    ),
    "unsupported_media_type": Kind(
        415, "Unsupported media type", "Send JSON as UTF-8, with Content-Type: application/json."
    ),
    "request_timeout": Kind(
        408, "Request timeout",
        "Send the request again. A proxy that buffers requests helps slow clients.",
    ),
    "bad_request": Kind(400, "Bad request", "What came was not HTTP, or its head was too long."),
    "unauthenticated": Kind(
        401, "Token required", "Send the header Authorization: Bearer, with a token of this node."
    ),
    "forbidden": Kind(
        403, "Forbidden",
        "The request names a foreign host or comes from a foreign web page. Programs need not "
        "send Origin at all.",
    ),
    "database_unavailable": Kind(
        503, "Database unavailable",
        "Postgres could not be reached. Try again later; a create may or may not have happened.",
    ),
    "schema_outdated": Kind(503, "Schema outdated", "Run `fcs init` against this database."),
    "schema_newer": Kind(503, "Schema newer", "This node is older than the database: upgrade it."),
    "not_ready": Kind(503, "Not ready", "A check fails: /readyz?verbose tells which."),
    "shutting_down": Kind(
        503, "Shutting down",
        "The node stopped before it could answer. Ask another one, or again later.",
    ),
    "internal_error": Kind(
        500, "Internal error", "A fault of fcs: look for the request id in the node's log."
    ),
}  # fmt: skip

_RETRY_LATER = {"database_unavailable", "key_in_flight", "not_ready", "shutting_down"}


class Place(msgspec.Struct, omit_defaults=True):
    """One thing that is wrong: where in the body, or in which query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemDocument(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """What every error looks like. `code` is for programs, `detail` and `hint` for people."""

    kind: str
    title: str
    status: int
    code: str
    detail: str
    hint: str = ""
    instance: str = ""
    request_id: str = ""
    errors: list[Place] = []
    checks: dict[str, dict[str, str | bool]] = {}


def kind_of(error: FcsError) -> Kind:
    return KINDS.get(error.code, KINDS["internal_error"])


def problem(error: FcsError, *, root: str, path: str, request_id: str) -> Response:
    """The response for an error. `root` is the path under which this app is mounted."""
    kind = kind_of(error)
    document = ProblemDocument(
        kind=f"{root}/docs#{error.code}",
        title=kind.title,
        status=kind.status,
        code=error.code,
        detail=str(error),
        hint=error.hint,
        instance=path,
        request_id=request_id,
        errors=_places(error),
        checks=error.checks if isinstance(error, NotReady) else {},
    )
    return Response(
        _ENCODER.encode(document), kind.status, headers=_headers(error), media_type=MEDIA_TYPE
    )


def _places(error: FcsError) -> list[Place]:
    if isinstance(error, InvalidQuery):
        return [Place(found.message, parameter=found.pointer[1:]) for found in error.problems]
    if isinstance(error, InvalidInput):
        return [Place(found.message, pointer=found.pointer) for found in error.problems]
    return []


def _headers(error: FcsError) -> dict[str, str]:
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    if error.code in _RETRY_LATER:
        headers["Retry-After"] = "1"
    return headers


_ENCODER = msgspec.json.Encoder()

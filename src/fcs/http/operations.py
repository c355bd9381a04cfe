"""Pieces of which the OpenAPI description of a request is made."""

from typing import Any

from fcs.http.problems import KINDS

BODY_PROBLEMS = (
    "invalid_json", "too_large", "unsupported_media_type", "validation_failed", "request_timeout",
)  # fmt: skip
EVERY_PROBLEM = ("unauthenticated", "forbidden", "internal_error")
"""What may happen to any request."""


def act(
    operation: str,
    summary: str,
    body: Any,
    status: str,
    shown: Any,
    *codes: str,
    location: str = "",
    required: bool = True,
) -> dict[str, Any]:
    """A request with this body, or none, that is answered with `shown` or one of the problems."""
    described = answer("Done", shown)
    if location:
        described["headers"] = {"Location": header(location)}
    request: dict[str, Any] = {"operationId": operation, "summary": summary}
    if body is not None:
        request["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": body}},
        }
    return request | {"responses": {status: described, **problems(*codes)}}


def answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def problems(*codes: str) -> dict[str, Any]:
    """These, and what may happen to any request that needs the database."""
    ref = {"$ref": "#/components/responses/Problem"}
    every = (*codes, "database_unavailable", *EVERY_PROBLEM)
    return {str(KINDS[code].status): ref for code in every}

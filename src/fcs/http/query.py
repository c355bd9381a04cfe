"""Query parameters of lists, and the cursor that leads from one page to the next."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams

from fcs.domain.errors import Problem
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.http.errors import InvalidQuery
from fcs.registry.problems import explain, find_problem, near_match

LIMIT_DEFAULT = 100
LIMIT_MAX = 500

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Word = Annotated[str, Meta(max_length=200)]
Cursor = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_-]{22}$"})]


class TaskQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which tasks to list. `cursor` comes from the `Link` header of the page before."""

    status: Status | None = None
    ty: Word | None = None
    queue: Word | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = None


def read_query(params: QueryParams) -> TaskQuery:
    """Check the parameters. One left empty counts as not given."""
    given: dict[str, str] = {}
    for name, value in params.multi_items():
        if name in given:
            raise _invalid(name, "is given twice")
        if "\0" in value:
            raise _invalid(name, "contains the character NUL")
        if value:
            given[name] = value
    try:
        return msgspec.convert(given, TaskQuery, strict=False)
    except msgspec.ValidationError as error:
        problem = find_problem(error)
        raise _invalid(problem.pointer[1:], problem.message) from None


def read_cursor(cursor: str | None) -> UUID | None:
    """The id below which a page starts."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError:
        raise _invalid("cursor", "was not made by this server") from None


def next_link(path: str, query: TaskQuery, last: TaskId) -> str:
    """The `Link` header that leads to the page after the task `last`."""
    asked = {"status": query.status, "ty": query.ty, "queue": query.queue}
    params: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    params["limit"] = query.limit
    params["cursor"] = urlsafe_b64encode(last.bytes).rstrip(b"=").decode()
    return f'<{path}?{urlencode(params)}>; rel="next"'


def _invalid(name: str, message: str) -> InvalidQuery:
    known = TaskQuery.__struct_fields__
    problem = Problem("/" + name, message)
    return InvalidQuery(
        f"Query parameter {explain(problem)}.",
        hint=near_match(name, known) or f"Known parameters: {', '.join(known)}.",
        problems=[problem],
    )

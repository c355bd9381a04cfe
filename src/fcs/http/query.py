"""Query parameters of lists, and the cursor that leads from one page to the next."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.datastructures import QueryParams

from fcs.domain.durations import seconds_of
from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.http.errors import InvalidQuery
from fcs.registry.problems import explain, find_problem, near_match

LIMIT_DEFAULT = 100
LIMIT_MAX = 500
WAIT_MAX = 60.0

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Word = Annotated[str, Meta(max_length=200)]
Wait = Annotated[
    str, Meta(description=f"A stretch of time such as 30s, at most {WAIT_MAX:g}s.", max_length=50)
]
Cursor = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_-]{22}$"})]


class TaskQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which tasks to list. `cursor` comes from the `Link` header of the page before."""

    status: Status | None = None
    ty: Word | None = None
    queue: Word | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = None


class FindQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How to look at a task: at once, or when it has ended, but for so long at the most."""

    wait: Wait | None = None


Q = TypeVar("Q", bound=msgspec.Struct)


def read_query(params: QueryParams, kind: type[Q]) -> Q:
    """Check the parameters. One left empty counts as not given."""
    known = kind.__struct_fields__
    given: dict[str, str] = {}
    for name, value in params.multi_items():
        if name in given:
            raise _invalid(name, "is given twice", known)
        if "\0" in value:
            raise _invalid(name, "contains the character NUL", known)
        if value:
            given[name] = value
    try:
        return _convert(given, kind)
    except msgspec.ValidationError as error:
        problem = find_problem(error)
        raise _invalid(problem.pointer[1:], problem.message, known) from None


def _convert(given: Mapping[str, str], kind: type[Q]) -> Q:
    """Take text for what the parameters are to be. The word null is a word like any other: taken
    for nothing at all, as msgspec would, it would leave a filter out."""
    words = {name: value for name, value in given.items() if value.lower() == "null"}
    others = {name: value for name, value in given.items() if name not in words}
    query = msgspec.convert(others, kind, strict=False)
    if words:
        said = msgspec.convert(words, kind)
        for name in words:
            setattr(query, name, getattr(said, name))
    return query


def read_cursor(cursor: str | None) -> UUID | None:
    """The id below which a page starts."""
    if cursor is None:
        return None
    try:
        id = UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError:
        id = None
    # Whatever is no letter of base64 is left out in reading, and so are its last bits.
    if id is None or write_cursor(TaskId(id)) != cursor:
        raise _invalid("cursor", "was not made by this server", ["cursor"])
    return id


def next_link(path: str, query: TaskQuery, last: TaskId) -> str:
    """The `Link` header that leads to the page after the task `last`."""
    asked = {"status": query.status, "ty": query.ty, "queue": query.queue}
    params: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    params["limit"] = query.limit
    params["cursor"] = write_cursor(last)
    return f'<{path}?{urlencode(params)}>; rel="next"'


def write_cursor(last: TaskId) -> str:
    """What `read_cursor` reads."""
    return urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def read_wait(query: FindQuery) -> float | None:
    """For how long to wait, in seconds; `None` where that was not asked."""
    if query.wait is None:
        return None
    try:
        seconds = seconds_of(query.wait)
    except InvalidInput as error:
        raise _invalid("wait", str(error), ["wait"], error.hint) from None
    if seconds > WAIT_MAX:
        raise _invalid("wait", f"is more than {WAIT_MAX:g} s", ["wait"], "Ask again afterwards.")
    return seconds


def read_prefer(header: str) -> float | None:
    """The same from a header `Prefer: wait=30` (RFC 7240), which may be taken less than literally:
    what cannot be read is ignored, and nobody waits longer than he may."""
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait" and re.fullmatch(r'\s*"?[0-9]{1,9}"?\s*', value):
            return min(WAIT_MAX, float(value.strip().strip('"')))
    return None


def _invalid(name: str, message: str, known: Sequence[str], hint: str = "") -> InvalidQuery:
    problem = Problem("/" + name, message)
    if name == "status":
        hint = f"A status is one of {', '.join(Status)}."
    return InvalidQuery(
        f"Query parameter {explain(problem)}.",
        hint=hint or near_match(name, known) or f"Known parameters: {', '.join(known)}.",
        problems=[problem],
    )

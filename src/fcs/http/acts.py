"""The requests that act on tasks that are there: cancel, retry, and both and more in bulk."""

from collections.abc import Callable
from time import monotonic
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from fcs.database.sweep import AT_A_TIME, Sweep
from fcs.database.tasks import REASON_MAX
from fcs.domain import json
from fcs.domain.bulk import Action, Filter
from fcs.domain.durations import seconds_of
from fcs.domain.errors import DatabaseUnavailable, InvalidInput, Problem, WrongStatus
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.http.body import read_json, read_json_or_nothing
from fcs.http.errors import InvalidQuery
from fcs.http.ids import id_of, missing
from fcs.http.query import Cursor, Word, read_cursor, write_cursor
from fcs.http.store import Store
from fcs.http.wire import Stretch, answer, show_in_full
from fcs.registry.problems import explain, find_problem, near_match

SECONDS_MAX = 5.0
"""After so long a bulk act answers with how far it came."""

T = TypeVar("T")

Reason = Annotated[str, Meta(max_length=REASON_MAX)]


class CancelDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Why the task is to end; it is shown with the task."""

    reason: Reason = ""


class FilterDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Which tasks are meant: those to which all that is given applies. One thing must be given."""

    status: Status | None = None
    ty: Word | None = None
    queue: Word | None = None
    older_than: Stretch | None = None


class BulkDocument(msgspec.Struct, forbid_unknown_fields=True):
    """An act on all tasks that match. With `dry_run` they are only counted.

    `cursor` comes from the answer before, where that did not get to the end.
    """

    filter: FilterDocument
    action: Action
    reason: Reason = ""
    dry_run: bool = False
    cursor: Cursor | None = None


class BulkAnswer(msgspec.Struct):
    """How many tasks were acted on, by the status in which they were found.

    With a `cursor` there are more: send the same again with it. Without one that was all.
    """

    action: Action
    dry_run: bool
    tasks: int
    by_status: dict[str, int]
    cursor: str | None


class Acts:
    """`new_id` makes the ids of new tasks; a body may have `body_bytes_max` bytes."""

    def __init__(self, *, store: Store, new_id: Callable[[], TaskId], body_bytes_max: int) -> None:
        self._store = store
        self._new_id = new_id
        self._body_bytes_max = body_bytes_max

    async def cancel(self, request: Request) -> Response:
        """Answers with the task, which shows what came of it: cancelled, or asked to end."""
        task_id = id_of(request)
        body = await read_json_or_nothing(request, bytes_max=self._body_bytes_max)
        asked = _decode(CancelDocument, body) if body else CancelDocument()
        found, task = await self._store.cancel(task_id, asked.reason)
        if found is None or task is None:
            raise missing(task_id)
        if found.is_final and found is not Status.CANCELLED:
            raise WrongStatus(
                f"Task {task_id} is {found}; it has ended and cannot be cancelled any more.",
                hint="A final status never changes.",
            )
        return answer(show_in_full(task))

    async def retry(self, request: Request) -> Response:
        """Answers with the new task."""
        task_id, new_id = id_of(request), self._new_id()
        found, task = await self._store.repeat(task_id, new_id)
        if found is None or (found.is_final and task is None):
            raise missing(task_id)
        if task is None:
            raise WrongStatus(
                f"Task {task_id} is {found}; only a task that has ended can be run once more.",
                hint="Wait for its end, or cancel it first.",
            )
        location = f"{request.scope.get('root_path', '')}/tasks/{new_id}"
        return answer(show_in_full(task), status=201, headers={"Location": location})

    async def bulk(self, request: Request) -> Response:
        body = await read_json(request, bytes_max=self._body_bytes_max)
        asked = _decode(BulkDocument, body)
        before = _before(asked.cursor)
        sweep = Sweep(
            _filter_of(asked.filter),
            asked.action,
            new_id=self._new_id,
            reason=asked.reason,
            before=before,
            dry_run=asked.dry_run,
        )
        await self._carry_out(sweep)
        return answer(
            BulkAnswer(
                asked.action,
                asked.dry_run,
                sweep.counts.total(),
                {status.value: count for status, count in sorted(sweep.counts.items())},
                None if sweep.is_over or sweep.before is None else write_cursor(sweep.before),
            )
        )

    async def _carry_out(self, sweep: Sweep) -> None:
        give_up_at = monotonic() + SECONDS_MAX
        while not sweep.is_over:
            try:
                await self._store.step(sweep)
            except DatabaseUnavailable as error:
                if sweep.creates:
                    raise _in_doubt(sweep) from error
                # What is done is done, and the cursor tells where to go on.
                if sweep.counts:
                    return
                raise
            if monotonic() >= give_up_at:
                return


def _in_doubt(sweep: Sweep) -> DatabaseUnavailable:
    """To go on from a cursor could create tasks a second time."""
    return DatabaseUnavailable(
        f"The database did not answer. There are {sweep.counts.total()} new tasks, and it is not"
        f" known whether there are up to {AT_A_TIME} more.",
        hint="Asked again, there may be two of each. Look first which are there:  GET /tasks",
    )


def _filter_of(document: FilterDocument) -> Filter:
    older_than = None
    if document.older_than is not None:
        try:
            older_than = seconds_of(document.older_than)
        except InvalidInput as error:
            raise _invalid(Problem("/filter/older_than", str(error)), error.hint) from None
    found = Filter(
        status=document.status, ty=document.ty, queue=document.queue, older_than=older_than
    )
    if found.is_empty:
        raise _invalid(
            Problem("/filter", "names nothing, and that would mean every task"),
            'Give a status, a type, a queue or an age; {"older_than": 0} means every task.',
        )
    return found


def _before(cursor: str | None) -> TaskId | None:
    try:
        found = read_cursor(cursor)
    except InvalidQuery:
        raise _invalid(
            Problem("/cursor", "was not made by this server"), "Leave it out to begin anew."
        ) from None
    return None if found is None else TaskId(found)


def _decode(kind: type[T], body: bytes) -> T:
    json.parse(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        problem = find_problem(error)
        raise _invalid(problem, _hint(kind, problem)) from None


def _hint(kind: Any, problem: Problem) -> str:
    *path, name = problem.pointer.split("/")
    if path == ["", "filter"]:
        kind = FilterDocument
    if name == "status":
        return f"A status is one of {', '.join(Status)}."
    if name == "action":
        return f"An action is one of {', '.join(Action)}."
    known = kind.__struct_fields__
    return near_match(name, known) or f"Known here: {', '.join(known)}."


def _invalid(problem: Problem, hint: str) -> InvalidInput:
    return InvalidInput(
        f"The request cannot be carried out: {explain(problem)}.", hint=hint, problems=[problem]
    )

"""The requests about tasks."""

from collections.abc import Callable
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fcs.domain.errors import TaskNotFound, WrongStatus
from fcs.domain.ids import TaskId
from fcs.domain.task import Status
from fcs.http.body import read_json
from fcs.http.creation import read_tasks
from fcs.http.query import next_link, read_cursor, read_query
from fcs.http.store import Store
from fcs.http.wire import CreatedDocument, show, show_in_full
from fcs.registry import Registry

_ENCODER = msgspec.json.Encoder()


class Tasks:
    """`new_id` makes the ids of new tasks; a body may have `body_bytes_max` bytes."""

    def __init__(
        self,
        *,
        registry: Registry,
        store: Store,
        new_id: Callable[[], TaskId],
        body_bytes_max: int,
    ) -> None:
        self._registry = registry
        self._store = store
        self._new_id = new_id
        self._body_bytes_max = body_bytes_max

    async def create(self, request: Request) -> Response:
        body = await read_json(request, bytes_max=self._body_bytes_max)
        asked = read_tasks(body, registry=self._registry, new_id=self._new_id)
        new = asked if isinstance(asked, list) else [asked]
        if new:
            await self._store.create(new)

        created = [CreatedDocument(task.id) for task in new]
        if isinstance(asked, list):
            return _json(created, status=201)
        location = f"{request.scope.get('root_path', '')}/tasks/{asked.id}"
        return _json(created[0], status=201, headers={"Location": location})

    async def list_page(self, request: Request) -> Response:
        query = read_query(request.query_params)
        # One more than asked for tells whether there is a next page.
        found = await self._store.list_tasks(
            limit=query.limit + 1,
            before=read_cursor(query.cursor),
            status=query.status,
            ty=query.ty,
            queue=query.queue,
        )
        page, headers = found[: query.limit], {}
        if len(found) > len(page):
            path = f"{request.scope.get('root_path', '')}/tasks"
            headers["Link"] = next_link(path, query, page[-1].id)
        return _json([show(task) for task in page], headers=headers)

    async def find(self, request: Request) -> Response:
        task_id = _id_of(request)
        task = await self._store.find_task(task_id)
        if task is None:
            raise _missing(task_id)
        return _json(show_in_full(task))

    async def delete(self, request: Request) -> Response:
        task_id = _id_of(request)
        found = await self._store.delete(task_id)
        if found is None:
            raise _missing(task_id)
        if found is Status.RUNNING:
            raise WrongStatus(
                f"Task {task_id} is running; only tasks that are not can be deleted.",
                hint=f"Cancel it first (POST /tasks/{task_id}/cancel), or wait for its end.",
            )
        return Response(status_code=204)


def _id_of(request: Request) -> TaskId:
    text = request.path_params["id"]
    try:
        if len(text) != 36:
            raise ValueError
        return TaskId(UUID(text))
    except ValueError:
        raise _missing(text[:100]) from None


def _missing(id: TaskId | str) -> TaskNotFound:
    return TaskNotFound(
        f"There is no task {id}.", hint="It may have been deleted. GET /tasks lists what is there."
    )


def _json(answer: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(answer), status, headers=headers, media_type="application/json")

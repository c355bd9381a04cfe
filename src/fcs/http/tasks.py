"""The requests about tasks."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from fcs.database.creation import Created
from fcs.domain.errors import TaskNeeded, WrongStatus
from fcs.domain.ids import TaskId
from fcs.http.body import read_json
from fcs.http.creation import read_tasks
from fcs.http.ids import id_of, missing
from fcs.http.keys import KEY_HEADER, REPLAYED_HEADER, read_key
from fcs.http.query import (
    FindQuery,
    TaskQuery,
    next_link,
    read_cursor,
    read_prefer,
    read_query,
    read_wait,
)
from fcs.http.store import Store
from fcs.http.wire import CreatedDocument, answer, show, show_in_full
from fcs.registry import Registry


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
        key = read_key(request.headers.get(KEY_HEADER))
        asked = read_tasks(body, registry=self._registry, new_id=self._new_id, key=key)
        new = asked if isinstance(asked, list) else [asked]
        created = await self._store.create(new) if new else Created([])

        headers = {REPLAYED_HEADER: "true"} if created.is_replay else {}
        documents = [CreatedDocument(id) for id in created.ids]
        if isinstance(asked, list):
            return answer(documents, status=201, headers=headers)
        headers["Location"] = f"{request.scope.get('root_path', '')}/tasks/{created.ids[0]}"
        return answer(documents[0], status=201, headers=headers)

    async def list_page(self, request: Request) -> Response:
        query = read_query(request.query_params, TaskQuery)
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
        return answer([show(task) for task in page], headers=headers)

    async def find(self, request: Request) -> Response:
        """With `wait` it answers when the task has ended, or with its present state when not."""
        task_id = id_of(request)
        wait, headers = read_wait(read_query(request.query_params, FindQuery)), {}
        if wait is None and (wait := read_prefer(request.headers.get("prefer", ""))) is not None:
            headers["Preference-Applied"] = f"wait={wait:g}"
        task = await self._store.find_task(task_id)
        if task is not None and wait and not task.status.is_final:
            await self._store.endings.wait(task_id, wait)
            task = await self._store.find_task(task_id)
        if task is None:
            raise missing(task_id)
        return answer(show_in_full(task), headers=headers)

    async def attempts(self, request: Request) -> Response:
        task_id = id_of(request)
        attempts = await self._store.list_attempts(task_id)
        # Without a run there is still the task to be asked for.
        if not attempts and await self._store.find_task(task_id) is None:
            raise missing(task_id)
        return answer(attempts)

    async def explain(self, request: Request) -> Response:
        task_id = id_of(request)
        why = await self._store.explain(task_id)
        if why is None:
            raise missing(task_id)
        return answer(why)

    async def delete(self, request: Request) -> Response:
        task_id = id_of(request)
        found = await self._store.delete(task_id)
        if found is None:
            raise missing(task_id)
        if found.is_awaited:
            raise TaskNeeded(
                f"Other tasks wait for the end of task {task_id}.",
                hint="Delete or cancel those first, or delete it when it has ended.",
            )
        if not found.is_done:
            raise WrongStatus(
                f"Task {task_id} is running; only tasks that are not can be deleted.",
                hint=f"Cancel it first (POST /tasks/{task_id}/cancel), or wait for its end.",
            )
        return Response(status_code=204)

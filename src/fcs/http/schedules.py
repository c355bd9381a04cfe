"""The requests about schedules."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fcs.database import backlog, schedules, timetable
from fcs.database.connect import Connection
from fcs.domain.cron import Rule
from fcs.domain.errors import InvalidInput, Problem
from fcs.domain.ids import TaskId
from fcs.domain.schedule import Definition, ScheduleView, check_name, defined
from fcs.domain.task import NewTask
from fcs.http.body import decode, invalid, read_json, read_json_or_nothing
from fcs.http.creation import read_tasks
from fcs.http.query import read_query
from fcs.http.schedule_wire import (
    NewScheduleDocument,
    NextQuery,
    PauseDocument,
    PreviewRequest,
    ScheduleChangeDocument,
    ScheduleQuery,
    preview,
    show,
)
from fcs.http.store import COPY_IN_DOUBT, LOOK_FOR_COPY, Store
from fcs.http.wire import CreatedDocument
from fcs.registry import Registry

_ENCODER = msgspec.json.Encoder()


class Schedules:
    """`new_id` makes the ids of tasks; a body may have `body_bytes_max` bytes."""

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

    async def list_page(self, request: Request) -> Response:
        query = read_query(request.query_params, ScheduleQuery)
        # One more than asked for tells whether there is a next page.
        found = await self._store.ask(
            lambda db: schedules.list_schedules(db, limit=query.limit + 1, after=query.after)
        )
        page, headers = found[: query.limit], {}
        if len(found) > len(page):
            params = urlencode({"limit": query.limit, "after": page[-1].name})
            headers["Link"] = f'<{_root(request)}/schedules?{params}>; rel="next"'
        return _json([show(view) for view in page], headers=headers)

    async def create(self, request: Request) -> Response:
        asked = decode(await self._read(request), NewScheduleDocument)
        name = check_name(asked.name)
        draft = self._read_task(asked.task)
        definition = defined(asked.cron, asked.tz, asked.catch_up, draft)
        view = await self._store.ask(lambda db: timetable.create(db, name, definition))
        location = f"{_root(request)}/schedules/{name}"
        return _json(show(view), status=201, headers={"Location": location})

    async def find(self, request: Request) -> Response:
        return await self._answer(request, timetable.find)

    async def change(self, request: Request) -> Response:
        asked = decode(await self._read(request), ScheduleChangeDocument)
        draft = self._read_task(asked.task) if bytes(asked.task) else None

        def changed(view: ScheduleView) -> Definition:
            was = view.definition
            return defined(
                was.cron if asked.cron is None else asked.cron,
                was.tz if asked.tz is None else asked.tz,
                was.catch_up if asked.catch_up is None else asked.catch_up,
                was.task(self._new_id(), None) if draft is None else draft,
            )

        return await self._answer(request, lambda db, name: timetable.change(db, name, changed))

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._store.ask(lambda db: timetable.remove(db, name))
        return Response(status_code=204)

    async def pause(self, request: Request) -> Response:
        body = await read_json_or_nothing(request, bytes_max=self._body_bytes_max)
        asked = decode(body, PauseDocument) if body else PauseDocument()
        return await self._answer(
            request, lambda db, name: timetable.pause(db, name, by=asked.by, why=asked.why)
        )

    async def resume(self, request: Request) -> Response:
        return await self._answer(request, timetable.resume)

    async def run(self, request: Request) -> Response:
        name, id = request.path_params["name"], self._new_id()
        await self._store.ask(
            lambda db: timetable.run_now(db, name, id), COPY_IN_DOUBT, LOOK_FOR_COPY
        )
        location = f"{_root(request)}/tasks/{id}"
        return _json(CreatedDocument(id), status=201, headers={"Location": location})

    async def show_next(self, request: Request) -> Response:
        query, name = read_query(request.query_params, NextQuery), request.path_params["name"]
        view = await self._store.ask(lambda db: timetable.find(db, name))
        now = await self._store.ask(backlog.now)
        return _json(preview(view.definition.rule, now, query.n))

    async def preview(self, request: Request) -> Response:
        asked = decode(await self._read(request), PreviewRequest)
        rule = Rule(asked.cron, asked.tz)
        return _json(preview(rule, await self._store.ask(backlog.now), asked.n))

    async def _answer(
        self, request: Request, act: Callable[[Connection, str], Awaitable[ScheduleView]]
    ) -> Response:
        name = request.path_params["name"]
        return _json(show(await self._store.ask(lambda db: act(db, name))))

    async def _read(self, request: Request) -> bytes:
        return await read_json(request, bytes_max=self._body_bytes_max)

    def _read_task(self, text: msgspec.Raw) -> NewTask:
        try:
            task = read_tasks(bytes(text), registry=self._registry, new_id=self._new_id)
        except InvalidInput as error:
            error.problems = [
                Problem(f"/task{found.pointer}", found.message) for found in error.problems
            ]
            raise
        if isinstance(task, list):
            raise invalid(Problem("/task", "expected an object"), "One kind of task a schedule.")
        return task


def _root(request: Request) -> str:
    root: Any = request.scope.get("root_path", "")
    return str(root)


def _json(answer: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(answer), status, headers=headers, media_type="application/json")

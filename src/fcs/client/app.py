"""The app: task types by decoration, and the database that their tasks go to."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack, overload
from uuid import UUID
from zoneinfo import ZoneInfo

from fcs.body import Context
from fcs.client.handler import Handler
from fcs.client.store import Store
from fcs.client.task import Task
from fcs.domain.durations import Duration
from fcs.domain.errors import InvalidInput
from fcs.domain.given import require
from fcs.domain.ids import TaskId
from fcs.domain.schedule import DEFAULT_TZ, CatchUp, check_catch_up, defined
from fcs.registry import InvalidTaskType, Registry, TaskOptions, TaskType
from fcs.registry.surroundings import middleware_of, resource_of

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Handler[..., Any, Any])

_ARGS = 'They go by name: args={"to": "ann@example.org"}.'


class Decorator(Protocol):
    """Makes a handler of a function. A first parameter for the context is no argument."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]], /
    ) -> Handler[P, Coroutine[Any, Any, T], T]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Handler[P, R, R]: ...

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, T]], /
    ) -> Handler[P, Coroutine[Any, Any, T], T]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Handler[P, R, R]: ...


class App:
    """An application's task types.

    `database` is the URL of a Postgres; without it `FCS_DATABASE` counts, then `DATABASE_URL`.
    Nothing is opened before the first task is created.
    """

    def __init__(self, *, database: str | None = None) -> None:
        self.store = Store(database)
        self.registry = Registry()

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]]
    ) -> Handler[P, Coroutine[Any, Any, T], T]: ...

    @overload
    def task(self, function: Callable[Concatenate[Context, P], R]) -> Handler[P, R, R]: ...

    @overload
    def task(
        self, function: Callable[P, Coroutine[Any, Any, T]]
    ) -> Handler[P, Coroutine[Any, Any, T], T]: ...

    @overload
    def task(self, function: Callable[P, R]) -> Handler[P, R, R]: ...

    @overload
    def task(self, **options: Unpack[TaskOptions]) -> Decorator: ...

    def task(
        self, function: Callable[..., Any] | None = None, **options: Unpack[TaskOptions]
    ) -> Handler[Any, Any, Any] | Decorator:
        """Make a task type of a function, as `@app.task` or `@app.task(queue="mail")`.

        `async def` runs on the worker's event loop, plain `def` in a thread. The arguments
        are checked against the annotations when a task is created and before it begins.
        Parameters annotated with `fcs.Context` or with what a resource yields are no arguments:
        the worker fills them in.
        The options are those of `TaskOptions`.

        Raises `InvalidTaskType` when the function cannot be one, an option makes no sense, or
        the name is taken.
        """

        def register(function: Callable[..., Any]) -> Handler[Any, Any, Any]:
            injects = [Context, *self.registry.provided]
            task_type = TaskType(function, injects=injects, **options)
            self.registry.add(task_type)
            return Handler(function, task_type, self)

        return register if function is None else register(function)

    def resource(self, function: Callable[[], AsyncIterator[T]]) -> Callable[[], AsyncIterator[T]]:
        """Declare a resource: an async generator function that yields it once.

        A worker enters it when a body first needs it, and leaves it when the worker stops. The
        parameters of tasks declared below that are annotated with what it yields are given it.

        Raises `InvalidSurroundings` when the function cannot be one, or there is one like it.
        """
        self.registry.add_resource(resource_of(function))
        return function

    def middleware(
        self, function: Callable[[Context], AsyncIterator[None]]
    ) -> Callable[[Context], AsyncIterator[None]]:
        """Declare what is around every run: an async generator function that yields once.

        It takes the context of the run. The first one declared is the outermost. What it raises
        before the `yield` keeps the body from starting, and afterwards counts as the body's own.

        Raises `InvalidSurroundings` when the function cannot be one.
        """
        self.registry.middleware.append(middleware_of(function))
        return function

    def schedule(
        self,
        cron: str,
        *,
        tz: str | ZoneInfo = DEFAULT_TZ,
        name: str | None = None,
        args: Mapping[str, Any] | None = None,
        catch_up: str = CatchUp.SKIP,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: Duration | None = None,
        on_interrupt: str | None = None,
        limit_key: str | None = None,
    ) -> Callable[[H], H]:
        """Create a task again and again: `@app.schedule("0 9 * * mon-fri")` above `@app.task`.

        `cron` has five fields (six with seconds first) and is read by the clocks of the zone
        `tz`. `args` are the arguments of each task. `catch_up` says what becomes of fires that
        were missed: "skip", "once" or "all". `name` is that of the task type unless given. The
        others are as for `using`. Workers write the schedule down when they start.

        Raises `InvalidTaskType` when it makes no sense, or the name is taken.
        """

        def declare(handler: H) -> H:
            if not isinstance(handler, Handler):
                raise InvalidTaskType(
                    f"@app.schedule({cron!r}) does not stand above @app.task.",
                    hint="Write @app.schedule(...) first, and @app.task below it.",
                )
            try:
                own = handler.using(
                    queue=queue,
                    priority=priority,
                    max_attempts=max_attempts,
                    timeout=timeout,
                    on_interrupt=on_interrupt,
                    limit_key=limit_key,
                )
                require("args", args or {}, Mapping, wanted="a dict", hint=_ARGS)
                zone = (tz.key or str(tz)) if isinstance(tz, ZoneInfo) else tz
                definition = defined(cron, zone, check_catch_up(catch_up), own.draft(args or {}))
                self.registry.add_schedule(name or handler.task_type.name, definition)
            except InvalidInput as error:
                raise InvalidTaskType(
                    f"Schedule of {handler.task_type.name!r}: {error}", hint=error.hint
                ) from None
            return handler

        return declare

    def find(self, id: UUID | str) -> Task[Any]:
        """A task that was created earlier, by its id, to be looked at or waited for.

        Raises `InvalidInput` for a text that is no id; whether the task is there shows later.
        """
        try:
            return Task(TaskId(UUID(str(id))), self.store)
        except ValueError:
            raise InvalidInput(
                f"{str(id)[:100]!r} is not the id of a task",
                hint="It looks like 01a20940-224b-7bf2-875d-b40c2c12609b; `enqueue` returns it.",
            ) from None

    async def close(self) -> None:
        """Close the connections. The app can be used again afterwards."""
        await self.store.close()

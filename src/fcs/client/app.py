"""The app: task types by decoration, and the database that their tasks go to."""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, overload
from uuid import UUID

from fcs.client.handler import Handler
from fcs.client.store import Store
from fcs.client.task import Task
from fcs.domain.errors import InvalidInput
from fcs.domain.ids import TaskId
from fcs.registry import Registry, TaskOptions, TaskType

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Decorator(Protocol):
    """Makes a handler of a function."""

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
        self._store = Store(database)
        self.registry = Registry()

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
        The options are those of `TaskOptions`.

        Raises `InvalidTaskType` when the function cannot be one, an option makes no sense, or
        the name is taken.
        """

        def register(function: Callable[..., Any]) -> Handler[Any, Any, Any]:
            task_type = TaskType(function, **options)
            self.registry.add(task_type)
            return Handler(function, task_type, self._store)

        return register if function is None else register(function)

    def find(self, id: UUID | str) -> Task[Any]:
        """A task that was created earlier, by its id, to be looked at or waited for.

        Raises `InvalidInput` for a text that is no id; whether the task is there shows later.
        """
        try:
            return Task(TaskId(UUID(str(id))), self._store)
        except ValueError:
            raise InvalidInput(
                f"{str(id)[:100]!r} is not the id of a task",
                hint="It looks like 01a20940-224b-7bf2-875d-b40c2c12609b; `enqueue` returns it.",
            ) from None

    async def close(self) -> None:
        """Close the connections. The app can be used again afterwards."""
        await self._store.close()

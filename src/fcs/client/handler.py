"""A handler: the function of a task type, and the ways to create tasks of it."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypeVar
from uuid import UUID

from fcs.body import Context, current
from fcs.client.carriers import carrier_for
from fcs.client.ids import new_task_id
from fcs.client.packing import Packing
from fcs.client.store import Store
from fcs.client.task import Task
from fcs.database.carrier import Carrier, SyncCarrier
from fcs.database.creation import Created
from fcs.domain.durations import Duration, seconds_of
from fcs.domain.errors import InvalidInput
from fcs.domain.given import misfit, require
from fcs.domain.ids import TaskId
from fcs.domain.keys import check_key
from fcs.domain.moments import checked_moment
from fcs.domain.needs import check_needs, check_when_needs_fail
from fcs.domain.task import NewTask, OnInterrupt, WhenNeedsFail
from fcs.registry import (
    Registry,
    TaskType,
    check_attempts,
    check_limit_key,
    check_on_interrupt,
    check_priority,
    check_queue,
    check_timeout,
)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")
W = TypeVar("W")

_FORGOTTEN = "In an async function await it first: after=[await first.enqueue()]."


@dataclass(frozen=True, slots=True)
class Options:
    """How the tasks of one `using(...)` differ from their type's defaults."""

    queue: str
    priority: int
    max_attempts: int
    timeout: float | None
    on_interrupt: OnInterrupt
    scheduled_at: datetime | None = None
    delay: float | None = None
    key: str | None = None
    limit_key: str | None = None
    after: tuple[TaskId, ...] = ()
    when_needs_fail: WhenNeedsFail = WhenNeedsFail.CANCEL
    connection: Carrier | SyncCarrier | None = field(default=None, repr=False)

    @classmethod
    def of(cls, task_type: TaskType) -> "Options":
        """As the type has them."""
        return cls(
            task_type.queue,
            task_type.priority,
            task_type.max_attempts,
            task_type.timeout,
            task_type.on_interrupt,
        )


class Home(Protocol):
    """The app of a handler. Tests put another store in its place."""

    registry: Registry
    store: Store


class Handler(Generic[P, R, T]):
    """Call it, and the function runs here and now; `enqueue` it, and a worker runs it.

    `R` is what a call gives, `T` what the task will have returned: for an `async def` these
    differ.
    """

    def __init__(
        self,
        function: Callable[P, R],
        task_type: TaskType,
        app: Home,
        options: Options | None = None,
    ) -> None:
        self._function = function
        self.app = app
        self._options = options or Options.of(task_type)
        self.task_type = task_type
        self.__name__ = task_type.name
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given, named = self._with_context(args, kwargs)
        return self._function(*given, **named)

    def __repr__(self) -> str:
        return f"Handler({self.task_type.name})"

    def using(
        self,
        *,
        scheduled_at: datetime | None = None,
        delay: Duration | None = None,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: Duration | None = None,
        on_interrupt: str | None = None,
        key: str | None = None,
        limit_key: str | None = None,
        after: Iterable[Task[Any] | UUID | str] | None = None,
        when_needs_fail: str | None = None,
        connection: object = None,
    ) -> "Handler[P, R, T]":
        """The same handler with other options for the tasks that it creates.

        `scheduled_at` is an aware datetime; `delay` counts from the creation by the database's
        clock, as seconds, a timedelta, or text like "10m". `priority` goes from -100 to 100,
        higher first. `max_attempts`, `timeout` and `on_interrupt` are as for `@app.task`.
        With `key`, enqueueing the same again under the same key gives the task of the first time.
        `limit_key` names what the tasks share the limits with that their queue has for each key,
        instead of the argument that the type's `limit_by` names.
        With `after` the task waits until all these have succeeded; should one end in another way
        it is cancelled, or runs all the same if `when_needs_fail` is "run".
        With `connection` the task is created in that connection's transaction: it is there if
        and when that commits. It may be of psycopg, asyncpg, SQLAlchemy (also a session) or
        Django.

        Raises `InvalidInput` naming the option that makes no sense.
        """
        if scheduled_at is not None and delay is not None:
            raise InvalidInput(
                "using() was given both scheduled_at and delay", hint="Say one of the two."
            )
        checked = {
            "queue": _checked(check_queue, queue),
            "priority": _checked(check_priority, priority),
            "max_attempts": _checked(check_attempts, max_attempts),
            "timeout": check_timeout(timeout),
            "on_interrupt": _checked(check_on_interrupt, on_interrupt),
            "key": _checked(check_key, key),
            "limit_key": _checked(check_limit_key, limit_key),
            "after": _checked(_checked_needs, after),
            "when_needs_fail": _checked(check_when_needs_fail, when_needs_fail),
            "connection": _checked(carrier_for, connection),
        }
        changes: dict[str, Any] = {k: value for k, value in checked.items() if value is not None}
        if scheduled_at is not None or delay is not None:
            changes["scheduled_at"] = _checked(checked_moment, scheduled_at)
            changes["delay"] = None if delay is None else seconds_of(delay, option="delay")
        options = replace(self._options, **changes)
        return Handler(self._function, self.task_type, self.app, options)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Create a task; it is durable when this returns.

        Raises `InvalidArguments` when the arguments do not fit the signature and
        `DatabaseUnavailable` when Postgres stays away; with a key, `KeyReused` when it stands
        for something else, and `KeyInFlight` when that is not known yet; and `NeedsNotFound` when
        a task that it shall wait for is not there.
        """
        return self._tasks(await self._create([self.new(*args, **kwargs)]))[0]

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """The twin of `enqueue` for code without an event loop."""
        return self._tasks(self._create_sync([self.new(*args, **kwargs)]))[0]

    async def enqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[Task[T]]:
        """Create a task for each mapping of keyword arguments, all or none.

        A key stands for all of them together.
        Raises as `enqueue` does; the first call whose arguments do not fit is named.
        """
        packing = self._packing(calls)
        if self._is_written_in_parts(packing):
            return self._tasks(await self.app.store.create_parts(packing))
        return self._tasks(await self._create(packing.all()))

    def enqueue_many_sync(self, calls: Iterable[Mapping[str, Any]]) -> list[Task[T]]:
        """The twin of `enqueue_many` for code without an event loop."""
        packing = self._packing(calls)
        if self._is_written_in_parts(packing):
            return self._tasks(self.app.store.create_parts_sync(packing))
        return self._tasks(self._create_sync(packing.all()))

    def new(self, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """What `enqueue` would write down. Raises `InvalidArguments`."""
        return self._new(new_task_id(), self.task_type.pack(*args, **kwargs))

    def _with_context(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, with the context of the run that calls where it is wanted."""
        wanted = [name for name, hint in self.task_type.injected.items() if hint is Context]
        if not wanted or wanted[0] in kwargs or any(isinstance(arg, Context) for arg in args):
            return args, kwargs
        if next(iter(inspect.signature(self._function).parameters)) == wanted[0]:
            return (current(), *args), kwargs
        return args, {**kwargs, wanted[0]: current()}

    def draft(self, args: Mapping[str, Any]) -> NewTask:
        """A task as `enqueue` would create it, not written down."""
        return self._new(new_task_id(), self.task_type.pack(**args))

    async def _create(self, new: list[NewTask]) -> Created:
        connection = self._options.connection
        if isinstance(connection, SyncCarrier):
            raise _wrong_twin("enqueue", "enqueue_sync", "an ordinary")
        return await self.app.store.create(new, connection)

    def _create_sync(self, new: list[NewTask]) -> Created:
        connection = self._options.connection
        if isinstance(connection, Carrier):
            raise _wrong_twin("enqueue_sync", "enqueue", "an async")
        return self.app.store.create_sync(new, connection)

    def _tasks(self, created: Created) -> list[Task[T]]:
        return [Task(id, self.app.store, self.task_type) for id in created.ids]

    def _new(self, id: TaskId, args: bytes) -> NewTask:
        options = self._options
        limit_key = options.limit_key
        return NewTask(
            id=id,
            ty=self.task_type.name,
            args=args,
            queue=options.queue,
            priority=options.priority,
            scheduled_at=options.scheduled_at,
            delay=options.delay,
            max_attempts=options.max_attempts,
            timeout=options.timeout,
            on_interrupt=options.on_interrupt,
            key=options.key,
            after=options.after,
            when_needs_fail=options.when_needs_fail,
            limit_key=self.task_type.limit_key_of(args) if limit_key is None else limit_key,
        )

    def _packing(self, calls: Iterable[Mapping[str, Any]]) -> Packing:
        # No transaction is open while somebody's generator takes its time.
        return Packing([*calls], self._pack)

    def _pack(self, id: TaskId, call: Mapping[str, Any]) -> NewTask:
        return self._new(id, self.task_type.pack(**call))

    def _is_written_in_parts(self, packing: Packing) -> bool:
        """What is tied to something, or goes into the caller's transaction, is packed first."""
        options = self._options
        is_tied = options.key is not None or options.after
        return packing.parts_total > 1 and not is_tied and options.connection is None


def _checked_needs(after: Iterable[Task[Any] | UUID | str]) -> tuple[TaskId, ...]:
    if isinstance(after, Task | UUID | str):
        raise InvalidInput(
            "after is one task, not a list of them", hint="Write after=[task] for a single one."
        )
    _require_awaited(after)
    require("after", after, Iterable, wanted="a list of tasks", hint="Write after=[task].")
    return check_needs(map(_id_of, after))


def _id_of(need: Task[Any] | UUID | str) -> UUID | str:
    _require_awaited(need)
    return need.id if isinstance(need, Task) else need


def _require_awaited(given: object) -> None:
    if isinstance(given, Awaitable):
        raise misfit("after", given, wanted="a task yet", hint=_FORGOTTEN)


def _checked(check: Callable[[V], W], value: V | None) -> W | None:
    """A given value, checked; nothing stays nothing."""
    return None if value is None else check(value)


def _wrong_twin(used: str, wanted: str, kind: str) -> InvalidInput:
    return InvalidInput(
        f"{used}() was given {kind} connection", hint=f"Use {wanted}() with this connection."
    )

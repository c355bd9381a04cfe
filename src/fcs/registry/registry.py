"""The registry: which task types this process knows."""

from collections.abc import Iterator
from copy import copy
from typing import Any

from fcs.domain.errors import Problem, UnknownType
from fcs.domain.schedule import Definition, check_name
from fcs.registry.options import Isolation
from fcs.registry.problems import near_match
from fcs.registry.signature import DISCRIMINATOR, InvalidTaskType
from fcs.registry.surroundings import InvalidSurroundings, Middleware, Resource
from fcs.registry.tasktype import TaskType

_NAMES_SHOWN = 20


class Registry:
    """Types by name, and what is around their bodies: `middleware`, outermost first, and
    resources; and the schedules that are declared for them. Adding is one step, so any thread
    may read meanwhile.

    `replacements` stand in for resources, in tests: pairs of an annotation and a value.
    """

    def __init__(self) -> None:
        self._types: dict[str, TaskType] = {}
        self._resources: list[Resource] = []
        self.middleware: list[Middleware] = []
        self.replacements: list[tuple[Any, Any]] = []
        self.schedules: dict[str, Definition] = {}

    def add(self, task_type: TaskType) -> TaskType:
        held = self._types.setdefault(task_type.name, task_type)
        if held is not task_type:
            raise _taken(held, task_type)
        return task_type

    def add_schedule(self, name: str, definition: Definition) -> None:
        if self.schedules.setdefault(check_name(name), definition) is not definition:
            raise InvalidTaskType(
                f"Two schedules want the name {name!r}.",
                hint="Give one of them another name: @app.schedule(..., name=...).",
            )

    def get(self, ty: str) -> TaskType:
        try:
            return self._types[ty]
        except KeyError:
            raise self._unknown(ty) from None

    def add_resource(self, resource: Resource) -> None:
        for held in self._resources:
            if held.provides == resource.provides or held.name == resource.name:
                raise InvalidSurroundings(
                    f"Resources {held.name!r} and {resource.name!r} have the same name or type.",
                    hint="Tell types apart by Annotated[Pool, 'what for'].",
                )
        self._resources.append(resource)

    def resource(self, hint: Any) -> Resource:
        """The resource for parameters that are annotated so."""
        return next(resource for resource in self._resources if resource.provides == hint)

    @property
    def provided(self) -> list[Any]:
        """The annotations for which there is a resource."""
        return [resource.provides for resource in self._resources]

    def names(self) -> list[str]:
        return sorted(self._types.copy())

    def isolated(self) -> list[str]:
        """The types whose bodies run in child processes."""
        return [ty.name for ty in self if ty.isolation is Isolation.PROCESS]

    def in_process(self) -> "Registry":
        """The same, with no type in a process of its own: for tests."""
        same = Registry()
        same.middleware, same.replacements = self.middleware, self.replacements
        same.schedules = self.schedules
        for resource in self._resources:
            same.add_resource(resource)
        for task_type in self:
            here = copy(task_type)
            here.isolation = Isolation.LOOP if task_type.is_async else Isolation.THREAD
            same.add(here)
        return same

    def __contains__(self, ty: object) -> bool:
        return ty in self._types

    def __iter__(self) -> Iterator[TaskType]:
        return iter([self._types[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self._types)

    def _unknown(self, ty: str) -> UnknownType:
        names = self.names()
        message = f"no task type {ty[:200]!r} is registered here"
        return UnknownType(
            f"{message[0].upper()}{message[1:]}.",
            hint=" ".join(filter(None, [near_match(ty, names), _known(names)])),
            problems=[Problem("/" + DISCRIMINATOR, message)],
        )


def _known(names: list[str]) -> str:
    if not names:
        return "No types are known: was the application loaded (--app module:app)?"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"Known types: {', '.join(names[:_NAMES_SHOWN])}{more}."


def _taken(held: TaskType, other: TaskType) -> InvalidTaskType:
    if held.place == other.place:
        return InvalidTaskType(
            f"Task type {held.name!r} was declared twice, in {held.place}.",
            hint="That code ran twice, as a cell of a notebook may: make the App anew first.",
        )
    return InvalidTaskType(
        f"Two functions want to be task type {held.name!r}: one in {held.place},"
        f" one in {other.place}.",
        hint=_rename_hint(held, other),
    )


def _rename_hint(held: TaskType, other: TaskType) -> str:
    module, _, source = held.place.partition(", ")
    other_module, _, other_source = other.place.partition(", ")
    if source == other_source and module != other_module:
        return f"One file was imported twice, as {module!r} and as {other_module!r}."
    return "Give one of them another name: @app.task(name=...)."

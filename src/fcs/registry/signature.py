"""From the signature of a function to a record of its arguments, which msgspec reads and writes.

A parameter with a default may be left out. It is then left out of the JSON as well, and the
function's own default applies when it runs.
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, time
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, NoReturn, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from fcs.domain.errors import FcsError
from fcs.registry import models

DISCRIMINATOR = "ty"
"""On the wire the arguments stand beside the type's name, which has this key."""

# What reading an annotation raises that is not written for run time, or not as a type.
_UNRESOLVED = (NameError, AttributeError, SyntaxError, TypeError)


class InvalidTaskType(FcsError):
    """A function cannot be a task type, or its name is taken."""

    code = "invalid_task_type"


def injected_of(
    name: str, function: Callable[..., Any], injects: Collection[Any]
) -> dict[str, Any]:
    """The parameters that are no arguments, because their annotation is one of `injects`."""
    hints = _hints(name, function)
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if any(hint == injected for injected in injects):
            _require_name(name, parameter)
            found[parameter.name] = hint
    return found


def arguments_of(
    function: Callable[..., Any], injected: Collection[str]
) -> list[inspect.Parameter]:
    """The parameters that are arguments of the task."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter for parameter in parameters if parameter.name not in injected]


def record_of(
    name: str, function: Callable[..., Any], arguments: Iterable[inspect.Parameter]
) -> type[msgspec.Struct]:
    """Build the record of a function's arguments, or raise `InvalidTaskType`."""
    hints = _hints(name, function)
    fields = [_field(name, parameter, hints.get(parameter.name, Any)) for parameter in arguments]
    try:
        record = msgspec.defstruct(
            name,
            fields,
            kw_only=True,
            forbid_unknown_fields=True,
            tag_field=DISCRIMINATOR,
            tag=name,
            namespace={"__doc__": summary(function)},
        )
        msgspec.json.Decoder(record)
    except TypeError as error:
        raise InvalidTaskType(f"Task {name!r}: {error}.") from None
    return record


def result_type(function: Callable[..., Any]) -> Any:
    """What a function says it returns; `Any` where it says nothing that JSON could be read as."""
    try:
        found = get_type_hints(function, include_extras=True).get("return", Any)
        if all(models.is_model(cls) for cls in _custom_types(found)):
            msgspec.json.Decoder(found)
            return found
    except Exception:  # noqa: BLE001 - it looks into a type, whose own code may raise anything
        pass
    return Any


def summary(function: Callable[..., Any]) -> str:
    """The first paragraph of a function's docstring, as one line."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of the parameters. What is returned may be known to type checkers only."""
    try:
        annotations = {k: hint for k, hint in function.__annotations__.items() if k != "return"}
        # By `__wrapped__` names are looked up where the function is written.
        parameters = SimpleNamespace(__annotations__=annotations, __wrapped__=function)
        parameters.__type_params__ = getattr(function, "__type_params__", ())
        return get_type_hints(parameters, include_extras=True)
    except _UNRESOLVED as error:
        raise InvalidTaskType(
            f"Task {name!r}: an annotation cannot be resolved: {error}.",
            hint="Types of parameters must be importable at run time, from the module itself.",
        ) from None


def _field(name: str, parameter: inspect.Parameter, hint: Any) -> tuple[Any, ...]:
    _require_name(name, parameter)
    if parameter.name in ("self", "cls") and parameter.annotation is parameter.empty:
        raise InvalidTaskType(
            f"Task {name!r} takes {parameter.name!r}, as a function of a class does; a worker has"
            " no object to call it on.",
            hint="Write the function out of its class. If it is to know of its run, let it take"
            " `context: fcs.Context`.",
        )
    if parameter.name == DISCRIMINATOR:
        _refuse(name, parameter, "that name tells the type of the task on the wire")

    try:
        foreign = [cls for cls in _custom_types(hint) if not models.is_model(cls)]
    except _UNRESOLVED as error:
        _refuse(name, parameter, str(error))
    if foreign:
        _refuse(name, parameter, f"there is no way to read `{foreign[0].__qualname__}` from JSON")

    hint = _with_formats(hint)
    if parameter.default is parameter.empty:
        return (parameter.name, hint)
    return (parameter.name, Union[hint, UnsetType], UNSET)  # noqa: UP007 - hint is a value


def _require_name(name: str, parameter: inspect.Parameter) -> None:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        _refuse(name, parameter, "arguments travel by name: no *args, **kwargs or `/`")


def _refuse(name: str, parameter: inspect.Parameter, reason: str) -> NoReturn:
    raise InvalidTaskType(
        f"Task {name!r}, parameter {parameter.name!r}: {reason}.",
        hint="Take plain values, lists, dicts, dataclasses, TypedDicts, Structs, Enums, Literals,"
        " UUIDs, dates or Decimals; or declare an @app.resource of that type above the task.",
    )


def _custom_types(hint: Any) -> Iterator[type[Any]]:
    """The types in a hint that msgspec leaves to others."""
    seen: set[int] = set()
    todo: list[Any] = [msgspec.inspect.type_info(hint)]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, msgspec.inspect.CustomType):
            yield part.cls
        elif isinstance(part, tuple | list):
            todo.extend(part)
        elif isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
            todo.extend(getattr(part, field) for field in part.__struct_fields__)


def _with_formats(hint: Any) -> Any:
    """A hint whose moments are shown as such in the JSON Schema; msgspec shows only aware ones."""
    if hint is datetime:
        return Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    if hint is time:
        return Annotated[time, msgspec.Meta(extra_json_schema={"format": "time"})]
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return Union[tuple(map(_with_formats, parts))]  # noqa: UP007 - hints are values
    if isinstance(origin, type) and parts:
        return cast(Any, origin)[tuple(map(_with_formats, parts))]
    return hint

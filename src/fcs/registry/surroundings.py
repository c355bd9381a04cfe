"""What is around a body: resources that it is given beside its arguments, and middleware."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from fcs.domain.errors import FcsError
from fcs.domain.text import safe_text

Entering = Callable[..., AbstractAsyncContextManager[Any]]


class InvalidSurroundings(FcsError):
    """A function cannot be a resource or a middleware."""

    code = "invalid_surroundings"


class Resource(NamedTuple):
    """Something that is entered once in a process, and given to parameters annotated with it."""

    name: str
    provides: Any
    enter: Entering


class Middleware(NamedTuple):
    """Something that is entered around each run, with the run's context."""

    name: str
    enter: Entering


def resource_of(function: Callable[..., Any]) -> Resource:
    """Make a resource of an async generator function, or raise `InvalidSurroundings`."""
    name = _checked_name(function, "resource", parameters=0)
    try:
        hint = get_type_hints(function, include_extras=True).get("return")
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise InvalidSurroundings(
            f"Resource {name!r}: its annotation cannot be resolved: {error}.",
            hint="The type must be importable at run time, from the module itself.",
        ) from None
    if get_origin(hint) not in (AsyncIterator, AsyncGenerator):
        raise InvalidSurroundings(
            f"Resource {name!r} does not say what it yields.",
            hint=f"Annotate it: async def {name}() -> AsyncIterator[Pool].",
        )
    provides = get_args(hint)[0]
    if provides is Any or getattr(get_origin(provides) or provides, "__module__", "") == "builtins":
        raise InvalidSurroundings(
            f"Resource {name!r} yields {provides}, and so do the arguments of tasks.",
            hint="Yield a type of its own, or annotate AsyncIterator[Annotated[str, 'what for']].",
        )
    return Resource(name, provides, asynccontextmanager(function))


def middleware_of(function: Callable[..., Any]) -> Middleware:
    """Make a middleware of an async generator function, or raise `InvalidSurroundings`."""
    name = _checked_name(function, "middleware", parameters=1)
    return Middleware(name, asynccontextmanager(function))


def _checked_name(function: Callable[..., Any], what: str, *, parameters: int) -> str:
    if not inspect.isasyncgenfunction(function):
        raise InvalidSurroundings(
            f"A {what} is made from an async generator function, not from {safe_text(function)}.",
            hint="Write `async def`, with one `yield` and without @asynccontextmanager.",
        )
    takes = len(inspect.signature(function).parameters)
    if takes != parameters:
        only = "the context of the run" if parameters else "no parameters"
        raise InvalidSurroundings(
            f"The {what} {function.__name__!r} takes {takes} parameters.",
            hint=f"Let it take {only}.",
        )
    return function.__name__

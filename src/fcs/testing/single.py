"""One body, run once."""

from typing import Any, ParamSpec, TypeVar

from fcs.client.handler import Handler
from fcs.testing.performing import here, in_another_thread, performed
from fcs.testing.ran import Ran

P = ParamSpec("P")
T = TypeVar("T")


async def run(handler: Handler[P, Any, T], *args: P.args, **kwargs: P.kwargs) -> Ran[T]:
    """Run the body of a task once, and return how it ended; no database is needed.

    The arguments go through JSON and back, resources and middleware are those of the app, and
    the body has a context. Raises `InvalidArguments` when the arguments do not fit.
    """
    new = handler.new(*args, **kwargs)
    return await performed(handler.app.registry, new, in_another_thread)


def run_sync(handler: Handler[P, Any, T], *args: P.args, **kwargs: P.kwargs) -> Ran[T]:
    """The twin of `run` for code without an event loop: a plain `def` runs in this thread."""
    new = handler.new(*args, **kwargs)
    return here(lambda in_thread: performed(handler.app.registry, new, in_thread))

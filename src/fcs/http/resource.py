"""A resource: one path, and a handler for each method it knows."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fcs.http.errors import MethodNotAllowed

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Resource:
    """What can be read by GET can be asked about by HEAD."""

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get(scope["method"])
        if handler is None:
            raise MethodNotAllowed(
                f"{scope['method']} is not allowed here.", allow=", ".join(sorted(self._handlers))
            )
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)

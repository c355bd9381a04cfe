"""The door: every request passes it on the way in, and every answer on the way out.

It asks the guard, gives the request an id, adds the headers that every answer carries, and turns
whatever went wrong into a problem document, so that no error leaves in another form.
"""

import asyncio
import logging
import re
import secrets
from itertools import count

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fcs.domain.errors import FcsError
from fcs.http.errors import InternalError, NoSuchResource, ShuttingDown
from fcs.http.guard import Guard
from fcs.http.problems import kind_of, problem

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

CONTENT_POLICY = b"content-security-policy"

# Answers are data: nothing in them may run, be framed, be guessed at, or be kept.
_HEADERS = {
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    CONTENT_POLICY: b"default-src 'none'; frame-ancestors 'none'",
}


class Door:
    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard
        # Random once: ids only have to differ, and asking the system each time is not free.
        self._request_ids = map(f"{secrets.token_hex(6)}-{{:x}}".format, count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server offers neither websockets nor a lifespan"
        headers = dict(scope["headers"])
        request_id = _fit_for_a_log(headers.get(b"x-request-id")) or next(self._request_ids)
        answer = _Answer(send, request_id)
        scope["app"] = self  # makes the router raise where it would else answer by itself
        try:
            self._guard.check(scope["method"], scope["path"], headers)
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            return
        except (Exception, asyncio.CancelledError) as error:
            if answer.has_started:
                raise
            failure = _failure(error)
            if kind_of(failure).status == 500:
                log.error("request failed: request_id=%s", request_id, exc_info=error)
            response = problem(
                failure,
                root=scope.get("root_path", ""),
                path=scope["path"],
                request_id=request_id,
            )
            await response(scope, receive, answer.send)


class _Answer:
    """The way out."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            own = message["headers"]
            names = {name for name, _ in own}
            own.extend(header for header in _HEADERS.items() if header[0] not in names)
            own.append((b"x-request-id", self._request_id.encode("ascii")))
        await self._send(message)


def _fit_for_a_log(request_id: bytes | None) -> str | None:
    """The caller's own id for the request, if it is harmless."""
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        return None
    return request_id.decode("ascii")


def _failure(error: BaseException) -> FcsError:
    if isinstance(error, FcsError):
        return error if kind_of(error).status != 500 else _internal()
    if isinstance(error, HTTPException):
        return NoSuchResource(
            "There is nothing at this path.", hint="GET /docs shows what there is."
        )
    if isinstance(error, asyncio.CancelledError):
        return ShuttingDown("The node is shutting down.", hint="Ask another one, or again later.")
    return _internal()


def _internal() -> InternalError:
    return InternalError(
        "Something went wrong inside fcs.", hint="The node's log has it under the request id."
    )

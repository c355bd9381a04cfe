"""The server: sockets of our own, and uvicorn inside the event loop that is there already."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from fcs.http.errors import ListenRefused
from fcs.http.protocol import Connection

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 30
_GRACE_SECONDS = 5
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
"""An address, as `getaddrinfo` tells it."""


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    held: Sequence[socket.socket] = (),
    on_bound: Callable[[str, int], None],
    on_stop: Callable[[], None],
) -> None:
    """Serve until cancelled; then let what is under way end, for a few seconds at most.

    Sockets that are `held` listen there already; without any, they are opened.
    `on_bound` hears the first address as soon as requests can come: with port 0, the one chosen.
    `on_stop` hears when the end begins: nobody should keep it waiting then.
    """
    listeners = list(held) or await bind(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what clients do wrong is theirs to know
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve(listeners), name="http server")
    try:
        on_bound(*listeners[0].getsockname()[:2])
        await asyncio.shield(running)
    finally:
        on_stop()
        server.should_exit = True
        await _until_done(running, server)
        for listener in listeners:
            listener.close()


async def bind(host: str, port: int) -> list[socket.socket]:
    """Open the sockets that are listened on, or raise `ListenRefused`."""
    loop = asyncio.get_running_loop()
    try:
        return listen_on(
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )
    except OSError as error:
        raise _refused(host, port, error) from None


def listen_on(found: Sequence[Found]) -> list[socket.socket]:
    """Listen on every address that a name stands for, by one port.

    Raises `OSError`. What this machine lacks is left out as long as something else is found; so
    is, when any port will do, an address that does not have the port of the first one free.
    """
    listeners: list[socket.socket] = []
    failures: list[OSError] = []
    with ExitStack() as closing:
        for family, (host, wanted, *scope) in dict.fromkeys((one[0], one[4]) for one in found):
            port = listeners[0].getsockname()[1] if listeners else wanted
            try:
                listener = _listen(family, (host, port, *scope))
            except OSError as error:
                failures.append(error)
                if error.errno in _NOT_HERE or (listeners and wanted == 0):
                    continue
                raise
            listeners.append(closing.enter_context(listener))
        if not listeners:
            raise failures[0]
        closing.pop_all()
    return listeners


def _listen(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without this, connections of the last run would keep the port busy for a minute.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def written(host: str, port: int) -> str:
    """An address as people and programs read it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refused(host: str, port: int, error: OSError) -> ListenRefused:
    if error.errno == errno.EADDRINUSE:
        return ListenRefused(
            f"Port {port} on {host} is taken by another program.",
            hint="Stop that one, or choose another port with --listen HOST:PORT (0: any free one).",
        )
    if error.errno == errno.EACCES:
        return ListenRefused(
            f"Port {port} may not be used by this user.", hint="Choose a port above 1023."
        )
    return ListenRefused(
        f"Listening on {written(host, port)} failed: {error.strerror or error}.",
        hint="--listen takes an address of this machine, such as 127.0.0.1:5000.",
    )


async def _until_done(running: asyncio.Task[None], server: uvicorn.Server) -> None:
    """Wait for the end of the server, which bounds its own grace; a second cancel cuts it short."""
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if server.force_exit:
                running.cancel()
            server.force_exit = True
        except Exception:  # noqa: BLE001 - raised below, where the server was waited for first
            break
    with suppress(asyncio.CancelledError):
        running.result()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, and this is only one part of it."""
        yield

"""The server: uvicorn inside the event loop that is there already, on sockets that it is given."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from fcs.http.protocol import Connection

_KEEP_ALIVE_SECONDS = 30
_GRACE_SECONDS = 5


async def serve(
    app: ASGIApp, listeners: Sequence[socket.socket], *, on_stop: Callable[[], None]
) -> None:
    """Serve until cancelled; then let what is under way end, for a few seconds at most.

    The sockets listen already, and are closed in the end. `on_stop` hears when the end begins:
    nobody should keep it waiting then.
    """
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
    running = asyncio.create_task(server.serve([*listeners]), name="http server")
    try:
        await asyncio.shield(running)
    finally:
        on_stop()
        server.should_exit = True
        await _until_done(running, server)
        for listener in listeners:
            listener.close()


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

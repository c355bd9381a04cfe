"""The HTTP door of a worker process: where it listens, and what it needs to answer."""

import asyncio
import errno
import logging
import socket
from pathlib import Path
from random import SystemRandom

import msgspec

from fcs import __version__, http
from fcs.client.ids import new_task_id
from fcs.database import cluster
from fcs.database.home import hold_on
from fcs.database.writer import Writer
from fcs.http import Check, Store, Tokens, check_listen
from fcs.http.errors import ListenRefused
from fcs.node.sockets import listen_on, written
from fcs.registry import Registry
from fcs.worker.runtime import Worker

log = logging.getLogger(__name__)


class DoorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen. `token_file` holds one bearer token a line; see `check_listen`.

    The sockets in `held` listen there already; without any, the door opens its own.
    """

    host: str
    port: int
    token_file: str | None = None
    behind_proxy: bool = False
    held: list[socket.socket] = []


class Door:
    """Opened before the worker is registered, so that its address can be told."""

    def __init__(self, url: str, registry: Registry, options: DoorOptions) -> None:
        self._registry, self._options = registry, options
        self._writer = Writer(url, rng=SystemRandom())
        self._store = Store(url, writer=self._writer, rng=SystemRandom())
        self._serving: asyncio.Task[None] | None = None
        self.worker: Worker | None = None

    async def open(self, group: asyncio.TaskGroup) -> str:
        """Start to serve; return the address, as HOST:PORT. Raises `ListenRefused`."""
        options = self._options
        check_host = check_listen(
            options.host,
            options.port,
            token_file=options.token_file,
            behind_proxy=options.behind_proxy,
        )
        app = http.create_app(
            registry=self._registry,
            store=self._store,
            new_id=new_task_id,
            checks={
                "database": self._check_database,
                "known": self._check_known,
                "worker": self._check_worker,
            },
            version=__version__,
            check_host=check_host,
            tokens=Tokens.read(Path(options.token_file)) if options.token_file else None,
        )
        listeners = options.held or await bind(options.host, options.port)
        address = written(*listeners[0].getsockname()[:2])
        self._serving = group.create_task(
            http.serve(app, listeners, on_stop=self._store.endings.close)
        )
        await asyncio.sleep(0)  # once it has begun, it closes them
        log.info("http ready: address=%s", address)
        return address

    async def close(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        await self._writer.close()
        await self._store.close()

    async def _check_database(self) -> Check:
        seen = await self._store.ask(cluster.show)
        return Check(ok=True, detail=seen.in_short())

    async def _check_known(self) -> Check:
        """Whether it is the database that fcs knows."""
        hold = await self._store.ask(hold_on)
        return Check(ok=hold is None, detail=f"{hold.message}. {hold.hint}" if hold else "")

    async def _check_worker(self) -> Check:
        if self.worker is None:
            return Check(ok=False, detail="not registered yet")
        if not self.worker.is_trusted():
            return Check(ok=False, detail="no heartbeat was acknowledged lately; nothing is begun")
        return Check(ok=True)


async def bind(host: str, port: int) -> list[socket.socket]:
    """Open the sockets that are listened on, or raise `ListenRefused`."""
    loop = asyncio.get_running_loop()
    try:
        return listen_on(
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )
    except OSError as error:
        raise _refused(host, port, error) from None


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

"""The wire between one process and Postgres: to be cut without a word, or with one."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK = 65_536
AT_ONCE = struct.pack("ii", 1, 0)
"""To linger for no time: the other end is told that the connection was reset."""


class Healing(Enum):
    """What becomes of connections that were silent, when the wire carries again."""

    LATE = auto()
    """What was under way arrives, however old it is."""
    BROKEN = auto()
    """Both ends are told that they are broken."""
    FORGOTTEN = auto()
    """The server is told, and the process never is."""


class Wire:
    """Leads to the same database as `upstream`, by the URL `url`; over TCP, as networks do."""

    def __init__(self, upstream: str) -> None:
        self._place = conninfo_to_dict(upstream)
        self._links: set[_Link] = set()
        self._carries = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, sock=listener)
        )
        self._carries.set()
        self.url = make_conninfo(
            upstream,
            host="127.0.0.1",
            port=listener.getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    # What a test does, from its own thread.

    def silence(self) -> None:
        """Carry nothing any more, and tell nobody."""
        self._do(self._silence)

    def heal(self, healing: Healing) -> None:
        """Carry again."""
        self._do(self._heal, healing)

    def forget(self, name: str) -> None:
        """Of connections of that name the server is told that they are gone, and the process never
        is; all others go on."""
        self._do(self._forget, name)

    def reset(self) -> None:
        """Break every connection."""
        self._do(self._reset)

    def close(self) -> None:
        """Break everything, and let nothing in any more."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, act: Callable[..., None], *values: object) -> None:
        done = threading.Event()

        def do() -> None:
            act(*values)
            done.set()

        self._loop.call_soon_threadsafe(do)
        done.wait()

    # What happens in the thread of the wire.

    def _silence(self) -> None:
        self._carries.clear()
        for link in self._links:
            link.carries.clear()

    def _heal(self, healing: Healing) -> None:
        self._carries.set()
        for link in list(self._links):
            link.heal(healing)

    def _forget(self, name: str) -> None:
        forgotten = [link for link in self._links if link.is_called(name)]
        assert forgotten, f"nobody is connected as {name}"
        for link in forgotten:
            link.forget()

    def _reset(self) -> None:
        for link in list(self._links):
            link.break_off()

    async def _close(self) -> None:
        self._server.close()
        self._reset()
        ways = [way for link in self._links for way in link.ways]
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        self._links.add(link)
        try:
            # A new connection in a silence is let in by the kernel, and that is all.
            await self._carries.wait()
            link.join(*await self._dial())
            await asyncio.wait(link.ways)
        except OSError:
            pass
        finally:
            link.break_off()
            self._links.discard(link)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._place["host"]), int(self._place.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


class _Link:
    """One connection, both ways."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carries = asyncio.Event()
        self.carries.set()
        self.ways: list[asyncio.Task[None]] = []
        self._reader, self._writer = reader, writer
        self._server: asyncio.StreamWriter | None = None
        self._greeting = b""
        self._is_forgotten = False

    def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead to the server."""
        self._server = writer
        self.ways = [
            asyncio.ensure_future(self._carry_requests(writer)),
            asyncio.ensure_future(self._carry_answers(reader)),
        ]

    async def _carry_requests(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await self._reader.read(CHUNK):
                self._greeting = self._greeting or data
                await self.carries.wait()
                if not self._is_forgotten:
                    writer.write(data)
                    await writer.drain()
        # However it ended: a process that was killed may leave with a reset.
        await self.carries.wait()
        writer.close()

    async def _carry_answers(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.carries.wait()
                if not self._is_forgotten:
                    self._writer.write(data)
                    await self._writer.drain()
        await self.carries.wait()
        if not self._is_forgotten:
            self._writer.close()

    def heal(self, healing: Healing) -> None:
        if healing is Healing.FORGOTTEN and not self.carries.is_set():
            self.forget()
        elif healing is Healing.BROKEN:
            self.break_off()
        self.carries.set()

    def is_called(self, name: str) -> bool:
        return b"application_name\0" + name.encode() + b"\0" in self._greeting

    def forget(self) -> None:
        """Tell the server that this is over, and the process nothing."""
        self._is_forgotten = True
        if self._server is not None:
            self._server.close()

    def break_off(self) -> None:
        """Tell both ends that they are broken."""
        for writer in (self._writer, self._server):
            if writer is not None:
                _break(writer)


def _break(writer: asyncio.StreamWriter) -> None:
    own = writer.get_extra_info("socket")
    with suppress(OSError):
        if own is not None and own.family != socket.AF_UNIX:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()


@contextmanager
def wired(upstream: str) -> Iterator[Wire]:
    """A wire for as long as the block runs."""
    wire = Wire(upstream)
    try:
        yield wire
    finally:
        wire.close()

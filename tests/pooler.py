"""A pooler of transactions in front of Postgres, as hard on its clients as one may be.

After each transaction a client's next one gets the session that has been idle for longest, so
hardly ever the same. What Postgres says to an idle session is lost.
"""

import asyncio
import itertools
import os
import secrets
import socket
import struct
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn

SESSIONS_MIN = 2
"""So many sessions are opened for a database before one of them is used again."""

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_OWN_SETTINGS = ("client_encoding", "user", "database", "replication", "options")
_REPORTED = (
    "server_version",
    "server_encoding",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "IntervalStyle",
    "integer_datetimes",
    "standard_conforming_strings",
)
_port = 5432

WANTED: Final = "FCS_TEST_POOLER"
"""The variable that puts a pooler before the databases of all tests."""


@dataclass
class _Server:
    """A session of Postgres; libpq has seen to its beginning."""

    connection: PGconn
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def greeting(self) -> bytes:
        """What a client is told of the server."""
        said = ((name, self.connection.parameter_status(name.encode())) for name in _REPORTED)
        return b"".join(
            _message(b"S", name.encode() + b"\0" + value + b"\0") for name, value in said if value
        )

    async def close(self) -> None:
        await _close(self.writer)
        self.connection.finish()


class _Pool(NamedTuple):
    """Who shares sessions with each other."""

    user: str
    database: str


class Pooler:
    """Leads to the same server as `upstream`; `url` is the way to a database through it."""

    def __init__(self, upstream: str, folder: str) -> None:
        self._upstream, self._folder = upstream, folder
        self._idle: defaultdict[_Pool, deque[_Server]] = defaultdict(deque)
        self._opened: defaultdict[_Pool, int] = defaultdict(int)
        self._numbers = itertools.count(1)
        self._links: set[asyncio.Task[None]] = set()
        self.transactions = 0
        self.is_open = threading.Event()

    def url(self, url: str) -> str:
        """The same database, through here."""
        place = conninfo_to_dict(url)
        # A password is for the server, and who comes through here is let in.
        kept = {name: place[name] for name in ("user", "dbname") if place.get(name)}
        return make_conninfo("", host=self._folder, port=_port, **kept)

    def around(self, url: str) -> str:
        """The database that a way through here leads to, without the detour."""
        place = conninfo_to_dict(url)
        kept = {name: place[name] for name in ("user", "dbname") if place.get(name)}
        return make_conninfo(self._upstream, **kept)

    async def serve(self) -> None:
        server = await asyncio.start_unix_server(
            self._accept, Path(self._folder) / f".s.PGSQL.{_port}"
        )
        self.is_open.set()
        try:
            async with server:
                await server.serve_forever()
        finally:
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)
            for session in itertools.chain.from_iterable(self._idle.values()):
                await session.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._serve_client(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            pool = await self._greet(reader, writer)
            if pool is not None:
                await self._lead(pool, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, psycopg.Error):
            pass
        finally:
            await _close(writer)

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> _Pool | None:
        """Let a client in; `None` if it wants something that there is not."""
        while True:
            [size] = struct.unpack("!I", await reader.readexactly(4))
            body = await reader.readexactly(size - 4)
            [code] = struct.unpack("!I", body[:4])
            if code == _CANCEL_REQUEST:
                return None
            if code not in (_SSL_REQUEST, _GSS_REQUEST):
                break
            writer.write(b"N")
        words = body[4:].rstrip(b"\0").split(b"\0")
        asked = dict(zip(words[::2], words[1::2], strict=True))
        pool = _Pool(asked[b"user"].decode(), asked[b"database"].decode())
        server = await self._take(pool)
        self._idle[pool].append(server)
        key = struct.pack("!I", next(self._numbers)) + secrets.token_bytes(4)
        writer.write(
            _message(b"R", struct.pack("!I", 0))
            + server.greeting()
            + _message(b"K", key)
            + _message(b"Z", b"I")
        )
        return pool

    async def _lead(
        self, pool: _Pool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry a client's transactions, each to whatever session is its turn."""
        requests = _Requests(reader)
        try:
            while not await requests.is_over():
                server = await self._take(pool)
                self.transactions += 1
                try:
                    await _transaction(server, requests, writer)
                except BaseException:
                    # Nobody knows what it is in the middle of.
                    self._opened[pool] -= 1
                    await server.close()
                    raise
                self._idle[pool].append(server)
        finally:
            await requests.close()

    async def _take(self, pool: _Pool) -> _Server:
        idle = self._idle[pool]
        while idle and self._opened[pool] >= SESSIONS_MIN:
            server = idle.popleft()
            if await _is_alive(server):
                return server
            self._opened[pool] -= 1
            await server.close()
        server = await self._open(pool)
        self._opened[pool] += 1
        return server

    async def _open(self, pool: _Pool) -> _Server:
        info = make_conninfo(
            self._upstream,
            user=pool.user,
            dbname=pool.database,
            sslmode="disable",
            gssencmode="disable",
        )
        connection = await asyncio.to_thread(pq.PGconn.connect, info.encode())
        if connection.status != pq.ConnStatus.OK:
            raise ConnectionError(connection.error_message)
        own = socket.socket(fileno=os.dup(connection.socket))
        own.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=own)
        return _Server(connection, reader, writer)


class _Requests:
    """What a client sends, message by message; one that nobody has taken yet is kept."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._next = asyncio.ensure_future(_read(reader))

    @property
    def arrival(self) -> "asyncio.Future[tuple[bytes, bytes]]":
        return self._next

    def take(self) -> tuple[bytes, bytes]:
        message = self._next.result()
        self._next = asyncio.ensure_future(_read(self._reader))
        return message

    async def is_over(self) -> bool:
        """Wait for a message; whether it is the last."""
        kind, _ = await self._next
        return kind == b"X"

    async def close(self) -> None:
        self._next.cancel()
        await asyncio.gather(self._next, return_exceptions=True)


class _Answers:
    """What Postgres says to a client, until its session is idle again."""

    def __init__(self, server: _Server, writer: asyncio.StreamWriter) -> None:
        self._server, self._writer = server, writer
        self.awaited = 0

    async def pass_on(self) -> None:
        while True:
            kind, body = await _read(self._server.reader)
            self._writer.write(_message(kind, body))
            if kind == b"Z":
                self.awaited -= 1
                if not self.awaited and body == b"I":
                    return


async def _transaction(server: _Server, requests: _Requests, writer: asyncio.StreamWriter) -> None:
    """From the first message to the answer after which the session is idle."""
    answers = _Answers(server, writer)
    passing = asyncio.ensure_future(answers.pass_on())
    try:
        while not passing.done():
            if requests.arrival.done():
                kind, body = requests.take()
                if kind == b"X":
                    raise ConnectionError("the client has left in a transaction")
                answers.awaited += kind in (b"Q", b"S", b"F")
                server.writer.write(_message(kind, body))
            either: list[asyncio.Future[Any]] = [passing, requests.arrival]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        passing.result()
    finally:
        passing.cancel()


async def _is_alive(server: _Server) -> bool:
    """Drop what came in while the session was idle; whether it is still there."""
    await asyncio.sleep(0)
    while server.reader._buffer:  # type: ignore[attr-defined]
        kind, _ = await _read(server.reader)
        if kind == b"E":
            return False
    return not server.reader.at_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    [size] = struct.unpack("!I", head[1:])
    return head[:1], await reader.readexactly(size - 4)


_poolers: dict[str, Pooler] = {}
"""Those that are there, by the folder that leads to them."""


@contextmanager
def pooling(upstream: str) -> Iterator[Pooler]:
    """A pooler while the block runs, in a thread of its own."""
    # The path of a Unix socket must be short.
    with tempfile.TemporaryDirectory(prefix="fcs-pooler-") as folder:
        pooler = Pooler(upstream, folder)
        loop = asyncio.new_event_loop()
        serving = loop.create_task(pooler.serve())
        thread = threading.Thread(target=_run, args=(loop, serving), daemon=True)
        thread.start()
        pooler.is_open.wait()
        _poolers[folder] = pooler
        try:
            yield pooler
        finally:
            del _poolers[folder]
            loop.call_soon_threadsafe(serving.cancel)
            thread.join()


def _run(loop: asyncio.AbstractEventLoop, serving: "asyncio.Task[None]") -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(serving)
    loop.close()


@contextmanager
def fronting(upstream: str) -> Iterator[Callable[[str], str]]:
    """The way to databases of a server while the block runs: through a pooler if that is wanted."""
    if not os.environ.get(WANTED):
        yield lambda url: url
        return
    with pooling(upstream) as pooler:
        yield pooler.url


def is_pooled(url: str) -> bool:
    """Whether this way to a database leads through a pooler."""
    return _pooler_on(url) is not None


def around(url: str) -> str:
    """The way that a test itself takes to what it wants to see: never through a pooler."""
    pooler = _pooler_on(url)
    return url if pooler is None else pooler.around(url)


def _pooler_on(url: str) -> Pooler | None:
    return _poolers.get(str(conninfo_to_dict(url).get("host")))

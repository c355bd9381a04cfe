"""A proxy in front of Postgres that loses, delays and cuts off just what a test wants."""

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fcs.database import sql


class Kind(Enum):
    LOSE_STATEMENT = auto()
    """The connection breaks before Postgres has the statement."""
    LOSE_ANSWER = auto()
    """Postgres carries the statement out; the connection breaks before the answer."""
    DELAY = auto()
    """The connection breaks, and Postgres gets the statement when the test lets it go."""
    HOLD = auto()
    """Nothing breaks; the statement goes on when the test lets it go."""


class Trouble:
    """What is to happen to the next statement that contains `text`, once `skip` have passed."""

    def __init__(self, kind: Kind, text: str, skip: int) -> None:
        self.kind, self.text, self.skip = kind, text, skip
        self.matches: Callable[[str], bool] = lambda statement: text in statement
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()
        self.over = asyncio.Event()
        """The statement has been lost, or Postgres has answered it."""


class Proxy:
    """Leads to the same database as `upstream`, by the URL `url`."""

    def __init__(self, upstream: str, folder: str) -> None:
        self.url = make_conninfo(upstream, host=folder, port=5432)
        self.refused = 0
        """Connections refused while the database was away."""
        self.statements: list[str] = []
        """All that was sent, in order."""
        self.parts: list[str] = []
        """The names of whoever is connected now."""
        self._place = conninfo_to_dict(upstream)
        self._links: set[asyncio.Task[None]] = set()
        self._troubles: list[Trouble] = []
        self._silent = ""
        self._is_away = False

    def trouble(self, kind: Kind, statement: str, *, skip: int = 0) -> Trouble:
        """Expect a statement by its name in `queries/*.sql`."""
        return self.trouble_with(kind, first_line(statement), skip=skip)

    def trouble_with(self, kind: Kind, text: str, *, skip: int = 0) -> Trouble:
        trouble = Trouble(kind, text, skip)
        self._troubles.append(trouble)
        return trouble

    def trouble_at_commit(self, kind: Kind) -> Trouble:
        # "READ COMMITTED" contains it as well.
        trouble = self.trouble_with(kind, "COMMIT")
        trouble.matches = "COMMIT".__eq__
        return trouble

    def silence(self, statement: str) -> None:
        """From now on such statements get no answer, and nothing breaks."""
        self._silent = first_line(statement)

    def calm_down(self) -> None:
        """From now on they do again, over new connections."""
        self._silent = ""

    def sent(self, statement: str) -> int:
        """How often a statement was sent so far."""
        line = first_line(statement)
        return sum(line in text for text in self.statements)

    def leave(self) -> None:
        """The database goes away: connections break, and new ones are refused."""
        self._is_away = True
        for link in self._links:
            link.cancel()

    def come_back(self) -> None:
        self._is_away = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_away:
            self.refused += 1
            writer.close()
            return
        link = asyncio.ensure_future(self._lead(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def leave_after(self, trouble: Trouble, asked: asyncio.Future[Any]) -> None:
        """Go away when Postgres has done what was asked for, and before it says so."""
        first: list[asyncio.Future[Any]] = [asyncio.ensure_future(trouble.over.wait()), asked]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        assert trouble.over.is_set(), f"nobody sent {trouble.text}: {asked}"
        self.leave()

    async def close(self) -> None:
        self.leave()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await self._dial()
        link = Link(server_reader, server_writer, writer, self._take_trouble)
        try:
            with self._present(await link.greet(reader)):
                await link.lead(reader)
        finally:
            writer.close()
            server_writer.close()

    @contextmanager
    def _present(self, part: str) -> Iterator[None]:
        self.parts.append(part)
        try:
            yield
        finally:
            self.parts.remove(part)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._place["host"]), int(self._place.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    def _take_trouble(self, statement: str) -> Trouble | None:
        self.statements.append(statement)
        if self._silent and self._silent in statement:
            return Trouble(Kind.HOLD, statement, 0)
        for trouble in self._troubles:
            if trouble.matches(statement):
                if trouble.skip:
                    trouble.skip -= 1
                    continue
                self._troubles.remove(trouble)
                return trouble
        return None


class Link:
    """One connection through the proxy, statement by statement."""

    def __init__(
        self,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
        client_writer: asyncio.StreamWriter,
        take_trouble: Callable[[str], Trouble | None],
    ) -> None:
        self._server_reader, self._server_writer = server_reader, server_writer
        self._client_writer = client_writer
        self._take_trouble = take_trouble
        self._prepared: dict[bytes, str] = {}
        self._answered = asyncio.Event()
        self._is_deaf = False

    async def greet(self, reader: asyncio.StreamReader) -> str:
        """Pass on how the client introduces itself; return its name."""
        size = await reader.readexactly(4)
        body = await reader.readexactly(_length(size) - 4)
        self._server_writer.write(size + body)
        # Whoever only asks to cancel something has no name.
        words = body[4:].split(b"\0")
        said = dict(zip(words[::2], words[1::2], strict=False))
        return said.get(b"application_name", b"").decode()

    async def lead(self, reader: asyncio.StreamReader) -> None:
        ways = [
            asyncio.ensure_future(self._pass_requests(reader)),
            asyncio.ensure_future(self._pass_answers()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_requests(self, reader: asyncio.StreamReader) -> None:
        while await self._pass_request(reader):
            pass

    async def _pass_request(self, reader: asyncio.StreamReader) -> bool:
        """Pass on one statement with all its messages; `False` when the link is to break."""
        # A flush or an execute ends one as well: in a pipeline others follow before a sync.
        request, text, last = await self._read(reader, b"SQHEXp")
        trouble = self._take_trouble(text) if text else None
        if trouble is None:
            self._server_writer.write(request)
            return True
        if last == b"E" and trouble.kind is not Kind.LOSE_STATEMENT:
            # The answer comes after the sync.
            request += (await self._read(reader, b"S"))[0]
        return await self._suffer(trouble, request)

    async def _read(self, reader: asyncio.StreamReader, ends: bytes) -> tuple[bytes, str, bytes]:
        """Messages up to one of these kinds: as they came, the statement in them, the last kind."""
        request, text = b"", ""
        while True:
            kind, body = await _message(reader)
            request += kind + struct.pack("!I", len(body) + 4) + body
            text = self._text_of(kind, body) or text
            if kind in ends:
                return request, text, kind

    def _text_of(self, kind: bytes, body: bytes) -> str:
        match kind:
            case b"Q":
                return body[:-1].decode()
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text.decode()
                return self._prepared[name]
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                return self._prepared[name]
        return ""

    async def _suffer(self, trouble: Trouble, request: bytes) -> bool:
        self._is_deaf = trouble.kind is not Kind.HOLD
        trouble.reached.set()
        if trouble.kind is Kind.DELAY:
            self._client_writer.close()
        if trouble.kind in (Kind.DELAY, Kind.HOLD):
            await trouble.let_go.wait()
        if trouble.kind is not Kind.LOSE_STATEMENT:
            self._answered.clear()
            self._server_writer.write(request)
            await self._answered.wait()
        trouble.over.set()
        return trouble.kind is Kind.HOLD

    async def _pass_answers(self) -> None:
        while True:
            kind, body = await _message(self._server_reader)
            if not self._is_deaf:
                self._client_writer.write(kind + struct.pack("!I", len(body) + 4) + body)
            if kind == b"Z":
                self._answered.set()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(_length(head[1:]) - 4)


def _length(size: bytes) -> int:
    length: int = struct.unpack("!I", size)[0]
    return length


FILES = (
    "tasks",
    "runs",
    "workers",
    "creation",
    "glance",
    "sleep",
    "leadership",
    "insights",
)
STATEMENTS = {name: text for file in FILES for name, text in sql.load(file).items()}


def first_line(statement: str) -> str:
    """What a statement is known by on the wire: its comment goes along."""
    return STATEMENTS[statement].strip().splitlines()[0]


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy for as long as the block runs."""
    # The path of a Unix socket must be short; the folder of a test is not.
    with tempfile.TemporaryDirectory(prefix="fcs-proxy-") as folder:
        proxy = Proxy(upstream, folder)
        server: Any = await asyncio.start_unix_server(proxy.accept, Path(folder) / ".s.PGSQL.5432")
        try:
            yield proxy
        finally:
            server.close()
            await proxy.close()
            with suppress(OSError):
                await server.wait_closed()

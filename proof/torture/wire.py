"""The wire between one place of the cluster and Postgres: to be cut, slowed, or cut at a word.

It reads what the client says, so that a connection can break exactly after a statement was sent
and before its answer: the client cannot know whether it was carried out.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from random import Random
from typing import Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from proof.torture.frames import ENDS, Frame, Frames

CHUNK: Final = 65_536
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""To linger for no time: the other end is told that the connection was reset."""

ANSWERED_WITHIN: Final = 2.0
"""Seconds for which a server is left alone whose client is gone: it does what it was told."""


class Cut(Enum):
    """When a connection breaks at a statement."""

    AFTER = auto()
    """Postgres carries it out, and nobody hears the answer."""
    BEFORE = auto()
    """Postgres never gets it."""
    LATE = auto()
    """The client hears that the connection broke; Postgres gets the statement a while later."""


class Healing(Enum):
    """What becomes of connections that were silent, when the wire carries again."""

    LATE = auto()
    """What was under way arrives, however old it is."""
    BROKEN = auto()
    """Both ends are told that they are broken."""
    FORGOTTEN = auto()
    """The server is told, and the client never is."""


class Trap(NamedTuple):
    """What waits for a statement on a wire; `sprung` is told once it has happened."""

    statement: str
    cut: Cut
    late_by: float
    sprung: Callable[[], None]


class Board:
    """All wires, in one thread and one event loop. `upstream` is where all of them lead.

    `secret` is a password that nobody asks for: it must not be seen anywhere.
    """

    def __init__(self, upstream: str, *, secret: str) -> None:
        self.upstream, self.secret = upstream, secret
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def wire(self, rng: Random) -> "Wire":
        """A new wire."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        wire = Wire(self, listener, rng)
        self.do(wire.open)
        return wire

    def do(self, act: Callable[[], object]) -> None:
        """Do something in the thread of the wires, and wait until it is done."""
        done = threading.Event()

        def do() -> None:
            try:
                act()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(do)
        done.wait()

    def close(self) -> None:
        async def cancel_all() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = conninfo_to_dict(self.upstream)
        host, port = str(place["host"]), int(place.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


class Wire:
    """Leads to the database of the board by the URL `url`; over TCP, as networks do."""

    def __init__(self, board: Board, listener: socket.socket, rng: Random) -> None:
        self._board, self._listener, self._rng = board, listener, rng
        self._server: asyncio.Task[None] | None = None
        self._links: set[_Link] = set()
        self._trap: Trap | None = None
        # Events of a loop that runs in another thread; made in that thread.
        self._lets_in = self._asks = self._answers = asyncio.Event()
        self._slowness = 0.0
        self.url = make_conninfo(
            board.upstream,
            host="127.0.0.1",
            port=listener.getsockname()[1],
            password=board.secret,
            sslmode="disable",
            gssencmode="disable",
        )

    def open(self) -> None:
        self._lets_in, self._asks, self._answers = (asyncio.Event() for _ in range(3))
        for gate in (self._lets_in, self._asks, self._answers):
            gate.set()
        self._server = asyncio.ensure_future(self._serve())

    # What the nemesis does, from its own thread.

    def silence(self, *, asks: bool = True, answers: bool = True) -> None:
        """Carry nothing any more that way, and tell nobody."""

        def act() -> None:
            for is_meant, gate in ((asks, self._asks), (answers, self._answers)):
                if is_meant:
                    gate.clear()
            # A new connection in a silence is let in by the kernel, and that is all.
            self._lets_in.clear()

        self._board.do(act)

    def shut_door(self) -> None:
        """Leave new connections unanswered; those that are there go on."""
        self._board.do(self._lets_in.clear)

    def slow_down(self, seconds: float) -> None:
        """Let everything take up to so many seconds longer."""

        def act() -> None:
            self._slowness = seconds

        self._board.do(act)

    def heal(self, healing: Healing = Healing.LATE) -> None:
        """Carry again."""

        def act() -> None:
            is_silent = not (self._asks.is_set() and self._answers.is_set())
            for link in list(self._links):
                if is_silent:
                    link.heal(healing)
            self._slowness = 0.0
            for gate in (self._asks, self._answers, self._lets_in):
                gate.set()

        self._board.do(act)

    def reset(self) -> None:
        """Break every connection."""

        def act() -> None:
            for link in list(self._links):
                link.break_off()

        self._board.do(act)

    def arm(self, trap: Trap | None) -> None:
        """From now on the next such statement springs the trap; `None` takes it away."""

        def act() -> None:
            self._trap = trap

        self._board.do(act)

    # What happens in the thread of the wires.

    def sprung_by(self, statement: str) -> Trap | None:
        if self._trap is None or self._trap.statement != statement:
            return None
        trap, self._trap = self._trap, None
        return trap

    async def may_ask(self) -> None:
        await self._pass(self._asks)

    async def may_answer(self) -> None:
        await self._pass(self._answers)

    async def _pass(self, gate: asyncio.Event) -> None:
        if not gate.is_set():
            await gate.wait()
        if self._slowness:
            await asyncio.sleep(self._rng.uniform(0, self._slowness))

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._listener)
        async with server:
            await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await self._lets_in.wait()
            await link.lead(*await self._board.dial())
        except (OSError, asyncio.CancelledError):
            # The server is away, or all is over.
            pass
        finally:
            link.close()
            self._links.discard(link)


class _Link:
    """One connection, both ways."""

    def __init__(
        self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._wire, self._reader, self._writer = wire, reader, writer
        self._server: asyncio.StreamWriter | None = None
        self._is_deaf = False

    async def lead(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        """Carry both ways until either end is closed."""
        self._server = server
        ways = [
            asyncio.ensure_future(self._carry_asks(server)),
            asyncio.ensure_future(self._carry_answers(reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self._is_deaf:
                # One end is gone, and the other is not to learn of it.
                await asyncio.wait(ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_asks(self, server: asyncio.StreamWriter) -> None:
        frames = Frames()
        with suppress(OSError):
            while data := await self._reader.read(CHUNK):
                await self._wire.may_ask()
                said = frames.feed(data)
                for place, frame in enumerate(said):
                    if trap := self._trap_for(frame):
                        _send(server, said[:place])
                        await self._spring(trap, said[place:], frames, server)
                        return
                if not self._is_deaf:
                    _send(server, said)
                    await server.drain()
        # However it ended: what it closes may not be known before the wire carries again.
        await self._wire.may_ask()

    def _trap_for(self, frame: Frame) -> Trap | None:
        if frame.statement is None or self._is_deaf:
            return None
        return self._wire.sprung_by(frame.statement)

    async def _carry_answers(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._wire.may_answer()
                if not self._is_deaf:
                    self._writer.write(data)
                    await self._writer.drain()
        await self._wire.may_answer()

    async def _spring(
        self, trap: Trap, said: list[Frame], frames: Frames, server: asyncio.StreamWriter
    ) -> None:
        """Break at a statement; the server may get all of it all the same."""
        self._is_deaf = True
        while not any(frame.kind in ENDS for frame in said):
            data = await self._reader.read(CHUNK)
            if not data:
                return
            said += frames.feed(data)
        last = next(place for place, frame in enumerate(said) if frame.kind in ENDS)
        if trap.cut is Cut.AFTER:
            _send(server, said[: last + 1])
            await server.drain()
        _break(self._writer)
        trap.sprung()
        if trap.cut is Cut.LATE:
            await asyncio.sleep(trap.late_by)
            _send(server, said[: last + 1])
        if trap.cut is not Cut.BEFORE:
            await asyncio.sleep(ANSWERED_WITHIN)
        server.close()

    def heal(self, healing: Healing) -> None:
        if healing is Healing.BROKEN:
            self.break_off()
        elif healing is Healing.FORGOTTEN:
            self._is_deaf = True
            if self._server is not None:
                self._server.close()

    def close(self) -> None:
        """Take leave of both ends."""
        for writer in (self._writer, self._server):
            if writer is not None:
                writer.close()

    def break_off(self) -> None:
        """Tell both ends that they are broken."""
        for writer in (self._writer, self._server):
            if writer is not None:
                _break(writer)


def _send(server: asyncio.StreamWriter, said: list[Frame]) -> None:
    if said:
        server.write(b"".join(frame.data for frame in said))


def _break(writer: asyncio.StreamWriter) -> None:
    own = writer.get_extra_info("socket")
    with suppress(OSError):
        if own is not None and own.family != socket.AF_UNIX:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    writer.transport.abort()

"""Everything on one machine: a Postgres of its own, workers one of which supervises, HTTP.

    up ── Postgres (embedded)
     ├── fcs work --elect --listen …
     └── fcs work --elect …

Each is a process in a session of its own. What dies is started again; when this process dies, by
whatever signal, the kernel tells the others to go. The port is held here, from before the first
worker starts until the last has ended: no other program can take it between two lives.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from fcs.database import insights
from fcs.database.connect import connect
from fcs.database.migrate import migrate
from fcs.domain.errors import FcsError
from fcs.embedded import Postgres, UnusableFolder
from fcs.node.child import PAUSE_FIRST, PAUSE_MAX, Child
from fcs.node.ports import HELD, hold_port, pass_on, wait_for_port
from fcs.node.sockets import written

DATABASE: Final = "fcs"

WATCH_INTERVAL: Final = 0.2
"""Seconds between two looks at whether Postgres runs."""

READY_INTERVAL: Final = 0.05
"""Seconds between two looks at whether the worker answers."""

LET_GO: Final = 5.0
"""Seconds that workers whose `fcs up` was killed get to let go of its port."""

LAST_CALL: Final = 10.0
"""Seconds that children get to leave at once, before they are killed."""

# What a child is told by its arguments, or what would be wrong for all of them alike.
_NOT_INHERITED: Final = (
    "DATABASE_URL",
    "FCS_BEHIND_PROXY",
    "FCS_DATABASE_DIRECT",
    "FCS_DATABASE_FILE",
    HELD,
    "FCS_ID",
    "FCS_LISTEN",
    "FCS_TOKEN_FILE",
)


class Plan(NamedTuple):
    """What is to run. The options are those of `fcs work`."""

    data: Path
    pg_bin: Path | None
    listen: tuple[str, int]
    workers: int
    work_options: Sequence[str]
    environment: Mapping[str, str]


class Ready(NamedTuple):
    """Where everything is, once it is there."""

    data: Path
    postgres: str
    postgres_origin: str
    database: str
    api: str
    types: list[str]


class Talk(NamedTuple):
    """Who hears what: our own words, the children's lines, and when all is ready."""

    say: Callable[[str], None]
    show: Callable[[str, bytes], None]
    ready: Callable[[Ready], None]


def up(plan: Plan, talk: Talk) -> None:
    """Run everything until a signal asks to stop; the first lets running tasks end.

    Raises `AlreadyRunning` when the data are in use, `NoPostgres`, `PostgresFailed`,
    `UnusableFolder`, and `GaveUp` when a child cannot run as it was told.
    """
    _stop_on_signals()
    server = Postgres(plan.data, bin_dir=plan.pg_bin)
    try:
        _start(server)
        asyncio.run(Group(server, plan, talk).run())
    finally:
        _hear_no_signals()
        server.stop()
    talk.say(f"stopped; the data stay in {server.data_dir}")


def _start(server: Postgres) -> None:
    try:
        server.start()
    except OSError as error:
        raise UnusableFolder(
            f"{server.data_dir} cannot be used: {error.strerror or error}",
            hint="Choose a folder that you can write to with --data.",
        ) from error
    server.create_database(DATABASE)
    server.announce(server.url(DATABASE))


def _stop_on_signals() -> None:
    """Until there is an event loop, a signal is an exception, and Postgres goes on its way."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for sign in _ending():
        signal.signal(sign, stop)


def _ending() -> list[signal.Signals]:
    """The signals that end us, beside Ctrl-C; not that of a closed terminal under `nohup`."""
    is_kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM] if is_kept else [signal.SIGTERM, signal.SIGHUP]


def _hear_no_signals() -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)


class Group:
    """The processes besides Postgres, and an eye on that."""

    def __init__(self, server: Postgres, plan: Plan, talk: Talk) -> None:
        self._server, self._plan, self._talk = server, plan, talk
        self._url = server.url(DATABASE)
        self._asked, self._asked_again = asyncio.Event(), asyncio.Event()
        self._over = asyncio.Event()
        self._host, wanted = plan.listen
        self._held = self._hold_port(wanted)
        self._port: int = self._held[0].getsockname()[1]
        self._children = self._make_children()

    def _hold_port(self, wanted: int) -> list[socket.socket]:
        """Hold the wanted port or another; the workers of one that was killed may not be gone."""
        taker = "another program"
        if self._server.follows_a_killed_one:
            taker += ", or by workers of the last `fcs up`, which may still drain"
            wait_for_port(self._host, wanted, seconds=LET_GO)
        held = hold_port(self._host, wanted)
        found = held[0].getsockname()[1]
        if wanted not in (0, found):
            self._talk.say(f"port {wanted} is taken by {taker}; using {found}")
        return held

    async def run(self) -> None:
        self._hear_signals()
        await migrate(self._url)
        watch = asyncio.create_task(self._watch_postgres())
        lives = [asyncio.create_task(child.run()) for child in self._children]
        ready = asyncio.create_task(self._tell_when_ready())
        try:
            await self._until_asked([ready, *lives])
        finally:
            ready.cancel()
            await self._end(lives)
            for listener in self._held:
                listener.close()
            self._over.set()
            await watch

    async def _until_asked(self, parts: Sequence[asyncio.Task[None]]) -> None:
        """Wait for a signal. Raises what ends a part before."""
        asked = asyncio.create_task(self._asked.wait())
        waiting: set[asyncio.Future[Any]] = {asked, *parts}
        while not asked.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()

    def _make_children(self) -> list[Child]:
        fcs = [sys.executable, "-P", "-m", "fcs"]
        address = written(self._host, self._port)
        listen = ["--listen", address]
        self._api = f"http://{address}"
        environment = self._environment()
        children = []
        for no in range(1, self._plan.workers + 1):
            held = self._held if no == 1 else []
            door = listen if no == 1 else []
            children.append(
                Child(
                    f"worker {no}",
                    [*fcs, "work", "--elect", *door, *self._plan.work_options],
                    environment | pass_on(held),
                    show=self._talk.show,
                    say=self._talk.say,
                    held=held,
                )
            )
        return children

    def _environment(self) -> dict[str, str]:
        """The address of the database travels here: anybody can read a command line."""
        given = self._plan.environment
        kept = {name: value for name, value in given.items() if name not in _NOT_INHERITED}
        return {
            "FCS_BAR_URL": f"{self._api}/healthz",
            "FCS_LOG": "console",
            **kept,
            "FCS_DATABASE": self._url,
            "PYTHONUNBUFFERED": "1",
        }

    def _hear_signals(self) -> None:
        def hear() -> None:
            if self._asked.is_set():
                self._asked_again.set()
            else:
                self._talk.say("stopping; running tasks may end, once more interrupts them")
                self._asked.set()

        for sign in (signal.SIGINT, *_ending()):
            asyncio.get_running_loop().add_signal_handler(sign, hear)

    async def _end(self, lives: Sequence[asyncio.Task[None]]) -> None:
        """End all children: first in peace, then at once, then by force."""
        again = asyncio.create_task(self._asked_again.wait())
        self._signal(signal.SIGTERM)
        ended = asyncio.gather(*lives, return_exceptions=True)
        first: list[asyncio.Future[Any]] = [again, ended]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not ended.done():
            self._signal(signal.SIGTERM)
            await asyncio.wait([ended], timeout=LAST_CALL)
        if not ended.done():
            self._signal(signal.SIGKILL)
        await ended

    def _signal(self, sign: signal.Signals) -> None:
        for child in self._children:
            child.signal(sign)

    async def _watch_postgres(self) -> None:
        """Start Postgres again whenever it is gone, until all is over."""
        pause = PAUSE_FIRST
        while not await self._is_over(WATCH_INTERVAL):
            if self._server.running:
                pause = PAUSE_FIRST
                continue
            self._talk.say("Postgres ended; starting it again")
            try:
                await asyncio.to_thread(self._server.start)
                self._server.announce(self._url)
            except (FcsError, OSError) as error:
                self._talk.say(f"{error}; trying again in {pause:g} s")
                if await self._is_over(pause):
                    return
                pause = min(PAUSE_MAX, 2 * pause)

    async def _is_over(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._over.wait()
        except TimeoutError:
            return False

    async def _tell_when_ready(self) -> None:
        while not await _answers(self._host, self._port):
            await asyncio.sleep(READY_INTERVAL)
        async with await connect(self._url, part="up") as db:
            types = sorted(await insights.known_types(db))
        binaries = self._server.binaries
        self._talk.ready(
            Ready(
                self._server.data_dir,
                binaries.version,
                binaries.origin,
                self._url,
                self._api,
                types,
            )
        )


async def _answers(host: str, port: int) -> bool:
    """Whether the worker says that it is ready."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()

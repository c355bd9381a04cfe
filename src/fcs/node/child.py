"""A child process that is kept running: started anew when it dies, gone when we go.

Its output comes through a pipe, line by line, so that several can share one terminal.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from fcs.domain.errors import FcsError
from fcs.embedded.launch import Tied, tie

WRONG_USAGE: Final = 2
"""With this exit code a child says that starting it again would change nothing."""

PAUSE_FIRST: Final = 0.5
PAUSE_MAX: Final = 30.0
"""Seconds before a dead child is started again; they double from one death to the next."""

PROVEN_AFTER: Final = 60.0
"""A child that lived so long begins anew with short pauses."""

LAST_WORDS: Final = 0.2
"""Seconds for which the output of a dead child is read on; its own children may hold the pipe."""

_LINE_MAX: Final = 64 * 1024


class GaveUp(FcsError):
    """A child said that starting it again would change nothing."""

    code = "gave_up"


class Child:
    """One of several. `show` gets its lines, `say` what we have to say about it.

    The sockets in `held` are open in each of its lives, by the same numbers.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        show: Callable[[str, bytes], None],
        say: Callable[[str], None],
        held: Sequence[socket.socket] = (),
    ) -> None:
        self.name = name
        self._command, self._environment = command, environment
        self._show, self._say = show, say
        self._held = held
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep it running until it was asked to stop and has ended. Raises `GaveUp`."""
        loop = asyncio.get_running_loop()
        pause = PAUSE_FIRST
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._live()
            if self._stopping.is_set():
                return
            if code == WRONG_USAGE:
                raise GaveUp(
                    f"{self.name} cannot run like this; it said why above",
                    hint="Mend that, and start again.",
                )
            if loop.time() - began >= PROVEN_AFTER:
                pause = PAUSE_FIRST
            self._say(f"{self.name} ended ({_how(code)}); starting it again in {pause:g} s")
            await self._sleep(pause)
            pause = min(PAUSE_MAX, 2 * pause)

    def signal(self, sign: signal.Signals) -> None:
        """Pass a signal on, which is to end it."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(sign)

    async def _live(self) -> int:
        """One life, from start to end; return its exit code."""
        reader, writer = os.pipe()
        listener = asyncio.create_task(self._listen(reader))
        try:
            with _watched(tie(self._command)) as (argv, stdin):
                self._process = await self._start(argv, stdin, writer)
                if self._stopping.is_set():  # asked while it was being started
                    self._process.terminate()
                code = await self._process.wait()
            await asyncio.wait([listener], timeout=LAST_WORDS)
        finally:
            listener.cancel()
        return code

    async def _start(
        self, argv: Sequence[str], stdin: int, output: int
    ) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=stdin,
                stdout=output,
                stderr=output,
                env=dict(self._environment),
                pass_fds=[listener.fileno() for listener in self._held],
                start_new_session=True,  # Ctrl-C is for us: we tell the children
            )
        finally:
            os.close(output)

    async def _listen(self, pipe: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        file = os.fdopen(pipe, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        rest = b""
        try:
            while chunk := await reader.read(_LINE_MAX):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._show(self.name, line)
                if len(rest) > _LINE_MAX:
                    self._show(self.name, rest)
                    rest = b""
        finally:
            if rest:
                self._show(self.name, rest)
            transport.close()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


@contextmanager
def _watched(tied: Tied) -> Iterator[tuple[list[str], int]]:
    """How to start a tied program, and its input, whose end tells a watcher of our death."""
    if not tied.watched:
        yield tied.argv, subprocess.DEVNULL
        return
    theirs, ours = os.pipe()
    try:
        yield tied.argv, theirs
        # The program has ended by itself: call the watcher off before its number is given anew.
        with suppress(BrokenPipeError):
            os.write(ours, b"\n")
    finally:
        os.close(theirs)
        os.close(ours)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"

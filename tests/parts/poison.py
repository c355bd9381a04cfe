"""Bodies that do what no body should, each in a child process of a worker."""

import asyncio
import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from fcs import App, Context, current

app = App()

# A test may want the import to end the process.
if code := os.environ.get("FCS_TEST_EXIT"):
    print("not here")  # noqa: T201
    if int(code) < 0:
        os.kill(os.getpid(), -int(code))
    os._exit(int(code))

# A test holds up the import of later children by taking this file away.
while (gate := os.environ.get("FCS_TEST_GATE")) and not Path(gate).exists():
    time.sleep(0.005)

log = logging.getLogger(__name__)

MEMORY_MAX = 64 * 1024 * 1024


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@app.task(isolation="process")
def double(n: int) -> int:
    """Nothing wrong with this one."""
    return 2 * n


@app.task(isolation="process")
async def double_later(n: int) -> int:
    """Nor with this."""
    await asyncio.sleep(0)
    return 2 * n


@app.task(isolation="process")
def add_up(numbers: list[float]) -> float:
    return sum(numbers)


class Opened:
    """Something that a process opens once."""

    def __init__(self) -> None:
        self.pid = os.getpid()


@app.resource
async def opened() -> AsyncIterator[Opened]:
    yield Opened()


@app.task(isolation="process")
def given(context: Context, opened: Opened) -> list[object]:
    """Nor with this, which is given something."""
    return [context.ty, opened.pid == os.getpid()]


class Notebook:
    """Writes down what becomes of it."""

    def write(self, word: str) -> None:
        with Path(os.environ["FCS_TEST_NOTE"]).open("a") as file:
            file.write(f"{word}\n")


@app.resource
async def notebook() -> AsyncIterator[Notebook]:
    book = Notebook()
    book.write("entered")
    yield book
    book.write("left")


@app.task(isolation="process")
def note_down(word: str, *, book: Notebook) -> None:
    book.write(word)


@app.task(isolation="process")
def exit_by_exception() -> None:
    sys.exit(3)


@app.task(isolation="process")
def exit_at_once() -> None:
    print("last words")  # noqa: T201
    os._exit(3)


@app.task(isolation="process")
def segfault() -> None:
    ctypes.string_at(0)


@app.task(isolation="process")
def shoot_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(isolation="process", memory_max=MEMORY_MAX)
def take_memory(size: int) -> int:
    return len(bytearray(size))


@app.task(isolation="process")
def take_memory_without_a_limit(size: int) -> int:
    return len(bytearray(size))


@app.task(isolation="process", cpu_max=0.1)
def spin() -> None:
    while True:
        pass


@app.task(isolation="process")
def hold_the_interpreter(ready: str = "") -> None:
    """Backtrack in C for ever: no other thread of the process gets a turn."""
    if ready:
        Path(ready).touch()
    re.match("(a+)+$", 60 * "a" + "b")


@app.task(isolation="process")
def print_a_gigabyte() -> None:
    for _ in range(1024):
        os.write(1, 1024 * b"x" * 1024)


@app.task(isolation="process")
def return_what_is_no_json() -> object:
    return object()


@app.task(isolation="process")
def raise_the_mute() -> None:
    raise Mute


@app.task(isolation="process")
def leave_a_daemon(note: str) -> None:
    """Fork twice, as daemons do: nobody is the parent, and the group is another."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(note).write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not Path(note).exists() or not Path(note).read_text():
        time.sleep(0.001)


@app.task(isolation="process")
def come_back_twice() -> str:
    who = "copy" if os.fork() == 0 else "original"
    log.info("the %s", who)
    return who


@app.task(isolation="process")
def die_with_a_program_running(note: str) -> None:
    program = subprocess.Popen(["sleep", "600"])
    Path(note).write_text(str(program.pid))
    os._exit(3)


@app.task(isolation="process")
def close_everything() -> None:
    """While the event loop of its process is asleep, which then nobody wakes."""
    time.sleep(0.05)
    os.closerange(3, 256)


@app.task(isolation="process")
def write_everywhere() -> None:
    """Into the line to the worker, for one."""
    for descriptor in range(3, 32):
        with suppress(OSError):
            os.write(descriptor, 64 * b"\xff")
    time.sleep(600)


@app.task(isolation="process", memory_max=2 * 1024 * 1024)
def live_on_little() -> int:
    return len(bytearray(1024 * 1024))


@app.task(isolation="process")
def talk(lines: int) -> None:
    for n in range(lines):
        log.info("line %d", n)
        current().progress(n, of=lines)
    print("printed")  # noqa: T201
    current().progress(lines, of=lines, note="all")


@app.task(isolation="process")
def see(names: list[str]) -> dict[str, str | None]:
    """What it sees of its environment."""
    return {name: os.environ.get(name) for name in names}


@app.task(isolation="process")
def whoami() -> list[int]:
    return [os.getpid(), os.getpgid(0), os.getsid(0), len(list(Path("/dev/fd").iterdir()))]


@app.task(isolation="process")
def sleep(seconds: float = 600) -> None:
    """Where nobody can be asked to stop."""
    time.sleep(seconds)


@app.task(isolation="process")
def sleep_beside_a_program(note: str) -> None:
    program = subprocess.Popen(["sleep", "600"])
    Path(note).write_text(str(program.pid))
    time.sleep(600)


@app.task(isolation="process")
def sleep_well() -> None:
    """Where somebody can."""
    current().sleep(600)


@app.task(isolation="process")
async def sleep_on_the_loop() -> None:
    await asyncio.sleep(600)

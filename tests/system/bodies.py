"""The task types of the system tests: each body writes down what it really did.

The ledger is an append-only file outside the database. The first instruction of a body writes
one line and the last another one, so whether anything ran twice can be told without asking fcs.
"""

import asyncio
import multiprocessing
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fcs
from fcs import App, Backoff
from fcs.node.clock import boot_seconds

app = App()

LOOK_AGAIN = 0.02


@contextmanager
def in_ledger(serial: int) -> Iterator[None]:
    run = uuid.uuid4().hex
    write_down("began", serial, run)
    yield
    # Not in a `finally`: a body that was cut short did not end.
    write_down("ended", serial, run)


@contextmanager
def attempt_in_ledger(serial: int) -> Iterator[int]:
    """A body that may be tried several times; also how it left is written down."""
    attempt = fcs.current().attempt
    run = f"{serial}:{attempt}"
    write_down("began", serial, run)
    try:
        yield attempt
        write_down("ended", serial, run)
    finally:
        write_down("left", serial, run)


def write_down(mark: str, serial: int, run: str) -> None:
    line = f"{mark} {serial} {run} {boot_seconds():.6f} {time.time():.6f} {os.getpid()}\n"
    file = os.open(os.environ["FCS_TEST_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # A single write to a file opened so is one whole line, whoever else writes.
        os.write(file, line.encode())
    finally:
        os.close(file)


@app.task
async def nap(serial: int, ms: int = 0) -> None:
    """Sleep for some milliseconds."""
    with in_ledger(serial):
        await asyncio.sleep(ms / 1000)


@app.task
async def hold(serial: int, gate: str) -> None:
    """Run until a file is there."""
    with in_ledger(serial):
        while not is_open(gate):
            await asyncio.sleep(LOOK_AGAIN)


def is_open(gate: str) -> bool:
    return Path(gate).exists()


@app.task
def sleep_in_thread(serial: int, seconds: float) -> None:
    """Sleep where nobody can be asked to stop."""
    with in_ledger(serial):
        time.sleep(seconds)


@app.task
async def block_the_loop(serial: int, seconds: float) -> None:
    """Do what an async body must not do."""
    with in_ledger(serial):
        time.sleep(seconds)  # noqa: ASYNC251


@app.task
def spin(serial: int, seconds: float) -> None:
    """Keep the interpreter busy in a thread."""
    with in_ledger(serial):
        until = boot_seconds() + seconds
        while boot_seconds() < until:
            pass


@app.task(max_attempts=3, backoff=Backoff(first=0.1, cap=0.5))
async def episode(serial: int, ms: int, plan: str) -> int:
    """Do what the plan says: an eventful life."""
    with attempt_in_ledger(serial) as attempt:
        await asyncio.sleep(ms / 1000)
        return follow(plan, attempt)


@app.task(max_attempts=3, backoff=Backoff(first=0.1, cap=0.5))
def episode_in_thread(serial: int, ms: int, plan: str) -> int:
    """The same, where nobody can interfere."""
    with attempt_in_ledger(serial) as attempt:
        fcs.current().sleep(ms / 1000)
        return follow(plan, attempt)


def follow(plan: str, attempt: int) -> int:
    match plan:
        case "fail":
            raise ValueError("as planned")
        case "fail once" if attempt == 1:
            raise ValueError("as planned")
        case "give up":
            raise fcs.GiveUp("as planned")
        case "snooze" if attempt <= 2:
            raise fcs.Snooze("100ms")
    return attempt


@app.task
def end_a_fork(serial: int) -> int | None:
    """Fork a process and end it, as a pool of them does when it is left."""
    with in_ledger(serial):
        fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        fork.start()
        fork.terminate()
        fork.join()
        return fork.exitcode


newer = App()
"""The same program one release later: it knows one type more."""

for _handler in (nap, hold):
    newer.registry.add(_handler.task_type)


@newer.task
async def novelty(serial: int) -> None:
    """A type that workers of the older release do not know."""
    with in_ledger(serial):
        pass


isolated = App()
"""Bodies in child processes."""


@isolated.task(isolation="process")
def nap_alone(serial: int, ms: int = 0) -> None:
    """Sleep for some milliseconds."""
    with in_ledger(serial):
        time.sleep(ms / 1000)


@isolated.task(isolation="process")
def cling(serial: int, note: str) -> None:
    """Start a program, and then hold the interpreter for ever."""
    program = subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"])
    Path(f"{note}.new").write_text(f"{os.getpid()} {program.pid}")
    Path(f"{note}.new").rename(note)
    re.match("(a+)+$", 60 * "a" + "b")

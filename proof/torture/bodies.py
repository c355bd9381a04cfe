"""The task types of the torture: each body writes down what it really did.

The first instruction of a body writes one line to a file outside the database, the last one of a
body that returned another, and however it left, a third. So whether anything ran twice can be
told without asking fcs.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import fcs
from fcs import App, Backoff
from proof.torture.books import boot_time

app = App()

LEDGER = "FCS_PROOF_LEDGER"
INSTANCE = "FCS_PROOF_INSTANCE"
"""Variables: where the ledger is; the name of the worker process, which a child inherits."""

CHILD_ENV = "FCS_PROOF_*"


@contextmanager
def in_ledger(serial: int) -> Iterator[fcs.Context]:
    run = fcs.current()
    write_down("began", serial, run)
    try:
        yield run
        # Not in the `finally`: a body that was cut short did not end.
        write_down("ended", serial, run)
    finally:
        write_down("left", serial, run)


def write_down(mark: str, serial: int, run: fcs.Context) -> None:
    instance = os.environ[INSTANCE]
    line = (
        f"{mark} {serial} {run.id} {run.run_id} {run.attempt}"
        f" {boot_time():.6f} {time.time():.6f} {os.getpid()} {instance}\n"
    )
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
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
def nap_in_thread(serial: int, ms: int = 0) -> None:
    """The same in a thread."""
    with in_ledger(serial) as run:
        run.sleep(ms / 1000)


@app.task(isolation="process")
def nap_alone(serial: int, ms: int = 0) -> None:
    """The same in a process."""
    with in_ledger(serial):
        time.sleep(ms / 1000)


@app.task
async def stumble(serial: int, ms: int = 0) -> None:
    """Fail."""
    with in_ledger(serial):
        await asyncio.sleep(ms / 1000)
        raise ValueError("as planned")


@app.task(max_attempts=3, on_interrupt="retry", backoff=Backoff(first=0.1, cap=0.5))
async def flaky(serial: int, ms: int = 0) -> None:
    """Fail at first. Opted in to retries, also after an interruption."""
    with in_ledger(serial) as run:
        await asyncio.sleep(ms / 1000)
        if run.attempt == 1:
            raise ValueError("as planned")


@app.task(isolation="process")
def poison(serial: int) -> None:
    """Kill the process that runs it."""
    with in_ledger(serial):
        os.kill(os.getpid(), signal.SIGKILL)

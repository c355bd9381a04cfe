"""The task types of the soak: a little of everything."""

import asyncio
import logging
import time

from fcs import App, Backoff

app = App()
log = logging.getLogger(__name__)


@app.task
async def quick(serial: int) -> int:
    """Return what it was given."""
    return serial


@app.task(max_attempts=3, backoff=Backoff(first=0.05, cap=0.2))
async def flaky(serial: int) -> None:
    """Two in three fail at every attempt."""
    if serial % 3:
        raise ValueError(f"number {serial} fails")


@app.task
def in_thread(serial: int) -> None:
    """Block for a moment, and say so."""
    log.info("in a thread: %d", serial)
    time.sleep(0.005)


@app.task(isolation="process")
def in_child(serial: int) -> int:
    """Run in a process of its own."""
    return serial


@app.task
async def sleeper(seconds: float) -> None:
    """Wait to be cancelled."""
    await asyncio.sleep(seconds)


@app.schedule("* * * * * *", name="soak-tick")
@app.task
async def tick() -> None:
    """Come every second."""

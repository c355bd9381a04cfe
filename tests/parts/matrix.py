"""The same four acts on the same body: on the event loop, in a thread and in a process."""

import asyncio
import os
import time

from fcs import App, current

app = App()

MEMORY_MAX = 64 * 1024 * 1024


@app.task
async def wait_async() -> None:
    await asyncio.sleep(600)


@app.task
def wait_thread() -> None:
    current().sleep(600)


@app.task(isolation="process")
def wait_process() -> None:
    """Neither looks nor listens."""
    time.sleep(600)


@app.task
async def crash_async() -> None:
    os._exit(3)


@app.task
def crash_thread() -> None:
    os._exit(3)


@app.task(isolation="process")
def crash_process() -> None:
    os._exit(3)


@app.task
async def eat_async() -> int:
    return eat()


@app.task
def eat_thread() -> int:
    return eat()


@app.task(isolation="process", memory_max=MEMORY_MAX)
def eat_process() -> int:
    return eat()


def eat() -> int:
    """Take twice what the process may."""
    return len(bytearray(2 * MEMORY_MAX))

"""The task types that `fcs bench` runs."""

import socket
import time

from fcs.client.app import App

app = App()


@app.task
async def noop() -> None:
    """Do nothing."""


@app.task
async def answer(port: int, sent_at: int) -> None:
    """Tell how many nanoseconds ago, on this machine's monotonic clock, the task was created."""
    waited = time.monotonic_ns() - sent_at
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(str(waited).encode(), ("127.0.0.1", port))


@app.task
async def failing() -> None:
    """Fail, as some tasks do."""
    raise RuntimeError("as asked")

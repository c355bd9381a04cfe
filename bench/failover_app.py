"""The task type of the failover bench: it writes down outside the database that it has started."""

import asyncio
import os

import fcs
from fcs import App
from fcs.node.clock import boot_seconds

LEDGER = "FCS_BENCH_LEDGER"

app = App()


@app.task
async def note(ms: int) -> None:
    """Write down that it has started, and take a while."""
    line = f"{fcs.current().id} {boot_seconds():.6f}\n"
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # A single write to a file opened so is one whole line, whoever else writes.
        os.write(file, line.encode())
    finally:
        os.close(file)
    await asyncio.sleep(ms / 1000)

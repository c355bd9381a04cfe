"""Signals: the first asks a process to drain, the second to leave at once."""

import asyncio
import logging
import signal

from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)


def stop_on_signals() -> Stop:
    """Handle SIGTERM and SIGINT from now on, in the running event loop."""
    stop = Stop(drain=asyncio.Event(), now=asyncio.Event())
    loop = asyncio.get_running_loop()

    def ask(name: str) -> None:
        if stop.drain.is_set():
            log.warning("%s again: leaving at once", name)
            stop.now.set()
        else:
            log.info("%s: draining; send it again to leave at once", name)
            stop.drain.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, ask, sign.name)
    return stop

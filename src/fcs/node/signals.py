"""Signals: the first asks a process to drain, the second to leave at once."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block in order: what is open in it is closed first."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told: list[signal.Signals] = []

    def end(sign: signal.Signals) -> None:
        told.append(sign)
        task.cancel()

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, end, sign)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        if told[0] is signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + told[0]) from None
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(sign)

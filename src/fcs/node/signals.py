"""Signals: the first asks a process to drain, the second to leave at once.

What a body forks is a process of its own: signals for it are none for the worker.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from fcs.worker.runtime import Stop

log = logging.getLogger(__name__)

_SIGNS: Final = (signal.SIGTERM, signal.SIGINT)
_hearing: set[asyncio.AbstractEventLoop] = set()


def stop_on_signals() -> Stop:
    """Handle SIGTERM and SIGINT from now on, in the running event loop."""
    stop = Stop(drain=asyncio.Event(), now=asyncio.Event())

    def ask(sign: signal.Signals) -> None:
        if stop.drain.is_set():
            log.warning("%s again: leaving at once", sign.name)
            stop.now.set()
        else:
            log.info("%s: draining; send it again to leave at once", sign.name)
            stop.drain.set()

    _hear(asyncio.get_running_loop(), ask)
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

    _hear(loop, end)
    try:
        yield
    except asyncio.CancelledError:
        if not told:
            raise
        if told[0] is signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + told[0]) from None
    finally:
        _hearing.discard(loop)
        for sign in _SIGNS:
            loop.remove_signal_handler(sign)


def _hear(loop: asyncio.AbstractEventLoop, act: Callable[[signal.Signals], None]) -> None:
    for sign in _SIGNS:
        loop.add_signal_handler(sign, act, sign)
    _hearing.add(loop)


class _Forks:
    """A fork has the handlers and the loop's end of the pipe that they write to: what is sent to
    it would be heard by its parent. Until it has let go of them it is sent nothing."""

    def __init__(self) -> None:
        self._here = threading.local()
        os.register_at_fork(
            before=self._before, after_in_parent=self._unblock, after_in_child=self._in_child
        )

    def _before(self) -> None:
        if _hearing:
            self._here.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNS)

    def _unblock(self) -> None:
        mask = self._here.__dict__.pop("mask", None)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _in_child(self) -> None:
        if _hearing:
            _hearing.clear()
            signal.set_wakeup_fd(-1)
            for sign in _SIGNS:
                signal.signal(sign, signal.SIG_DFL)
        self._unblock()


if hasattr(os, "register_at_fork"):
    _Forks()

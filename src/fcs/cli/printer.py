"""Writing where nobody may be reading: a pager that waits for a key must not stop its writer."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

WAITING_MAX: Final = 4 * 1024 * 1024
"""Bytes that wait to be written; what comes on top is dropped, and how much of it said."""

LAST_MOMENT: Final = 1.0
"""Seconds that a reader gets at the end for what still waits."""


class Printer:
    """A thread that writes to a file; `left_out` says how many texts were dropped."""

    def __init__(self, file: int, left_out: Callable[[int], bytes]) -> None:
        self._file, self._left_out = file, left_out
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = self._dropped = 0
        self._idle = True
        self._thread: threading.Thread | None = None

    def put(self, text: bytes) -> None:
        """Have it written. This never waits for a reader."""
        with self._changed:
            # Once one is dropped, so are all until there is room: they are counted in one place.
            if self._dropped or self._size + len(text) > WAITING_MAX:
                self._dropped += 1
            else:
                self._waiting.append(text)
                self._size += len(text)
            self._idle = False
            self._start()
            self._changed.notify_all()

    def close(self) -> None:
        """Let it write what waits. If nobody reads even now, nothing reaches the file any more."""
        with self._changed:
            if self._changed.wait_for(lambda: self._idle, LAST_MOMENT):
                return
        # Else whoever has something to say after us would wait for ever, deaf to signals.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._file)
        os.close(nowhere)

    def _start(self) -> None:
        if self._thread is None:
            # A daemon, as it may hang in its write when the process ends.
            self._thread = threading.Thread(target=self._run, name="fcs-printer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            text = self._take()
            # If the reader has gone, that is no reason to take the tasks along.
            with suppress(OSError):
                self._write(text)

    def _take(self) -> bytes:
        with self._changed:
            if not self._has_work():
                self._idle = True
                self._changed.notify_all()
            self._changed.wait_for(self._has_work)
            texts, dropped = self._waiting, self._dropped
            self._waiting, self._size, self._dropped = [], 0, 0
        if dropped:
            texts.append(self._left_out(dropped))
        return b"".join(texts)

    def _has_work(self) -> bool:
        return bool(self._waiting or self._dropped)

    def _write(self, text: bytes) -> None:
        """Past the buffers of Python, whose locks would be held by a write that hangs."""
        rest = memoryview(text)
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except BlockingIOError:  # somebody who shares the file has made it so
                select.select([], [self._file], [])

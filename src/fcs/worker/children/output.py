"""What a child writes to its stdout and stderr: read at once, kept up to a cap."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

from fcs.body.journal import JOURNAL_BYTES_MAX

OUTPUT_BYTES_MAX: Final = JOURNAL_BYTES_MAX - 1024
"""Of one run. The rest is read and counted, so that no body waits for anybody to read it."""

_CHUNK: Final = 256 * 1024
_CHUNKS_AT_END: Final = 64
"""Read so many when a run ends: a thread that the body left behind may write for ever."""


class Output:
    """The reading end of a child's output. Lines go to whoever owns them at the time."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._begin(_nobody)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._read)

    def lines_to(self, owner: Callable[[str], None]) -> None:
        """From here on the output belongs to somebody else; what was written yet does not."""
        for _ in range(_CHUNKS_AT_END):
            if not self._read():
                break
        self._end()
        self._begin(owner)

    def close(self) -> None:
        """Read what there is, and nothing more."""
        self.lines_to(_nobody)
        self._loop.remove_reader(self._reader)
        os.close(self._reader)

    def _begin(self, owner: Callable[[str], None]) -> None:
        self._owner = owner
        self._line = b""
        self._room = OUTPUT_BYTES_MAX
        self._left_out = 0

    def _end(self) -> None:
        if self._line:
            self._tell(self._line)
        if self._left_out:
            self._owner(f"… ({self._left_out:,} more bytes of output left out)")

    def _read(self) -> int:
        """Read one chunk; return its size."""
        try:
            chunk = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return 0
        except OSError:
            chunk = b""
        if not chunk:
            self._loop.remove_reader(self._reader)
        self._take(chunk)
        return len(chunk)

    def _take(self, chunk: bytes) -> None:
        kept = chunk[: self._room]
        self._room -= len(kept)
        self._left_out += len(chunk) - len(kept)
        *lines, self._line = (self._line + kept).split(b"\n")
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        self._owner(line.decode("utf-8", "backslashreplace"))


def _nobody(_line: str) -> None:
    pass

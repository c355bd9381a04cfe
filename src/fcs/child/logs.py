"""What is logged in a child goes to its worker, which logs it as if it had happened there."""

import logging
from contextlib import suppress
from typing import Final

from fcs.body.journal import JOURNAL_BYTES_MAX
from fcs.body.pipe import Logged
from fcs.child.line import Line
from fcs.domain.text import safe_text

ROOM: Final = JOURNAL_BYTES_MAX - 1024
"""So many bytes of records a run may send. The rest is for the word on what was left out."""

_PREFIX: Final = 40
"""About so many bytes the moment and the level take in a journal."""

_TEXT: Final = logging.Formatter("{message}", style="{")


class LineHandler(logging.Handler):
    """Sends records to the worker: of each run as many as its journal may hold, and no more."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self.open_books()

    def open_books(self) -> None:
        """From here on it is another run."""
        self._room = ROOM
        self._left_out = 0

    def close_books(self) -> None:
        """Say how many records of this run were left out."""
        if self._left_out:
            text = f"… ({self._left_out} more log records left out)"
            fields = {"name": __name__, "levelno": logging.WARNING, "msg": text}
            self._send(logging.makeLogRecord(fields), text)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = safe_text(_TEXT.format(record))
        except Exception:  # noqa: BLE001 - a log line is not worth a body
            text = "(a log record that cannot be shown)"
        self._room -= len(text.encode()) + len(record.name) + _PREFIX
        if self._room < 0:
            self._left_out += 1
        else:
            self._send(record, text)

    def _send(self, record: logging.LogRecord, text: str) -> None:
        with suppress(OSError):  # the worker is gone, or this is a copy that a body has forked
            self._line.send(Logged(record.name, record.levelno, text, record.created))


def send_logs(line: Line, level: int) -> LineHandler:
    """From now on, records of at least this level go through the line."""
    handler = LineHandler(line)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    return handler

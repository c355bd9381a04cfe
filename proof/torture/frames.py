"""What a client of Postgres says, message by message: which named statement it sends, and when all
of it has been sent."""

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.parts.proxy import STATEMENTS, first_line

STARTUP: Final = 196_608
"""The code of version 3.0 of the protocol."""

ENDS: Final = frozenset(b"QSH")
"""Kinds of messages at which the server begins to answer: a query, a sync, a flush."""

_FIRST_LINES: Final[Mapping[str, str]] = {first_line(name): name for name in STATEMENTS}
"""The comment that a statement begins with, and its name in `queries/*.sql`."""


class Frame(NamedTuple):
    """A message as it came, the kind of it, and the statement that it prepares, binds or asks."""

    data: bytes
    kind: int
    statement: str | None


class Frames:
    """Cuts what comes in into messages. The first one, which has no kind, is passed as kind 0."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_begun = False
        self._prepared: dict[bytes, str | None] = {}

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are complete by now."""
        buffer = self._rest + data
        at, frames = 0, []
        while (size := self._size(buffer, at)) and len(buffer) >= at + size:
            frames.append(self._frame(buffer[at : at + size]))
            at += size
        self._rest = buffer[at:]
        return frames

    def _size(self, buffer: bytes, at: int) -> int:
        head = 1 if self._has_begun else 0
        if len(buffer) < at + head + 4:
            return 0
        length: int = struct.unpack_from("!I", buffer, at + head)[0]
        return head + length

    def _frame(self, data: bytes) -> Frame:
        if not self._has_begun:
            self._has_begun = len(data) >= 8 and struct.unpack_from("!I", data, 4)[0] == STARTUP
            return Frame(data, 0, None)
        return Frame(data, data[0], self._statement(data))

    def _statement(self, data: bytes) -> str | None:
        match data[:1]:
            case b"Q":
                return name_of(data[5:-1])
            case b"P":
                name, text, _ = data[5:].split(b"\0", 2)
                self._prepared[name] = name_of(text)
            case b"B":
                _, name, _ = data[5:].split(b"\0", 2)
                return self._prepared.get(name)
        return None


def name_of(text: bytes) -> str | None:
    """The name of a statement, by its first line; `None` for one that has none."""
    for line in text[:400].lstrip().decode("utf-8", "replace").splitlines()[:1]:
        return _FIRST_LINES.get(line.strip())
    return None

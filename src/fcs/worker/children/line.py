"""The worker's end of the pipe to a child."""

import asyncio
import socket

from fcs.body.pipe import (
    HEAD_BYTES,
    BadFrame,
    FromChild,
    ToChild,
    frame,
    read_from_child,
    size_of,
)


class Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, ours: socket.socket) -> "Line":
        return cls(*await asyncio.open_unix_connection(sock=ours))

    def send(self, message: ToChild) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame(message))

    async def receive(self) -> FromChild | None:
        """The next message; `None` once there will be none, nor anything that makes sense."""
        try:
            head = await self._reader.readexactly(HEAD_BYTES)
            return read_from_child(await self._reader.readexactly(size_of(head)))
        except (asyncio.IncompleteReadError, OSError, BadFrame):
            return None

    def close(self) -> None:
        """Tell the child that it is no longer needed."""
        self._writer.close()

    def abort(self) -> None:
        """Hear nothing more, though somebody may still hold the other end."""
        self._writer.transport.abort()

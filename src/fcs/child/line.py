"""The child's end of the pipe to its worker."""

import os
import socket
import threading
from collections.abc import Iterator

from fcs.body.pipe import HEAD_BYTES, FromChild, ToChild, frame, read_to_child, size_of


class Line:
    """Any thread may send; one reads."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._sending = threading.Lock()
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=self._hang_up)

    def send(self, message: FromChild) -> None:
        with self._sending:
            self._socket.sendall(frame(message))

    def require(self) -> None:
        """End the process if it cannot speak for itself any more, after a body."""
        if os.getpid() != self._pid:
            # A body that forks comes back twice. The copy has nothing to say.
            os._exit(0)
        try:
            self._socket.getpeername()
        except OSError:
            # A body may close every file there is, the event loop's among them.
            os.write(2, b"fcs: the body has closed the files of its process\n")
            os._exit(1)

    def _hang_up(self) -> None:
        """A body that forks makes a copy of this process, which must not speak for it."""
        os.close(self._socket.detach())
        self._sending = threading.Lock()  # another thread may have held it at that moment

    def messages(self) -> Iterator[ToChild]:
        """What the worker says, until it is gone."""
        with self._socket.makefile("rb") as file:
            while head := file.read(HEAD_BYTES):
                yield read_to_child(file.read(size_of(head)))

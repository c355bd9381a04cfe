"""A port to listen on: the wanted one, or the next that is free; held, and passed on to a child."""

import errno
import os
import socket
import time
from collections.abc import MutableMapping, Sequence
from typing import Final

from fcs.domain.errors import InvalidSettings
from fcs.node.sockets import listen_on, written

TRIES = 100

HELD: Final = "FCS_HELD_SOCKETS"
"""How `fcs up` tells a worker which of its open files are sockets that listen already."""

_PAUSE_SECONDS: Final = 0.05

_SHELL_FILES: Final = 10
"""Numbers below are taken by the shell that stands between us and a child on some systems."""


def hold_port(host: str, wanted: int) -> list[socket.socket]:
    """Listen on the first free port from the wanted one on, so that it stays ours.

    0 means any. Raises `InvalidSettings` when it is not for want of a free port that this fails.
    """
    for port in (*range(wanted, min(wanted + TRIES, 65_536)), 0):
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InvalidSettings(
                    f"listening on {written(host, port)} failed: {error.strerror or error}",
                    hint="--listen takes a free port of this machine, such as 127.0.0.1:5000.",
                ) from None
    raise AssertionError("the system has no free port")


def wait_for_port(host: str, port: int, *, seconds: float) -> None:
    """Return when the port is free, when the time is over, or when waiting would be in vain."""
    deadline = time.monotonic() + seconds
    while _is_taken(host, port) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)


def pass_on(listeners: Sequence[socket.socket]) -> dict[str, str]:
    """The variable that tells a child of the sockets it was given, if it was given any."""
    numbers = [str(listener.fileno()) for listener in listeners]
    return {HELD: ",".join(numbers)} if numbers else {}


def take_held(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets that were passed on to this process, which does not pass them any further."""
    numbers = filter(None, environment.pop(HELD, "").split(","))
    listeners = [socket.socket(fileno=int(number)) for number in numbers]
    for listener in listeners:
        listener.set_inheritable(False)
    return listeners


def _is_taken(host: str, port: int) -> bool:
    try:
        held = _listen(host, port)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    for listener in held:
        listener.close()
    return False


def _listen(host: str, port: int) -> list[socket.socket]:
    # Two may be bound to one port as long as neither listens, so looking takes listening.
    opened = listen_on(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    held = [_apart_from_the_shell(listener) for listener in opened]
    for listener in opened:
        listener.close()
    return held


def _apart_from_the_shell(listener: socket.socket) -> socket.socket:
    if os.name != "posix":
        return listener.dup()
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    return socket.socket(fileno=fcntl(listener, F_DUPFD_CLOEXEC, _SHELL_FILES))

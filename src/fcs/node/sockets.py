"""Sockets that listen on what a name stands for, without anything of who will serve there."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

_BACKLOG = 2048
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
"""An address, as `getaddrinfo` tells it."""


def listen_on(found: Sequence[Found]) -> list[socket.socket]:
    """Listen on every address that a name stands for, by one port.

    Raises `OSError`. What this machine lacks is left out as long as something else is found; so
    is, when any port will do, an address that does not have the port of the first one free.
    """
    listeners: list[socket.socket] = []
    failures: list[OSError] = []
    with ExitStack() as closing:
        for family, (host, wanted, *scope) in dict.fromkeys((one[0], one[4]) for one in found):
            port = listeners[0].getsockname()[1] if listeners else wanted
            try:
                listener = _listen(family, (host, port, *scope))
            except OSError as error:
                failures.append(error)
                if error.errno in _NOT_HERE or (listeners and wanted == 0):
                    continue
                raise
            listeners.append(closing.enter_context(listener))
        if not listeners:
            raise failures[0]
        closing.pop_all()
    return listeners


def _listen(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without this, connections of the last run would keep the port busy for a minute.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def written(host: str, port: int) -> str:
    """An address as people and programs read it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""A port to listen on: the wanted one, or the next that is free."""

import errno
import os
import socket

from fcs.domain.errors import InvalidSettings

TRIES = 100


def find_port(host: str, wanted: int) -> int:
    """Return the first free port from the wanted one on; 0 means any.

    Raises `InvalidSettings` when it is not for want of a free port that listening fails.
    """
    for port in (*range(wanted, min(wanted + TRIES, 65_536)), 0):
        try:
            return _try(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InvalidSettings(
                    f"listening on {host}:{port} failed: {error.strerror or error}",
                    hint="--listen takes a free port of this machine, such as 127.0.0.1:5000.",
                ) from None
    raise AssertionError("the system has no free port")


def _try(host: str, port: int) -> int:
    [(family, _, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As the server does: connections of the last run do not make a port busy.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two may be bound to one port as long as neither listens.
        listener.listen(1)
        found: int = listener.getsockname()[1]
        return found

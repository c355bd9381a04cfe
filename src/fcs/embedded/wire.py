"""The few words of Postgres' protocol that starting a server takes.

A driver would do, but this floor stands on the standard library alone.
"""

import socket
import struct
from pathlib import Path

_PROTOCOL_3_0 = 196608
_CANNOT_CONNECT_NOW = "57P03"
_PATIENCE_SECONDS = 10.0


class ServerError(Exception):
    """The server answered with an error; `sqlstate` says which."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def is_ready(address: Path) -> bool:
    """Tell whether the server takes connections; any refusal but "not now" shows that it does."""
    try:
        _connect(address).close()
    except ServerError as error:
        return error.sqlstate != _CANNOT_CONNECT_NOW
    except OSError:
        return False
    return True


def execute(address: Path, sql: str) -> int:
    """Carry out a statement; return how many rows it answered."""
    with _connect(address) as server:
        _send(server, b"Q", sql.encode() + b"\0")
        return _read_until_ready(server)


def _connect(address: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    try:
        server.settimeout(_PATIENCE_SECONDS)
        server.connect(str(address))
        settings = b"user\0postgres\0database\0postgres\0application_name\0fcs\0\0"
        _send(server, b"", struct.pack("!i", _PROTOCOL_3_0) + settings)
        _read_until_ready(server)
    except BaseException:
        server.close()
        raise
    return server


def _send(server: socket.socket, kind: bytes, body: bytes) -> None:
    server.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def _read_until_ready(server: socket.socket) -> int:
    failure: ServerError | None = None
    rows = 0
    kind = b""
    while kind != b"Z":
        kind, length = struct.unpack("!ci", _read(server, 5, failure))
        body = _read(server, length - 4, failure)
        rows += kind == b"D"
        if kind == b"E":
            failure = _parse_error(body)
    if failure:
        raise failure
    return rows


def _read(server: socket.socket, count: int, failure: ServerError | None) -> bytes:
    data = b""
    while len(data) < count:
        chunk = server.recv(count - len(data))
        if not chunk:
            # The server says why before it hangs up.
            raise failure or ConnectionResetError("the server hung up")
        data += chunk
    return data


def _parse_error(body: bytes) -> ServerError:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return ServerError(fields.get(b"C", ""), fields.get(b"M", ""))

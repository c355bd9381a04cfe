"""HTTP by hand: bytes as they are, and all the answers that come back."""

import select
import socket
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final, NamedTuple

Address = tuple[str, int]

HUNG_UP: Final = 0
"""Stands for a status where the server closed the connection without a word."""

TOKEN: Final = "of-no-use-anywhere-but-in-this-fuzz"
PATIENCE: Final = 30.0

_CHUNK: Final = 256 * 1024


class Answer(NamedTuple):
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.encode():
                return value.strip().decode("latin-1")
        return None


def request(
    method: str = "GET",
    path: str = "/tasks",
    body: bytes | None = None,
    *headers: str,
    host: str | None = "localhost",
    token: str | None = TOKEN,
    version: str = "HTTP/1.1",
    kind: str | None = "application/json",
) -> bytes:
    """A request that is right but for what is given otherwise."""
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += [f"Content-Length: {len(body)}"]
        lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + (body or b"")


def exchange(
    address: Address, data: bytes, *, answers: int = 1, patience: float = PATIENCE
) -> list[Answer]:
    """Send bytes over a connection of their own; read so many answers, or until it is closed.

    Reads while it writes: a server that has seen enough answers before it was sent everything.
    """
    with socket.create_connection(address, timeout=patience) as line:
        line.setblocking(False)
        return _talk(line, memoryview(data), answers, monotonic() + patience)


def statuses(found: Iterable[Answer], count: int) -> tuple[int, ...]:
    """The statuses of so many answers; `HUNG_UP` for each that did not come."""
    seen = [answer.status for answer in found]
    return (*seen, *[HUNG_UP] * (count - len(seen)))


def _talk(line: socket.socket, rest: memoryview, count: int, give_up_at: float) -> list[Answer]:
    received = bytearray()
    found: list[Answer] = []
    while len(found) < count:
        patience = give_up_at - monotonic()
        if patience <= 0:
            raise TimeoutError(f"{len(found)} of {count} answers came; {bytes(received[:200])!r}")
        readable, writable, _ = select.select([line], [line] if rest else [], [], patience)
        try:
            if writable:
                rest = rest[line.send(rest[:_CHUNK]) :]
            piece = line.recv(_CHUNK) if readable else None
        except (BrokenPipeError, ConnectionResetError):
            rest, piece = memoryview(b""), _last_words(line)
        if piece is not None:
            received += piece
            found += _cut(received)
            if not piece:
                break
    return found


def _last_words(line: socket.socket) -> bytes:
    """What came before the connection was reset."""
    try:
        return line.recv(_CHUNK)
    except OSError:
        return b""


def _cut(received: bytearray) -> Sequence[Answer]:
    """Take whole answers off the front."""
    found: list[Answer] = []
    while (end := received.find(b"\r\n\r\n")) >= 0:
        head = bytes(received[:end])
        answer = Answer(int(head.split(b" ", 2)[1]), head, b"")
        if answer.status == 100:
            del received[: end + 4]
            continue
        length = int(answer.header("content-length") or 0)
        if len(received) < end + 4 + length:
            break
        found.append(answer._replace(body=bytes(received[end + 4 : end + 4 + length])))
        del received[: end + 4 + length]
    return found

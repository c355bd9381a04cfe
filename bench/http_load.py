"""Drives an HTTP server: `python -m bench.http_load PORT CONNECTIONS SECONDS` prints answers/s.

Each connection is kept alive and sends the same request again as soon as it is answered. The
requests are bytes made beforehand, so that this costs less than what it measures.
"""

import asyncio
import sys
from time import perf_counter

import uvloop

_BODY = b'{"def":{"ty":"noop"}}'
_LENGTH = b"content-length: "
_WARM_UP = 0.5


class Count:
    """What all connections have seen."""

    answers = 0
    refused = b""


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, count: Count) -> None:
        self._request, self._count = request, count
        self._heard = b""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.partition(_LENGTH)[2].partition(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 201"):
            self._count.refused = self._heard
            return
        self._heard = b""
        self._count.answers += 1
        self._transport.write(self._request)


async def rate(port: int, connections: int, seconds: float) -> float:
    """Answers per second."""
    request = (
        f"POST /tasks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    ).encode() + _BODY
    loop, count = asyncio.get_running_loop(), Count()
    for _ in range(connections):
        await loop.create_connection(lambda: Caller(request, count), "127.0.0.1", port)
    await asyncio.sleep(_WARM_UP)
    before, began = count.answers, perf_counter()
    await asyncio.sleep(seconds)
    assert not count.refused, count.refused
    return (count.answers - before) / (perf_counter() - began)


if __name__ == "__main__":
    _port, _connections, _seconds = sys.argv[1:]
    print(uvloop.run(rate(int(_port), int(_connections), float(_seconds))))

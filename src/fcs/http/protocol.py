"""One connection: uvicorn's own, with limits on the time and the size of what comes in.

A client can make the head of a request last for ever, or its body, or the rest of a body that
nobody reads because the answer is out already. One deadline covers all three. It can also leave
the answer unread, which stays in memory for so long: another one sees to it that it goes on.
"""

import asyncio
import socket
import struct

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from fcs.http.problems import KINDS, MEDIA_TYPE, ProblemDocument

SECONDS_MAX = 10.0
HEADER_BYTES_MAX = 32 * 1024
READ_BYTES_MIN = 16 * 1024
"""Of an answer, so much must be read within `SECONDS_MAX`, or what is left of it."""


class Connection(HttpToolsProtocol):
    """The deadline runs from the first byte of a request, or of a connection, to the last."""

    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _head_is_read = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._clear_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._read(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _read(self, data: bytes) -> bytes:
        """Read what came, and return what is left of it."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._has_body():
                # The parser has left it unread, and it must not be taken for another request.
                self.cycle.disconnected = True
                self._refuse("bad_request", "A request that offers an upgrade has no body here.")
                return b""
            # Not taken, so what follows is HTTP as before; but that parser reads no more of it.
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            rest: bytes = data[offer.args[0] :]
            return rest
        return b""

    def _has_body(self) -> bool:
        """Whether the request whose head was read last says that a body follows."""
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self.headers
        )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        self._head_is_read = False
        self._set_deadline()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_read = True
        super().on_headers_complete()
        if self.pipeline:
            # Others are answered first, and until then we may leave its body unread.
            self._clear_deadline()

    def on_message_complete(self) -> None:
        self._clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_reading()
        if self._deadline is None and self._has_its_turn():
            self._set_deadline()

    def _has_its_turn(self) -> bool:
        """Whether the last request is about to be carried out, and its body is not there yet."""
        cycle = self.cycle
        is_over = cycle.response_complete or cycle.disconnected
        return not self.pipeline and cycle.more_body and not is_over

    def pause_writing(self) -> None:
        # uvloop counts what waits only once it has tried to send it, which is after the answer.
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._expect_reading()

    def send_400_response(self, msg: str) -> None:
        cycle: RequestResponseCycle | None = self.cycle  # there is none before the first request
        if cycle is None or cycle.response_complete or cycle.more_body:
            self._refuse("bad_request", msg)
            return
        self._end_with_answers()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES_MAX:
            raise ValueError("the head of the request is too large")

    def _set_deadline(self) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(SECONDS_MAX, self._give_up)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        cycle: RequestResponseCycle | None = self.cycle  # there is none before the first request
        if not self._head_is_read and cycle is not None and not cycle.response_complete:
            self._end_with_answers()
            return
        if not self._head_is_read or self.cycle.response_started:
            self.transport.abort()
            return
        # The app waits for the rest of the body: it is told that nobody is there any more.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._refuse("request_timeout", f"The body did not arrive within {SECONDS_MAX:g} seconds.")

    def _end_with_answers(self) -> None:
        """Let each request that came before get its own answer; then this is over."""
        # They are carried out by now: told of what followed them, a client would send them again.
        self._clear_deadline()
        self.cycle.keep_alive = False

    def _expect_reading(self) -> None:
        """Look again later whether the client has read of what is ready for it by now."""
        self._clear_reading()
        if unread := self.transport.get_write_buffer_size():
            self._reading = self.loop.call_later(SECONDS_MAX, self._look_at_reading, unread)

    def _look_at_reading(self, unread_before: int) -> None:
        # Whatever was added meanwhile has begun this wait anew.
        if self.transport.get_write_buffer_size() > max(0, unread_before - READ_BYTES_MIN):
            self._drop()
        else:
            self._expect_reading()

    def _drop(self) -> None:
        # Else the kernel would keep what is unread, and go on offering it.
        at_once = struct.pack("ii", 1, 0)
        line = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.transport.abort()

    def _clear_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _refuse(self, code: str, detail: str) -> None:
        """Answer the last request without the app, when it is its turn, and hang up."""

        async def answer(*_: object) -> None:
            self._answer(code, detail)

        if self.pipeline:
            self.cycle.disconnected = True
            self.pipeline[0] = (self.cycle, answer)
        else:
            self._answer(code, detail)

    def _answer(self, code: str, detail: str) -> None:
        kind = KINDS[code]
        document = ProblemDocument(
            kind=f"/docs#{code}",
            title=kind.title,
            status=kind.status,
            code=code,
            detail=detail,
            hint=kind.cure,
        )
        body = msgspec.json.encode(document)
        head = (
            f"content-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\n"
            "cache-control: no-store\r\n"
            "x-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[kind.status] + head.encode("ascii") + body)
        self.transport.close()
        self._expect_reading()

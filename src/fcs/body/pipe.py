"""What a worker and its child processes say to each other, and how it is framed.

Each message is a record in msgpack after its length in four bytes. A child is asked for one run
at a time; nothing that it sends is believed further than its form.
"""

from typing import Final, TypeAlias

import msgspec

from fcs.body.context import Ask, Progress
from fcs.domain.ids import RunId, TaskId
from fcs.domain.outcome import Outcome

HEAD_BYTES: Final = 4
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
"""Arguments, results, traces and log lines all have limits of their own, far below."""


class Go(msgspec.Struct, frozen=True, tag="go"):
    """To the child: start this body now. Never sent twice."""

    id: TaskId
    run_id: RunId
    ty: str
    args_text: str
    attempt: int
    max_attempts: int
    timeout: float | None


class Asked(msgspec.Struct, frozen=True, tag="asked"):
    """To the child: the body is to end."""

    why: Ask


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From the child: the application is imported, bodies of these types can start at once."""

    types: list[str]


class Unfit(msgspec.Struct, frozen=True, tag="unfit"):
    """From the child: the application cannot be imported here."""

    error: str
    hint: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """From the child: it has the go. Until this is said, the body has not run, for certain."""


class Logged(msgspec.Struct, frozen=True, tag="logged"):
    """From the child: a record of the standard `logging`."""

    name: str
    level: int
    text: str
    created: float


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """From the child: how far the body has come."""

    progress: Progress


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """From the child: how the body ended. With `spent`, which says why, it takes no more runs."""

    outcome: Outcome
    spent: str = ""


ToChild: TypeAlias = Go | Asked
FromChild: TypeAlias = Ready | Unfit | Started | Logged | Moved | Ended


class BadFrame(Exception):
    """What came through the pipe is no message."""


_encoder = msgspec.msgpack.Encoder()
_to_child: Final[msgspec.msgpack.Decoder[ToChild]] = msgspec.msgpack.Decoder(ToChild)
_from_child: Final[msgspec.msgpack.Decoder[FromChild]] = msgspec.msgpack.Decoder(FromChild)


def frame(message: ToChild | FromChild) -> bytes:
    """A message as it travels. Raises `BadFrame` when it is too large to."""
    body = _encoder.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise BadFrame(f"a message of {len(body):,} bytes is too large for the pipe")
    return len(body).to_bytes(HEAD_BYTES, "big") + body


def size_of(head: bytes) -> int:
    """How long the message after this head is. Raises `BadFrame`."""
    size = int.from_bytes(head, "big")
    if size > FRAME_BYTES_MAX:
        raise BadFrame(f"a message claims to have {size:,} bytes")
    return size


def read_to_child(body: bytes) -> ToChild:
    return _to_child.decode(body)


def read_from_child(body: bytes) -> FromChild:
    """Read what a child sent. Raises `BadFrame`."""
    try:
        return _from_child.decode(body)
    except msgspec.MsgspecError as error:
        raise BadFrame(f"what the child sent is no message: {error}") from None

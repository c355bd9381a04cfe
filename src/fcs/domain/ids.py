"""Ids as distinct types, and UUID version 7 (RFC 9562), made from a time and some entropy."""

from typing import NewType
from uuid import UUID

TaskId = NewType("TaskId", UUID)
WorkerId = NewType("WorkerId", UUID)
Incarnation = NewType("Incarnation", UUID)
"""One process start of a worker id. A dead incarnation never comes back."""
RunId = NewType("RunId", UUID)
"""One run of one task: the token that every write about the run must show."""

ENTROPY_BYTES = 10


def uuid7(unix_ms: int, entropy: bytes) -> UUID:
    """Make an id that sorts by its creation time, in milliseconds since 1970.

    `entropy` is `ENTROPY_BYTES` random bytes; 74 of their bits are used.
    """
    random = int.from_bytes(entropy[:ENTROPY_BYTES], "big")
    high, low = random >> 68, random & ((1 << 62) - 1)
    return UUID(int=(unix_ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)

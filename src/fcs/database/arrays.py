"""Arrays of ids on their way to Postgres, written in one go.

psycopg writes a list element by element; at tens of thousands of ids a second that is a good
part of the work of a process.
"""

from collections.abc import Iterable
from struct import pack
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_UUID, _UUID_ARRAY = 2950, 2951
_LENGTH = pack("!i", 16)


class UuidArray:
    """A `uuid[]` in Postgres' binary form: dimensions, no nulls, type, size, lower bound."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        elements = [id.int.to_bytes(16) for id in ids]
        head = (
            pack("!iiIii", 1, 0, _UUID, len(elements), 1) if elements else pack("!iiI", 0, 0, _UUID)
        )
        self.binary = b"".join((head, _LENGTH, _LENGTH.join(elements))) if elements else head


class _UuidArrayDumper(Dumper):
    format = Format.BINARY
    oid = _UUID_ARRAY

    def dump(self, obj: UuidArray) -> bytes:
        return obj.binary


# A type of our own: nobody else's values are written differently for it.
psycopg.adapters.register_dumper(UuidArray, _UuidArrayDumper)

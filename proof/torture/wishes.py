"""What clients of the torture wish for, and what they may be answered."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID

SERIALS: Final = 100_000_000
"""So many serial numbers belong to one client."""

MANY: Final = (5, 40)
"""So many tasks are created by one call, where it is not a single one; the least and the most."""

MANY_SHARE: Final = 0.03

CANCELLED: Final = "cancelled"
"""What a cancel says that has ended a task there and then."""

TYPES: Final = (70, 23, 5, 1, 1)
"""In a hundred: async, in a thread, in a process, failing, killing its process."""

CANCELLED_WITHIN: Final = 2.0
"""Seconds ahead to which tasks are scheduled that are to be cancelled, at the most."""


class Wish(NamedTuple):
    """What to create: one task or several alike."""

    ty: str
    serials: tuple[int, ...]
    ms: int | None
    scheduled_at: datetime | None
    key: str | None
    is_to_be_cancelled: bool

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The arguments of each task."""
        more = {} if self.ms is None else {"ms": self.ms}
        return [{"serial": serial, **more} for serial in self.serials]


class Answer(NamedTuple):
    """`ok`, `fail`, `unknown` or, for an error that nobody has promised, `surprise`."""

    op: str
    ids: tuple[str, ...] = ()
    error: str = ""


class Way(NamedTuple):
    """How tasks are created and cancelled; a cancel answers with the status it found."""

    create: Callable[[Wish], Awaitable[Answer]]
    cancel: Callable[[str], Awaitable[str]]


def wishes(number: int, rng: Random, *, ahead: float) -> Iterator[Wish]:
    """Without end: 70 % at once, 20 % up to `ahead` seconds later, 5 % to be cancelled, 5 % with
    retries. Among them are some that fail, some that run alone, and 1 % that kill their process.
    Some of those at once are many: three tasks come of two wishes."""
    serials = count(number * SERIALS + 1)
    while True:
        [lot] = rng.choices(["now", "later", "cancelled", "retried"], [70, 20, 5, 5])
        [ty] = rng.choices(["nap", "nap_in_thread", "nap_alone", "stumble", "poison"], TYPES)
        if lot == "retried":
            ty = "flaky"
        many = rng.randint(*MANY) if lot == "now" and rng.random() < MANY_SHARE else 1
        latest = {"later": ahead, "cancelled": CANCELLED_WITHIN}.get(lot)
        yield Wish(
            ty=ty,
            serials=tuple(next(serials) for _ in range(many)),
            ms=None if ty == "poison" else _ms(rng),
            scheduled_at=None if latest is None else _later(rng, latest),
            key=UUID(int=rng.getrandbits(128)).hex if rng.random() < 0.3 else None,
            is_to_be_cancelled=lot == "cancelled",
        )


def _ms(rng: Random) -> int:
    """Most are short; a few last as long as faults do."""
    return rng.randrange(60) if rng.random() < 0.97 else rng.randrange(2_000)


def _later(rng: Random, ahead: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=rng.uniform(0, ahead))

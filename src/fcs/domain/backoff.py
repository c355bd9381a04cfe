"""How long to wait before trying again: exponential, capped, with full jitter."""

from random import Random

PAUSE_MAX = 5.0


def full_jitter(tries: int, rng: Random, *, first: float = 0.05, cap: float = PAUSE_MAX) -> float:
    """Seconds to wait after the `tries`-th failure in a row (counted from 1).

    Full jitter, after "Exponential Backoff And Jitter" (M. Brooker, 2015): anything between
    nothing and the cap of this try, so that many who failed together do not return together.
    """
    ceiling = min(cap, first * 2.0 ** min(tries - 1, 16))
    return rng.random() * ceiling


def is_worth_a_line(tries: int) -> bool:
    """Whether the `tries`-th failure in a row belongs into the log: ever fewer of them do."""
    return tries in (1, 10, 100) or tries % 1000 == 0

"""How long to wait before trying again: exponential, capped, with full jitter."""

from random import Random


def full_jitter(tries: int, rng: Random, *, first: float = 0.05, cap: float = 5.0) -> float:
    """Seconds to wait after the `tries`-th failure in a row (counted from 1).

    Full jitter, after "Exponential Backoff And Jitter" (M. Brooker, 2015): anything between
    nothing and the cap of this try, so that many who failed together do not return together.
    """
    ceiling = min(cap, first * 2.0 ** min(tries - 1, 16))
    return rng.random() * ceiling

"""The local clock: seconds that pass also while the machine sleeps, whatever time it shows."""

import time


def boot_seconds() -> float:
    """Seconds since some fixed moment. A suspended machine's lease does not stay fresh."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_MONOTONIC"):  # on a Mac, `time.monotonic` is not this one, and sleeps
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()

"""What one body may use: memory and processor time, by the kernel's own limits."""

import math
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_STATM: Final = Path("/proc/self/statm")


@contextmanager
def limited(*, memory_max: int | None, cpu_max: float | None) -> Iterator[None]:
    """Limit this process while a body runs.

    `memory_max` is in bytes, beyond what the process has at the start: the kernel refuses more,
    and Python raises `MemoryError`. `cpu_max` is in seconds of processor time, rounded up: then
    the kernel sends SIGXCPU, which ends the process.
    """
    with ExitStack() as limits:
        if memory_max is not None and (held := _data_bytes()) is not None:
            limits.enter_context(_lowered(resource.RLIMIT_DATA, held + memory_max))
        if cpu_max is not None:
            seconds = math.ceil(time.process_time() + cpu_max)
            limits.enter_context(_lowered(resource.RLIMIT_CPU, seconds))
        yield


def memory_used() -> int:
    """Bytes of real memory; the most there ever were, where the kernel does not tell it."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _data_bytes() -> int | None:
    """Private writable memory of this process, which is what RLIMIT_DATA counts on Linux.

    Not RLIMIT_AS: that counts what is reserved and never used as well, such as 64 MB for each
    thread that allocates.
    """
    try:
        text = _STATUS.read_text()
    except OSError:
        return None
    [line] = [line for line in text.splitlines() if line.startswith("VmData:")]
    return int(line.split()[1]) * 1024


@contextmanager
def _lowered(limit: int, value: int) -> Iterator[None]:
    """Lower a limit for a while: the soft one, which can be raised again for the next body."""
    soft, hard = resource.getrlimit(limit)
    allowed = [each for each in (soft, hard, value) if each != resource.RLIM_INFINITY]
    resource.setrlimit(limit, (min(allowed), hard))
    try:
        yield
    finally:
        resource.setrlimit(limit, (soft, hard))
